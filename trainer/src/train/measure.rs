//! Measures a retriever on a data set: every user, the whole catalogue, everything seen left out.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use shared::{
    catalog::ItemId,
    metrics::{Interval, Metric, Summary, bootstrap, paired_bootstrap, rank_of},
    retriever::Retriever,
};

use super::Scorer;
use crate::data::Dataset;

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
    pub fn of(self, dataset: &Dataset, user: usize) -> (&[ItemId], ItemId) {
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

/// Rank of each user's target by the retriever, or by the ensemble of several, in user order.
///
/// # Errors
/// A data set with items that a model does not know, or a device that fails.
pub fn model_ranks(models: &[Retriever], dataset: &Dataset, part: Part) -> anyhow::Result<Vec<usize>> {
    let users: Vec<usize> = (0..dataset.sequences.len()).collect();
    let histories: Vec<&[ItemId]> = users.iter().map(|&user| part.of(dataset, user).0).collect();
    let mut ranks = vec![0; users.len()];
    Scorer::new(models)?.run(&histories, |user, scores| {
        ranks[user] = rank(scores, part.of(dataset, user));
    })?;
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
        retriever::{Architecture, RetrieverConfig},
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
        for architecture in Architecture::ALL {
            let config = RetrieverConfig { d_model: 8, max_len: 5, ..RetrieverConfig::new(architecture, 30) };
            let model = Retriever::new(config, 11, &Device::flex()).expect("valid config");
            let ranks = model_ranks(std::slice::from_ref(&model), &dataset, Part::Test).expect("known items");
            for (user, &rank_in_batch) in ranks.iter().enumerate() {
                let (history, target) = Part::Test.of(&dataset, user);
                let scores = pollster::block_on(model.score_history(history)).expect("known items");
                assert_eq!(rank_in_batch, rank(&scores, (history, target)), "{architecture} user {user}");
            }
        }
    }

    #[test]
    fn an_ensemble_ranks_by_the_mean_of_its_members() {
        let dataset = dataset(&[&[1, 2, 3, 4], &[1, 2, 5, 3], &[4, 1, 2]], 5);
        let config = RetrieverConfig { d_model: 8, ..RetrieverConfig::new(Architecture::SasRec, 5) };
        let model = |seed| Retriever::new(config.clone(), seed, &Device::flex()).expect("valid config");
        let models = [model(1), model(2)];
        let ranks = model_ranks(&models, &dataset, Part::Test).expect("known items");
        for (user, &together) in ranks.iter().enumerate() {
            let (history, target) = Part::Test.of(&dataset, user);
            let scores = models
                .each_ref()
                .map(|model| pollster::block_on(model.score_history(history)).expect("known items"));
            let mean = shared::retriever::mean_log_softmax(&[&scores[0], &scores[1]]);
            assert_eq!(together, rank(&mean, (history, target)));
        }
        assert!(model_ranks(&[], &dataset, Part::Test).is_err());
    }
}
