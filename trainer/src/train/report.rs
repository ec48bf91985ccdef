//! What a run writes beside its weights: the settings as used, the data, the curve, the measures.

use serde::{Deserialize, Serialize};
use shared::{metrics::Interval, retriever::RetrieverConfig};

use super::{TrainConfig, measure::Measured};
use crate::data::{Dataset, Outcome};

/// One validation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Steps taken before.
    pub step: usize,
    /// Mean training loss since the last validation; 0 before training.
    pub loss: f64,
    /// Users whose item is among the first 10.
    pub hits_10: usize,
    /// Recall@10 with everything seen left out.
    pub recall_10: f64,
    /// NDCG@10 with everything seen left out.
    pub ndcg_10: f64,
}

/// The data a run used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataUsed {
    /// Name.
    pub name: String,
    /// Number of users.
    pub users: usize,
    /// Number of items.
    pub items: usize,
    /// Number of interactions.
    pub interactions: usize,
    /// SHA-256 of all sequences as lines of item ids.
    pub sequences_sha256: String,
}

impl DataUsed {
    /// Counts and checksum of a prepared data set.
    pub fn of(dataset: &Dataset) -> Self {
        let Outcome { users, items, interactions, sequences_sha256 } = Outcome::of(dataset);
        Self { name: dataset.name.clone(), users, items, interactions, sequences_sha256 }
    }
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of the program.
    pub llamarec: String,
    /// The data.
    pub data: DataUsed,
    /// The model.
    pub model: RetrieverConfig,
    /// The training.
    pub training: TrainConfig,
    /// Steps taken.
    pub steps: usize,
    /// Step of the weights kept: best validation Recall@10.
    pub best_step: usize,
    /// Wall time of all slices of the run.
    pub seconds: f64,
    /// Why the run ended.
    pub stopped: String,
    /// Validation measures of the weights kept.
    pub valid: Measured,
    /// Test measures of the weights kept.
    pub test: Measured,
    /// Test measures of recommending the most popular items.
    pub popularity: Measured,
    /// Paired interval of the test Recall@10's difference to popularity.
    pub recall_10_over_popularity: Interval,
    /// All validations.
    pub curve: Vec<Validation>,
}

#[cfg(test)]
mod tests {
    use shared::catalog::ItemId;

    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_lines() {
        let sequences = vec![vec![ItemId(1), ItemId(22)], vec![ItemId(3)]];
        let dataset = Dataset { sequences, ..Dataset::default() };
        let used = DataUsed::of(&dataset);
        assert_eq!(used.interactions, 3);
        // printf '1 22\n3\n' | sha256sum
        assert_eq!(used.sequences_sha256, "f1674e4dccf7108c336494a5a59a4931d4521eed81e0d5018091f5f018288edb");
    }
}
