//! The Trace: everything one recommendation went through.
//!
//! The page draws it, the CLI prints it, JSON export writes it, golden tests compare it, and the recorded
//! examples that make the page alive before any download are saved Traces.

use serde::{Deserialize, Serialize};

use crate::{
    catalog::ItemId,
    fusion::Fusion,
    prompt::{Prompt, SpanKind},
    ranking::{Ordering, Ranked},
};

/// Format number of [`Trace`]; raised when a field changes its meaning.
pub const TRACE_VERSION: u32 = 1;

/// Everything one recommendation went through, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// [`TRACE_VERSION`] of the writer.
    pub version: u32,
    /// The whole history given, oldest first.
    pub history: Vec<HistoryItem>,
    /// How the ranker was asked.
    #[serde(default)]
    pub asking: Asking,
    /// What the retriever proposed, best first; at most [`crate::CANDIDATES`].
    pub candidates: Vec<Candidate>,
    /// What the ranker said with its index letters; absent when it did not answer so.
    pub ranker: Option<RankerTrace>,
    /// What a ranker that was tuned to judge candidates one by one said about each.
    #[serde(default)]
    pub pointwise: Option<PointwiseTrace>,
    /// Both stages joined; absent when no tuned ranker ran.
    #[serde(default)]
    pub fused: Option<FusedTrace>,
    /// Which scores decided.
    pub ordering: Ordering,
    /// The final order.
    pub ranking: Vec<Ranked>,
    /// Wall times of the stages.
    pub timings: Timings,
    /// What produced this Trace.
    pub provenance: Provenance,
}

impl Trace {
    /// Whether a ranker had its say.
    pub fn is_ranked(&self) -> bool {
        self.is_by_letters() || self.pointwise.is_some()
    }

    /// Whether the ranker answered with index letters.
    pub fn is_by_letters(&self) -> bool {
        self.ranker.is_some()
    }

    /// How many items of the history the ranker read, the newest; `None` where none ran or the record does not say.
    pub fn history_read(&self) -> Option<usize> {
        let of_prompt = |ranker: &RankerTrace| {
            ranker.prompt.spans.iter().filter(|span| matches!(span.kind, SpanKind::History { .. })).count()
        };
        match (&self.ranker, &self.pointwise) {
            (Some(ranker), _) => Some(of_prompt(ranker)),
            (None, Some(pointwise)) => pointwise.history,
            (None, None) => None,
        }
    }

    /// Places of the candidates in the order of their index letters: the first is the one under A.
    pub fn by_letter(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.candidates.len()).collect();
        places.sort_by_key(|&place| self.candidates[place].letter);
        places
    }
}

/// How a ranker is asked, beside what its adapter was tuned for: lessons and comparisons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asking {
    /// By index letters even if the adapter that decides was tuned to be asked otherwise: those of an adapter of their own,
    /// or of the untuned base model, and then they do not decide.
    pub letters: bool,
    /// Without the adapter: the base model as it was, which does not decide.
    pub untuned: bool,
    /// Order in which the candidates stand in the prompt, as places in the retriever's order from 0; empty is that order.
    /// Asked film by film, candidates have no order.
    pub order: Vec<usize>,
}

/// One film or product the user liked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryItem {
    /// The item.
    pub item: ItemId,
    /// Its title.
    pub title: String,
}

/// One proposal of the retriever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The item.
    pub item: ItemId,
    /// Its title.
    pub title: String,
    /// Its index letter in the prompt.
    pub letter: char,
    /// The retriever's score (a logit over the catalogue).
    pub score: f32,
}

/// The one forward pass and its reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankerTrace {
    /// The prompt and its spans.
    pub prompt: Prompt,
    /// Its tokens.
    pub token_ids: Vec<u32>,
    /// The byte range of the prompt's text that each token covers.
    pub token_offsets: Vec<(usize, usize)>,
    /// Token ids of the index letters of the candidates, letter order.
    pub label_ids: Vec<u32>,
    /// Logits of those tokens at the last position, letter order.
    pub letter_logits: Vec<f32>,
    /// Softmax over the letter logits, letter order.
    pub probabilities: Vec<f32>,
    /// Largest logits of the whole vocabulary, best first; empty unless asked for.
    #[serde(default)]
    pub top: Vec<VocabularyEntry>,
    /// Share of the whole vocabulary's probability on the candidates' letters; only with `top`.
    #[serde(default)]
    pub letter_mass: Option<f32>,
}

/// What a ranker said about each candidate alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointwiseTrace {
    /// The text that all candidates stand behind.
    pub text: String,
    /// How many items of the history it names; older records do not say.
    #[serde(default)]
    pub history: Option<usize>,
    /// What follows it for each candidate, in the retriever's order; none sees the others.
    pub questions: Vec<String>,
    /// Tokens read, those of the text and all questions.
    pub tokens: usize,
    /// Logit of " yes" minus that of " no", in the retriever's order.
    pub scores: Vec<f32>,
    /// Softmax over the scores, in the retriever's order.
    pub probabilities: Vec<f32>,
}

/// A tuned ranker's scores joined with the retriever's: the final order follows them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FusedTrace {
    /// Weights of the stages' scores.
    pub weights: Fusion,
    /// Softmax over the retriever's scores alone, in its order.
    pub retriever: Vec<f32>,
    /// Softmax over the weighted sum of both stages' scores, in the retriever's order.
    pub probabilities: Vec<f32>,
}

/// One token of the vocabulary and its logit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VocabularyEntry {
    /// Token id.
    pub id: u32,
    /// Token as text.
    pub token: String,
    /// Logit at the last position.
    pub logit: f32,
}

/// Wall times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Retriever: history in, candidates out.
    pub retrieve_ms: f64,
    /// Prompt and tokens.
    pub prompt_ms: f64,
    /// The ranker's forward pass with its readback.
    pub forward_ms: f64,
    /// Tokens that the ranker knew from the question before and did not read again.
    #[serde(default)]
    pub reused_tokens: usize,
}

/// What produced a Trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of llamarec.
    pub llamarec: String,
    /// The retriever's bundle, for example `movielens`.
    pub bundle: String,
    /// The base model's name, if one was loaded.
    pub base: Option<String>,
    /// The adapter's name; `None` is an untuned base model.
    pub adapter: Option<String>,
    /// The device the ranker ran on, for example `cpu` or `wgpu: llvmpipe`.
    pub device: String,
}
