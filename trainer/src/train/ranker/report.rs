//! What a ranker's run writes beside its adapter: its curve and its result.

use serde::{Deserialize, Serialize};
use shared::tuned::TunedFor;

use super::{RankerConfig, judge::Verdict};
use crate::{candidates::Source, train::DataUsed};

/// One validation on the retriever's candidates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankerValidation {
    /// Steps taken before.
    pub step: usize,
    /// Mean training loss since the last validation; 0 before training.
    pub loss: f64,
    /// Share of the training questions since then in which the right answer, or the teacher's first, got the best score.
    #[serde(default)]
    pub accuracy: f64,
    /// Cross entropy over the candidates of the ranker alone.
    pub ranker_cross_entropy: f64,
    /// NDCG@10 of the ranker alone.
    pub ranker_ndcg_10: f64,
    /// Cross entropy of both stages with weights fitted to these users.
    pub fused_cross_entropy: f64,
    /// NDCG@10 of both stages with weights fitted to these users.
    pub fused_ndcg_10: f64,
}

/// A finished run, or one at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankerReport {
    /// Version of the program.
    pub llamarec: String,
    /// The data.
    pub data: DataUsed,
    /// Where the candidates are from.
    pub candidates: Source,
    /// The adapter's file says the same.
    pub tuned_for: TunedFor,
    /// What taught, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<TunedFor>,
    /// SHA-256 of the adapter that it began with, if it began with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The settings.
    pub training: RankerConfig,
    /// Numbers trained.
    pub parameters: usize,
    /// Questions there are: training prefixes whose next item is among the candidates.
    pub questions: usize,
    /// Steps taken.
    pub steps: usize,
    /// Step of the adapter kept: lowest fused cross entropy on the validation users.
    pub best_step: usize,
    /// Seconds spent.
    pub seconds: f64,
    /// Why it stopped.
    pub stopped: String,
    /// The adapter kept on the validation users, where its weights were fitted.
    pub valid: Verdict,
    /// All validations.
    pub curve: Vec<RankerValidation>,
}
