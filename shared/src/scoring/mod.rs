//! How a ranker is asked about candidates, and how its hidden states become one score a candidate.

pub mod letters;
mod pointwise;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

pub use letters::Letters;
pub use pointwise::{Pointwise, PointwiseError};

use crate::{
    PROMPT_HISTORY, TITLE_TOKENS,
    llama::{Adapter, Embedding, Layout, Llama},
    tokens::{Tokens, TokensError},
    verbalizer::Verbalizer,
};

/// Which question is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All candidates in one prompt, each under its index letter: the paper's verbalizer.
    Letters,
    /// Each candidate alone behind the history: the order of the candidates cannot matter.
    #[default]
    Pointwise,
}

/// How is asked, and how much of history and titles is read. A tuned adapter keeps what it was trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoringConfig {
    /// Which question is asked.
    #[serde(default)]
    pub mode: Mode,
    /// Newest items of the history shown.
    pub history: usize,
    /// Tokens of a title shown.
    pub title_tokens: usize,
}

impl ScoringConfig {
    /// The paper's mode and lengths.
    pub fn letters() -> Self {
        Self { mode: Mode::Letters, history: PROMPT_HISTORY, title_tokens: TITLE_TOKENS }
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

/// Questions behind one history, as the model reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Tokens and who sees whom.
    pub layout: Layout,
    /// Number of candidates of each question; of running answers ([`Scorer::ask_running`]) the number of those read so far,
    /// and then of all.
    pub candidates: Vec<usize>,
}

/// Asks in one of the modes.
#[derive(Clone, Debug)]
pub enum Scorer {
    /// The paper's.
    Letters(Letters),
    /// The order-free one.
    Pointwise(Pointwise),
}

impl Scorer {
    /// For one tokenizer and its index letters.
    ///
    /// # Errors
    /// A tokenizer that has no single tokens for the answers.
    pub fn new(
        tokens: &Tokens,
        verbalizer: &Verbalizer,
        config: ScoringConfig,
    ) -> Result<Self, PointwiseError> {
        Ok(match config.mode {
            Mode::Letters => Self::Letters(Letters::new(verbalizer, config)),
            Mode::Pointwise => Self::Pointwise(Pointwise::new(tokens, config)?),
        })
    }

    /// Questions behind one history, titles oldest first. Each is asked behind the first `length` items of
    /// the history and sees no later one; the newest that any sees are shown.
    ///
    /// # Errors
    /// A tokenizer that fails.
    pub fn ask(
        &self,
        tokens: &Tokens,
        history: &[&str],
        questions: &[Question],
    ) -> Result<Asked, TokensError> {
        let layout = match self {
            Self::Letters(letters) => letters.layout(tokens, history, questions)?,
            Self::Pointwise(pointwise) => pointwise.layout(tokens, history, questions)?,
        };
        let candidates = questions.iter().map(|question| question.candidates.len()).collect();
        Ok(Asked { layout, candidates })
    }

    /// As [`Self::ask`]; by letters the answer is also read behind every candidate but the first, as if there were no more of
    /// them: a question then teaches as often as it has candidates.
    ///
    /// # Errors
    /// A tokenizer that fails.
    pub fn ask_running(
        &self,
        tokens: &Tokens,
        history: &[&str],
        questions: &[Question],
    ) -> Result<Asked, TokensError> {
        match self {
            Self::Letters(letters) => letters.running(tokens, history, questions),
            Self::Pointwise(_) => self.ask(tokens, history, questions),
        }
    }

    /// One forward pass; scores of all candidates of all questions, one after another: `[candidates]`.
    pub fn pass(&self, llama: &Llama, asked: &[Asked], adapter: Option<&Adapter>) -> Tensor<1> {
        let layouts: Vec<Layout> = asked.iter().map(|asked| asked.layout.clone()).collect();
        let candidates: Vec<usize> = asked.iter().flat_map(|asked| &asked.candidates).copied().collect();
        self.scores(llama.head(), llama.hidden(&layouts, adapter), &candidates)
    }

    /// Scores from the hidden states `[states read, d_model]` of questions that have so many candidates each.
    pub fn scores(&self, head: &Embedding, hidden: Tensor<2>, candidates: &[usize]) -> Tensor<1> {
        match self {
            Self::Letters(letters) => letters.scores(head, hidden, candidates),
            Self::Pointwise(pointwise) => pointwise.scores(head, hidden),
        }
    }
}

/// The first of a history's items that is shown: so that the question behind the shortest part of it sees
/// its newest items too.
fn first_shown(history: usize, questions: &[Question], config: &ScoringConfig) -> usize {
    let shortest = questions.iter().map(|question| question.length).min().unwrap_or(history);
    shortest.saturating_sub(config.history)
}
