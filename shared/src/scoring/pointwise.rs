//! Pointwise scoring: each candidate behind one shared history, blind to the others; its score is the logit
//! of " yes" minus that of " no". The order of the candidates cannot matter, so there is no position bias.
//!
//! (Yes/no relevance: Liang et al., arXiv 2211.09110; one pass over a shared prefix: see `Layout`.) The
//! paper's letters need a model that binds letters to titles, which a small one learns slowly.

use burn::tensor::Tensor;
use thiserror::Error;

use super::{Question, ScoringConfig, first_shown};
use crate::{
    llama::{Branch, Embedding, Layout},
    prompt::pointwise::{ANSWERS, HEAD, chosen, question},
    quant::times_transposed,
    tokens::{Tokens, TokensError},
};

/// Pointwise scoring with one tokenizer.
#[derive(Clone, Debug)]
pub struct Pointwise {
    config: ScoringConfig,
    /// Token ids of " yes" and " no".
    answers: [u32; 2],
}

/// Why a tokenizer cannot serve.
#[derive(Debug, Error)]
pub enum PointwiseError {
    /// The tokenizer failed.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// An answer is not one token.
    #[error(
        "the answer \"{answer}\" takes {tokens} tokens, must be exactly 1: this tokenizer cannot answer so"
    )]
    NotOneToken {
        /// The answer.
        answer: &'static str,
        /// How many tokens it takes.
        tokens: usize,
    },
}

impl Pointwise {
    /// Finds the answers' tokens.
    ///
    /// # Errors
    /// A tokenizer in which " yes" or " no" is not one token.
    pub fn new(tokens: &Tokens, config: ScoringConfig) -> Result<Self, PointwiseError> {
        let mut answers = [0; 2];
        for (id, answer) in answers.iter_mut().zip(ANSWERS) {
            let ids = tokens.piece(answer)?;
            let &[only] = ids.as_slice() else {
                return Err(PointwiseError::NotOneToken { answer, tokens: ids.len() });
            };
            *id = only;
        }
        Ok(Self { config, answers })
    }

    /// An item of the history as it is read.
    pub(crate) fn chosen(&self, tokens: &Tokens, title: &str) -> Result<String, TokensError> {
        Ok(chosen(&tokens.cut(title, self.config.title_tokens)?))
    }

    /// The question about a candidate as it is read.
    pub(crate) fn question(&self, tokens: &Tokens, title: &str) -> Result<String, TokensError> {
        Ok(question(&tokens.cut(title, self.config.title_tokens)?))
    }

    /// The history once, and one branch a candidate of each question.
    pub(super) fn layout(
        &self,
        tokens: &Tokens,
        history: &[&str],
        questions: &[Question],
    ) -> Result<Layout, TokensError> {
        let first = first_shown(history.len(), questions, &self.config);
        let mut prefix = tokens.ids(HEAD)?;
        let mut ends = vec![prefix.len()];
        for title in &history[first..] {
            prefix.extend(tokens.piece(&self.chosen(tokens, title)?)?);
            ends.push(prefix.len());
        }
        let mut branches = Vec::new();
        for Question { length, candidates } in questions {
            for title in candidates {
                let ids = tokens.piece(&self.question(tokens, title)?)?;
                branches.push(Branch { seen: ends[length - first], ids });
            }
        }
        Ok(Layout::new(prefix, branches))
    }

    /// Logits of " yes" minus those of " no". `hidden` is `[candidates, d_model]`.
    pub(super) fn scores(&self, head: &Embedding, hidden: Tensor<2>) -> Tensor<1> {
        let rows = head.lookup(&self.answers, &hidden.device());
        let direction = rows.clone().narrow(0, 0, 1) - rows.narrow(0, 1, 1); // [1, d_model]
        times_transposed(hidden, direction).squeeze_dim(1)
    }
}
