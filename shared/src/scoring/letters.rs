//! The paper's mode: the candidates stand in one prompt, each under an index letter, and the logit of the
//! letter's token behind the prompt is the candidate's score (section 3.2.2).

use burn::tensor::{Int, Tensor, TensorData};

use super::{Asked, Question, ScoringConfig, first_shown};
use crate::{
    llama::{Embedding, Layout},
    prompt::{Prompt, SpanKind},
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
        let prompts = self.prompts(tokens, history, questions)?;
        let ids: Result<Vec<Vec<u32>>, TokensError> =
            prompts.iter().map(|prompt| tokens.ids(&prompt.text)).collect();
        Ok(Layout::sharing(&ids?))
    }

    /// The same, read behind the candidates as well: at the first token that has seen all of a title.
    pub(super) fn running(
        &self,
        tokens: &Tokens,
        history: &[&str],
        questions: &[Question],
    ) -> Result<Asked, TokensError> {
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        for prompt in self.prompts(tokens, history, questions)? {
            let encoded = tokens.encode(&prompt.text)?;
            let behind = |end: usize| encoded.offsets.iter().position(|offset| offset.1 > end);
            let candidates =
                prompt.spans.iter().filter(|span| matches!(span.kind, SpanKind::Candidate { .. }));
            // One candidate alone is no question, and behind the last comes the answer itself.
            let some = candidates.skip(1).filter_map(|span| behind(span.end));
            let mut some: Vec<usize> = some.collect();
            some.pop();
            places.push(some);
            ids.push(encoded.ids);
        }
        let layout = Layout::sharing(&ids);
        let mut candidates = Vec::new();
        for (n, places) in places.iter_mut().enumerate() {
            // What two prompts share is not read for either.
            let shared = places.iter().take_while(|place| !layout.own(n).contains(place)).count();
            places.drain(..shared);
            let all = questions[n].candidates.len();
            candidates.extend(all - places.len()..=all);
        }
        Ok(Asked { layout: layout.reading_also(&places), candidates })
    }

    fn prompts(
        &self,
        tokens: &Tokens,
        history: &[&str],
        questions: &[Question],
    ) -> Result<Vec<Prompt>, TokensError> {
        let first = first_shown(history.len(), questions, &self.config);
        let prompt = |Question { length, candidates }: &Question| {
            prompt(tokens, &history[first..*length], candidates, self.config)
        };
        questions.iter().map(prompt).collect()
    }

    /// Logits of the candidates' letters. `hidden` is `[answers, d_model]`.
    pub(super) fn scores(&self, head: &Embedding, hidden: Tensor<2>, candidates: &[usize]) -> Tensor<1> {
        let labels = head.lookup(&self.label_ids, &hidden.device()); // [20, d_model]
        let logits = times_transposed(hidden, labels); // [answers, 20]
        let all = logits.dims().iter().product::<usize>();
        // A question has the first letters.
        let places = candidates.iter().enumerate();
        let places: Vec<i32> = places
            .flat_map(|(n, &count)| (0..count).map(move |m| (n * self.label_ids.len() + m) as i32))
            .collect();
        let count = places.len();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &logits.device());
        logits.reshape([all]).select(0, places)
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
