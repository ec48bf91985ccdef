//! Measures a retriever on a data set: every user, the whole catalogue, everything seen left out.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use shared::{
    catalog::ItemId,
    metrics::{Interval, Metric, Summary, bootstrap, paired_bootstrap, rank_of},
    retriever::LruRec,
};

use crate::data::Dataset;

/// Users scored at a time.
const USERS: usize = 64;
/// Replicates of all bootstrap intervals.
const REPLICATES: usize = 2000;
/// Seed of all bootstrap intervals.
const SEED: u64 = 42;

/// Which of a user's last two items is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The second to last item, after the training items
    Valid,
    /// The last item, after all others
    Test,
}

impl Part {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "validation",
            Self::Test => "test",
        }
    }

    /// The items before the target, and the target, of the n-th user.
    fn of(self, dataset: &Dataset, user: usize) -> (&[ItemId], ItemId) {
        let split = dataset.split(user);
        match self {
            Self::Valid => (split.train, split.valid),
            Self::Test => (split.before_test(), split.test),
        }
    }
}

/// Means over users with intervals at cut-off 10.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// True means and hits.
    pub summary: Summary,
    /// Recall@10 with its 95 % bootstrap interval.
    pub recall_10: Interval,
    /// NDCG@10 with its 95 % bootstrap interval.
    pub ndcg_10: Interval,
}

impl Measured {
    /// From the ranks of all users.
    pub fn new(ranks: &[usize]) -> Self {
        let interval = |metric: Metric| bootstrap(&metric.values(ranks), REPLICATES, SEED);
        Self {
            summary: Summary::new(ranks),
            recall_10: interval(Metric::Recall(10)),
            ndcg_10: interval(Metric::Ndcg(10)),
        }
    }
}

/// Interval of the mean difference of one measure between two systems ranking for the same users.
pub fn difference(metric: Metric, a: &[usize], b: &[usize]) -> Interval {
    paired_bootstrap(&metric.values(a), &metric.values(b), REPLICATES, SEED)
}

/// Rank of each user's target by the model, in user order.
///
/// # Errors
/// A data set with items that the model does not know, or a device that fails.
pub fn model_ranks(model: &LruRec, dataset: &Dataset, part: Part) -> anyhow::Result<Vec<usize>> {
    let model = model.valid();
    let device = model.devices().into_iter().next().unwrap_or_default();
    let mut windows = Vec::with_capacity(dataset.sequences.len());
    for user in 0..dataset.sequences.len() {
        windows.push((user, model.window(part.of(dataset, user).0)?));
    }
    // Users of like length share a batch, so little of it is padding.
    windows.sort_by_key(|(_, window)| window.len());

    let mut ranks = vec![0; windows.len()];
    for batch in windows.chunks(USERS) {
        let length = batch.iter().map(|(_, window)| window.len()).max().unwrap_or(1);
        let mut ids = Vec::with_capacity(batch.len() * length);
        for (_, window) in batch {
            ids.extend(std::iter::repeat_n(0, length - window.len()).chain(window.iter().copied()));
        }
        let ids = Tensor::from_data(TensorData::new(ids, [batch.len(), length]), &device);
        let scores: Vec<f32> = model.last_scores(ids).try_into_vec_as()?;
        for ((user, _), scores) in batch.iter().zip(scores.chunks(model.config().vocabulary())) {
            ranks[*user] = rank(scores, part.of(dataset, *user));
        }
    }
    Ok(ranks)
}

/// Rank of each user's target by how often an item occurs in the training sequences.
pub fn popularity_ranks(dataset: &Dataset, part: Part) -> Vec<usize> {
    let users = 0..dataset.sequences.len();
    let mut counts = vec![0.0; dataset.catalog.len() + 1];
    for user in users.clone() {
        for item in dataset.split(user).train {
            counts[item.index()] += 1.0;
        }
    }
    users.map(|user| rank(&counts, part.of(dataset, user))).collect()
}

/// Rank of the target among all items that are not in the history; padding is no item.
fn rank(scores: &[f32], (history, target): (&[ItemId], ItemId)) -> usize {
    let mut seen = vec![false; scores.len()];
    seen[0] = true;
    for item in history {
        seen[item.index()] = true;
    }
    rank_of(scores, target.index(), |index| seen[index])
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use shared::{
        catalog::{Catalog, Item},
        retriever::LruRecConfig,
    };

    use super::*;

    fn dataset(sequences: &[&[u32]], items: usize) -> Dataset {
        let item = |n: usize| Item { raw: n.to_string(), title: n.to_string(), genres: Vec::new() };
        Dataset {
            name: "small".to_owned(),
            catalog: Catalog::new((1..=items).map(item).collect()),
            users: (1..=sequences.len()).map(|user| user.to_string()).collect(),
            sequences: sequences.iter().map(|ids| ids.iter().map(|&id| ItemId(id)).collect()).collect(),
        }
    }

    #[test]
    fn popularity_counts_training_items_only_and_skips_seen_ones() {
        // Counts of 1..=5 in training: 2, 2, 0, 1, 0.
        let dataset = dataset(&[&[1, 2, 3, 4], &[1, 2, 5, 3], &[4, 1, 2]], 5);
        assert_eq!(popularity_ranks(&dataset, Part::Test), [0, 1, 0]);
        assert_eq!(popularity_ranks(&dataset, Part::Valid), [2, 2, 1]);
    }

    #[test]
    fn batched_ranks_equal_those_of_each_user_alone() {
        let sequences: Vec<Vec<u32>> = (0..70_u32)
            .map(|user| (0..3 + user % 9).map(|t| (user * 7 + t * 5) % 30 + 1).collect())
            .collect();
        let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        let dataset = dataset(&sequences, 30);
        let config = LruRecConfig { d_model: 8, max_len: 5, ..LruRecConfig::new(30) };
        let model = LruRec::new(config, 11, &Device::flex()).expect("valid config");
        let ranks = model_ranks(&model, &dataset, Part::Test).expect("known items");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        for (user, &rank_in_batch) in ranks.iter().enumerate() {
            let (history, target) = Part::Test.of(&dataset, user);
            let scores = runtime.block_on(model.score_history(history)).expect("known items");
            assert_eq!(rank_in_batch, rank(&scores, (history, target)), "user {user}");
        }
    }
}
