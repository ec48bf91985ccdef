//! The first stage: from the item ids of a history to scores of the whole catalogue (paper section 3.2).

mod attention;
mod bert4rec;
mod complex;
mod config;
mod embedding;
mod ensemble;
mod esasrec;
mod feed_forward;
mod init;
mod lru;
pub mod lrurec;
mod model;
mod narm;
mod rows;
mod sasrec;
mod scan;
mod scan_cpu;
mod weights;

use std::collections::HashSet;

use burn::tensor::ExecutionError;
use thiserror::Error;

use crate::{catalog::ItemId, ranking};

pub use complex::Complex;
pub use config::{Architecture, RetrieverConfig};
pub use ensemble::mean_log_softmax;
pub use lrurec::{LruRec, StreamState};
pub use model::Retriever;
pub(crate) use model::values;
pub use rows::Rows;
pub use scan::Scan;

/// Why a retriever could not be loaded or run.
#[derive(Debug, Error)]
pub enum RetrieverError {
    /// A config that makes no model.
    #[error("impossible retriever config: {0}")]
    Config(String),
    /// Weights that cannot be read or written.
    #[error("unusable retriever weights: {0}")]
    Weights(String),
    /// An item the model does not know.
    #[error("item {id} is unknown to this retriever, its items are 1 to {num_items}")]
    UnknownItem {
        /// The id.
        id: u32,
        /// Items there are.
        num_items: usize,
    },
    /// The device failed.
    #[error("the device could not run the retriever: {0}")]
    Device(String),
}

impl From<ExecutionError> for RetrieverError {
    fn from(error: ExecutionError) -> Self {
        Self::Device(format!("{error:?}"))
    }
}

/// The `k` best items by `scores` (index = item id), best first, without padding and without what the
/// history holds.
pub fn propose(scores: &[f32], history: &[ItemId], k: usize) -> Vec<(ItemId, f32)> {
    let seen: HashSet<usize> = history.iter().map(|item| item.index()).collect();
    ranking::top_k(scores, k, |index| index == 0 || seen.contains(&index))
        .into_iter()
        .map(|(index, score)| (ItemId(index as u32), score))
        .collect()
}

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_padding_nor_seen_items_are_proposed() {
        let scores = [9.0, 1.0, 5.0, 4.0, f32::NAN, 3.0];
        let proposed = propose(&scores, &[ItemId(2)], 3);
        assert_eq!(proposed, [(ItemId(3), 4.0), (ItemId(5), 3.0), (ItemId(1), 1.0)]);
    }
}
