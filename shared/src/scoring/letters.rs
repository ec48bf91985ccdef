//! The paper's mode: the candidates stand in one prompt, each under an index letter, and the logit of the
//! letter's token behind the prompt is the candidate's score (section 3.2.2).

use burn::tensor::Tensor;

use super::{Question, ScoringConfig, first_shown};
use crate::{
    llama::{Embedding, Layout},
    prompt::Prompt,
    quant::times_transposed,
    tokens::{Tokens, TokensError},
    verbalizer::Verbalizer,
};

/// Scoring by index letters with one tokenizer.
#[derive(Clone, Debug)]
pub struct Letters {
    config: ScoringConfig,
    label_ids: Vec<u32>,
}

impl Letters {
    pub(super) fn new(verbalizer: &Verbalizer, config: ScoringConfig) -> Self {
        Self { config, label_ids: verbalizer.label_ids().to_vec() }
    }

    /// The whole prompts; what two of them begin with in common is read once.
    pub(super) fn layout(
        &self,
        tokens: &Tokens,
        history: &[&str],
        questions: &[Question],
    ) -> Result<Layout, TokensError> {
        let first = first_shown(history.len(), questions, &self.config);
        let prompts: Result<Vec<Vec<u32>>, TokensError> = questions
            .iter()
            .map(|Question { length, candidates }| {
                tokens.ids(&prompt(tokens, &history[first..*length], candidates, self.config)?.text)
            })
            .collect();
        Ok(Layout::sharing(&prompts?))
    }

    /// Logits of the candidates' letters. `hidden` is `[questions, d_model]`.
    pub(super) fn scores(&self, head: &Embedding, hidden: Tensor<2>, candidates: &[usize]) -> Tensor<1> {
        let labels = head.lookup(&self.label_ids, &hidden.device()); // [20, d_model]
        let logits = times_transposed(hidden, labels); // [questions, 20]
        let of_question = candidates.iter().enumerate().map(|(n, &count)| {
            let row = logits.clone().narrow(0, n, 1).narrow(1, 0, count);
            row.reshape([count])
        });
        Tensor::cat(of_question.collect(), 0)
    }
}

/// The paper's prompt for these titles, every one cut.
///
/// # Errors
/// A tokenizer that fails.
pub fn prompt(
    tokens: &Tokens,
    history: &[&str],
    candidates: &[&str],
    config: ScoringConfig,
) -> Result<Prompt, TokensError> {
    let cut = |titles: &[&str]| -> Result<Vec<String>, TokensError> {
        titles.iter().map(|title| tokens.cut(title, config.title_tokens)).collect()
    };
    Ok(Prompt::render(&cut(history)?, &cut(candidates)?))
}
