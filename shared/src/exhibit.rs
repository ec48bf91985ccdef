//! What the page shows before any model is loaded: recorded examples, and what was measured.

use serde::{Deserialize, Serialize};

use crate::{
    metrics::Interval,
    protocol::{Race, ShuffleStudy, TunedWays},
    trace::Trace,
};

/// A taste to try, with what the models said of it when it was recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Its name, on a button.
    pub name: String,
    /// Asked as the shipped adapter was tuned for.
    pub shipped: Trace,
    /// Asked in the other ways that the shipped models know, index letters first.
    pub others: Vec<Trace>,
    /// Asked by index letters with the candidates in several orders.
    pub study: ShuffleStudy,
    /// One pass against writing the ranking out.
    pub race: Race,
}

impl Example {
    /// The answer to being asked in this way: by letters or not, without the adapter or not.
    pub fn answer(&self, letters: bool, untuned: bool) -> Option<&Trace> {
        let asked = |trace: &&Trace| (trace.asking.letters, trace.asking.untuned) == (letters, untuned);
        std::iter::once(&self.shipped).chain(&self.others).find(asked)
    }

    /// What the adapters it was recorded with were tuned for.
    pub fn tuned(&self) -> TunedWays {
        let by_letters = self.answer(true, false);
        TunedWays {
            letters: by_letters.is_some_and(|trace| trace.provenance.adapter.is_some()),
            film_by_film: self.shipped.pointwise.is_some(),
        }
    }
}

/// Measures of the bundle's models beside the paper's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The systems, ours first.
    pub rows: Vec<Measured>,
    /// What the ranker adds to the retriever's NDCG@10, among the users whose item is a candidate.
    pub gain: Option<Gain>,
    /// The command that measured ours.
    pub command: String,
}

/// One system on one data set: true means over all its users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Whether it is ours, or reported by the paper.
    pub ours: bool,
    /// Name of the system.
    pub system: String,
    /// Name of the data set.
    pub data: String,
    /// Its users.
    pub users: usize,
    /// Normalised discounted cumulative gain among the first ten.
    pub ndcg_10: Option<f64>,
    /// Mean reciprocal rank among the first ten.
    pub mrr_10: Option<f64>,
    /// Share of users whose item is among the first ten.
    pub recall_10: Option<f64>,
}

/// A difference of means with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Users compared.
    pub users: usize,
    /// Paired bootstrap over them, 95 %.
    pub interval: Interval,
}
