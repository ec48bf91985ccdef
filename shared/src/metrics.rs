//! How well a ranking meets the one item that came next: exact ranks, true per-user means, intervals.
//!
//! Every user has one target. Its rank counts from 0 over the whole catalogue (no sampling), ties count
//! against it, and a mean is a mean over users: a small last batch weighs no more than its users do.

mod bootstrap;
mod random;

use serde::{Deserialize, Serialize};

pub use bootstrap::{Interval, bootstrap, paired_bootstrap};
pub(crate) use random::SplitMix64;

/// The cut-offs that reports show.
pub const CUTOFFS: [usize; 4] = [1, 5, 10, 20];

/// A measure of one user's rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// 1 if the target is among the first k.
    Recall(usize),
    /// 1 / (rank + 1) if the target is among the first k.
    Mrr(usize),
    /// 1 / log2(rank + 2) if the target is among the first k.
    Ndcg(usize),
}

impl Metric {
    /// Value for a rank that counts from 0.
    pub fn value(self, rank: usize) -> f64 {
        let (Self::Recall(k) | Self::Mrr(k) | Self::Ndcg(k)) = self;
        if rank >= k {
            return 0.0;
        }
        let place = rank as f64 + 1.0;
        match self {
            Self::Recall(_) => 1.0,
            Self::Mrr(_) => place.recip(),
            Self::Ndcg(_) => (place + 1.0).log2().recip(),
        }
    }

    /// Values of many ranks, user by user.
    pub fn values(self, ranks: &[usize]) -> Vec<f64> {
        ranks.iter().map(|&rank| self.value(rank)).collect()
    }
}

/// The means over users at one cut-off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtCutoff {
    /// The cut-off.
    pub k: usize,
    /// Users whose target is among the first k.
    pub hits: usize,
    /// Mean recall: hits over users.
    pub recall: f64,
    /// Mean reciprocal rank.
    pub mrr: f64,
    /// Mean normalised discounted cumulative gain.
    pub ndcg: f64,
}

/// The means over users at all [`CUTOFFS`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many users were measured.
    pub users: usize,
    /// One entry a cut-off, in the order of [`CUTOFFS`].
    pub at: Vec<AtCutoff>,
}

impl Summary {
    /// True means over the ranks of all users; zeros without users.
    pub fn new(ranks: &[usize]) -> Self {
        Self::averaged(ranks, mean)
    }

    /// Means of the means of batches of `size` users, in their order: the arithmetic behind the paper's
    /// retriever rows, in which the users of a short last batch weigh more than others.
    pub fn of_batches(ranks: &[usize], size: usize) -> Self {
        Self::averaged(ranks, |values| batch_mean(values, size))
    }

    fn averaged(ranks: &[usize], average: impl Fn(&[f64]) -> f64) -> Self {
        let at = CUTOFFS.map(|k| AtCutoff {
            k,
            hits: ranks.iter().filter(|&&rank| rank < k).count(),
            recall: average(&Metric::Recall(k).values(ranks)),
            mrr: average(&Metric::Mrr(k).values(ranks)),
            ndcg: average(&Metric::Ndcg(k).values(ranks)),
        });
        Self { users: ranks.len(), at: at.to_vec() }
    }

    /// The means at a cut-off, if it is one of [`CUTOFFS`].
    pub fn at(&self, k: usize) -> Option<&AtCutoff> {
        self.at.iter().find(|at| at.k == k)
    }
}

/// Rank from 0 of index `target` among `scores`.
///
/// Indices for which `excluded` is true are not ranked. Ties and scores that are not a number count
/// against the target; a target that is itself excluded or not a number comes last.
///
/// # Panics
/// If `target` is no index of `scores`.
pub fn rank_of(scores: &[f32], target: usize, excluded: impl Fn(usize) -> bool) -> usize {
    let reference = scores[target];
    let lost = reference.is_nan() || excluded(target);
    scores
        .iter()
        .enumerate()
        .filter(|&(index, &score)| {
            let ahead = lost || score >= reference || score.is_nan();
            index != target && ahead && !excluded(index)
        })
        .count()
}

/// Mean, 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Unweighted mean of the means of consecutive batches, as in the paper's table 1: users of a short last
/// batch weigh more. Only for comparison with published numbers.
pub fn batch_mean(values: &[f64], batch: usize) -> f64 {
    mean(&values.chunks(batch.max(1)).map(mean).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_ties_against_the_target() {
        let scores = [9.0, 0.5, 2.0, 0.5, 1.0];
        assert_eq!(rank_of(&scores, 2, |index| index == 0), 0);
        assert_eq!(rank_of(&scores, 1, |index| index == 0), 3);
        assert_eq!(rank_of(&scores, 1, |index| index == 0 || index == 3), 2);
    }

    #[test]
    fn a_target_without_a_score_comes_last() {
        assert_eq!(rank_of(&[0.0, f32::NAN, 1.0], 1, |_| false), 2);
        assert_eq!(rank_of(&[0.0, f32::NAN, 1.0], 2, |_| false), 1);
        assert_eq!(rank_of(&[0.0, 5.0, 1.0], 1, |index| index == 1), 2);
    }

    #[test]
    fn means_equal_hand_computed_values() {
        let summary = Summary::new(&[0, 2, 9, 40]);
        assert_eq!(summary.users, 4);
        let at_10 = summary.at(10).expect("10 is a cut-off");
        assert_eq!(at_10.hits, 3);
        assert!((at_10.recall - 0.75).abs() < 1e-12);
        assert!((at_10.mrr - (1.0 + 1.0 / 3.0 + 0.1) / 4.0).abs() < 1e-12);
        // 1/log2(2) = 1, 1/log2(4) = 1/2, 1/log2(11) = 0.289064826.
        assert!((at_10.ndcg - (1.0 + 0.5 + 0.289_064_826) / 4.0).abs() < 1e-9);
        assert_eq!(summary.at(1).map(|at| at.hits), Some(1));
        assert_eq!(summary.at(7), None);
    }

    #[test]
    fn batch_means_overweigh_the_short_last_batch() {
        let values = [0.0, 0.0, 1.0, 0.0, 1.0];
        assert!((mean(&values) - 0.4).abs() < 1e-12);
        assert!((batch_mean(&values, 4) - 0.625).abs() < 1e-12);
        assert!((batch_mean(&values, 5) - 0.4).abs() < 1e-12);
    }

    #[test]
    fn the_papers_recall_is_a_mean_of_batch_means() {
        // 82 of 610 users; published as .1426 because one hit lies in the last batch of two users.
        let mut hits = vec![0.0; 610];
        hits[..81].fill(1.0);
        hits[609] = 1.0;
        assert!((mean(&hits) - 0.134_426).abs() < 1e-6);
        assert!((batch_mean(&hits, 16) - 89.0 / 624.0).abs() < 1e-12);
    }
}
