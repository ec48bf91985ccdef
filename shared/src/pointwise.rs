//! Pointwise scoring: each candidate behind one shared history, blind to the others; its score is the logit
//! of " yes" minus that of " no". The order of the candidates cannot matter, so there is no position bias.
//!
//! (Yes/no relevance: Liang et al., arXiv 2211.09110; one pass over a shared prefix: see `Layout`.) The
//! paper's letters need a model that binds letters to titles, which a small one learns slowly.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    PROMPT_HISTORY, TITLE_TOKENS,
    llama::{Adapter, Branch, Layout, Llama},
    prompt::pointwise::{ANSWERS, HEAD, chosen, question},
    tokens::{Tokens, TokensError},
};

/// How much of history and titles is read. A tuned adapter keeps what it was trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointwiseConfig {
    /// Newest items of the history shown.
    pub history: usize,
    /// Tokens of a title shown.
    pub title_tokens: usize,
}

impl Default for PointwiseConfig {
    fn default() -> Self {
        Self { history: PROMPT_HISTORY, title_tokens: TITLE_TOKENS }
    }
}

/// Candidates for what comes after the first items of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// How many items of the history come before.
    pub length: usize,
    /// Titles of the candidates.
    pub candidates: Vec<&'a str>,
}

/// Pointwise scoring with one tokenizer.
#[derive(Clone, Debug)]
pub struct Pointwise {
    config: PointwiseConfig,
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
    pub fn new(tokens: &Tokens, config: PointwiseConfig) -> Result<Self, PointwiseError> {
        let mut answers = [0; 2];
        for (id, answer) in answers.iter_mut().zip(ANSWERS) {
            let ids = tokens.ids(answer)?;
            let &[only] = ids.as_slice() else {
                return Err(PointwiseError::NotOneToken { answer, tokens: ids.len() });
            };
            *id = only;
        }
        Ok(Self { config, answers })
    }

    /// Questions behind one history, titles oldest first. Each question is asked behind the first
    /// `length` items of the history and sees no later one; the newest that any sees are shown.
    ///
    /// # Errors
    /// A tokenizer that fails.
    pub fn layout(
        &self,
        tokens: &Tokens,
        history: &[&str],
        questions: &[Question],
    ) -> Result<Layout, TokensError> {
        // So that the question behind the shortest history sees its newest items too.
        let shortest = questions.iter().map(|question| question.length).min().unwrap_or(history.len());
        let first = shortest.saturating_sub(self.config.history);
        let mut prefix = tokens.ids(HEAD)?;
        let mut ends = vec![prefix.len()];
        for title in &history[first..] {
            prefix.extend(tokens.ids(&chosen(&tokens.cut(title, self.config.title_tokens)?))?);
            ends.push(prefix.len());
        }
        let mut branches = Vec::new();
        for Question { length, candidates } in questions {
            for title in candidates {
                let text = question(&tokens.cut(title, self.config.title_tokens)?);
                branches.push(Branch { seen: ends[length - first], ids: tokens.ids(&text)? });
            }
        }
        Ok(Layout::new(prefix, branches))
    }

    /// Scores of all candidates of all layouts, one after another: `[candidates]`.
    pub fn scores(&self, llama: &Llama, layouts: &[Layout], adapter: Option<&Adapter>) -> Tensor<1> {
        let hidden = llama.hidden(layouts, adapter); // [candidates, d_model]
        let rows = llama.head().lookup(&self.answers, &hidden.device());
        let direction = rows.clone().narrow(0, 0, 1) - rows.narrow(0, 1, 1); // [1, d_model]
        hidden.matmul(direction.transpose()).squeeze_dim(1)
    }
}
