//! From scores to an order, and how the order moved.

use std::{
    cmp::{self, Reverse},
    collections::BinaryHeap,
};

use serde::{Deserialize, Serialize};

use crate::catalog::ItemId;

/// Which scores the final order follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// The retriever's order is kept: no ranker ran, or the ranker is an untuned base model, which is at
    /// chance (measured) and must not decide.
    Retriever,
    /// A weighted sum of the retriever's and the tuned ranker's scores decides.
    Fused,
}

/// One line of the final ranking.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// The item.
    pub item: ItemId,
    /// Its title.
    pub title: String,
    /// Place in the final order, from 1.
    pub rank: usize,
    /// Place in the retriever's order, from 1.
    pub retriever_rank: usize,
    /// Place by the ranker's scores alone, from 1; absent when no ranker ran.
    pub ranker_rank: Option<usize>,
    /// The ranker's probability over the candidates; absent when no ranker ran.
    pub probability: Option<f32>,
}

/// Indices of `scores` from best to worst. Equal scores keep their order, NaN goes last.
pub fn order(scores: &[f32]) -> Vec<usize> {
    let key = |i: usize| if scores[i].is_nan() { f32::NEG_INFINITY } else { scores[i] };
    let mut indices: Vec<usize> = (0..scores.len()).collect();
    indices.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
    indices
}

/// The place, from 1, that each index of `scores` takes in [`order`].
pub fn ranks(scores: &[f32]) -> Vec<usize> {
    let mut ranks = vec![0; scores.len()];
    for (place, index) in order(scores).into_iter().enumerate() {
        ranks[index] = place + 1;
    }
    ranks
}

/// The `k` best entries of `scores` as (index, score), best first; `skip` is never proposed.
///
/// Entries that are not finite are left out, so the result may be shorter than `k`. Equal scores keep their
/// order.
pub fn top_k(scores: &[f32], k: usize, skip: impl Fn(usize) -> bool) -> Vec<(usize, f32)> {
    let mut best = TopK::new(k);
    best.offer(0, scores, skip);
    best.into_sorted()
}

/// Keeps the `k` best of scores that come in pieces.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    /// The worst kept entry lies on top, and nearly every score fails against it at once.
    kept: BinaryHeap<Reverse<Entry>>,
}

/// Scores compared at once with the worst kept one.
const GROUP: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Entry {
    score: f32,
    index: usize,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        self.score.total_cmp(&other.score).then(other.index.cmp(&self.index))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl TopK {
    /// Nothing kept yet.
    pub fn new(k: usize) -> Self {
        Self { k, kept: BinaryHeap::with_capacity(k.saturating_add(1).min(1 << 16)) }
    }

    /// Offers scores whose first has the index `start`. Indices must not decrease between calls, so that equal
    /// scores keep their order.
    pub fn offer(&mut self, start: usize, scores: &[f32], skip: impl Fn(usize) -> bool) {
        let mut bar = self.bar();
        for (group, scores) in scores.chunks(GROUP).enumerate() {
            // Counted without a branch, so that a group is compared at once. A NaN is not above anything.
            if scores.iter().map(|&score| u32::from(score > bar)).sum::<u32>() == 0 {
                continue;
            }
            for (n, &score) in (start + group * GROUP..).zip(scores) {
                if score > bar && score.is_finite() && !skip(n) {
                    self.kept.push(Reverse(Entry { score, index: n }));
                    if self.kept.len() > self.k {
                        self.kept.pop();
                    }
                    bar = self.bar();
                }
            }
        }
    }

    /// What a score must exceed to be kept.
    fn bar(&self) -> f32 {
        match self.kept.peek() {
            _ if self.k == 0 => f32::INFINITY,
            Some(Reverse(worst)) if self.kept.len() == self.k => worst.score,
            _ => f32::NEG_INFINITY,
        }
    }

    /// The kept entries as (index, score), best first.
    pub fn into_sorted(self) -> Vec<(usize, f32)> {
        self.kept.into_sorted_vec().into_iter().map(|Reverse(entry)| (entry.index, entry.score)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_keep_their_order_and_nan_goes_last() {
        assert_eq!(order(&[1.0, f32::NAN, 2.0, 1.0]), [2, 0, 3, 1]);
        assert_eq!(ranks(&[1.0, f32::NAN, 2.0, 1.0]), [2, 4, 1, 3]);
    }

    proptest! {
        #[test]
        fn top_k_equals_a_full_sort(scores in prop::collection::vec(-3i8..3, 0..60), k in 0usize..25, banned in 0usize..60) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut expected: Vec<(usize, f32)> = order(&scores).into_iter().map(|i| (i, scores[i])).collect();
            expected.retain(|&(i, _)| i != banned);
            expected.truncate(k);
            prop_assert_eq!(top_k(&scores, k, |i| i == banned), expected);
        }
    }
}
