//! Rankers in the paper's tables: both stages together, on all users and on those whose item is among the candidates.

use serde::Serialize;
use shared::{metrics::Interval, scoring::Mode};

use crate::{
    paper::COLUMNS,
    train::{
        DataUsed,
        ranker::{Evaluation, Group, RankerReport},
    },
};

/// A ranker over its retriever, on test users.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// The data.
    pub data: DataUsed,
    /// How candidates are asked about.
    pub mode: Mode,
    /// Seed of the ranker.
    pub seed: u64,
    /// Users measured: those whose item is among the candidates, all or a draw.
    pub users: usize,
    /// Measures over all users in the order of [`COLUMNS`].
    pub test: [f64; 6],
    /// Share of users whose item is among the candidates.
    pub share: f64,
    /// Recall@5 and Recall@10 over those.
    pub subset_recall: [f64; 2],
    /// What NDCG@10 over those gains on the retriever alone, paired, 95 %.
    pub ndcg_10_gain: Option<Interval>,
}

impl Ranked {
    /// From the files of a run.
    pub fn new(report: &RankerReport, evaluation: &Evaluation) -> Self {
        let Group { users, fused, .. } = &evaluation.subset;
        let of = |group: &Group, name: &str| group.fused.get(&name.to_lowercase()).copied().unwrap_or(0.0);
        let recall_10 = of(&evaluation.subset, "recall@10");
        Self {
            data: report.data.clone(),
            mode: report.training.mode,
            seed: report.training.seed,
            users: *users,
            test: COLUMNS.map(|name| of(&evaluation.overall, name)),
            // Of a draw, too, all users are the same share less those whose item is not found.
            share: if recall_10 > 0.0 { of(&evaluation.overall, "recall@10") / recall_10 } else { 0.0 },
            subset_recall: ["recall@5", "recall@10"].map(|name| fused.get(name).copied().unwrap_or(0.0)),
            ndcg_10_gain: evaluation.gain.get("ndcg@10").copied(),
        }
    }

    /// How it stands in a table.
    pub fn label(&self) -> String {
        let asked = match self.mode {
            Mode::Letters => "by letters",
            Mode::Pointwise => "film by film",
        };
        format!("both stages, ranker {asked}, seed {}", self.seed)
    }

    /// What to know about it.
    pub fn note(&self) -> String {
        let gain = self.ndcg_10_gain.map_or_else(String::new, |Interval { mean, low, high }| {
            format!(" gains {mean:+.4} [{low:+.4}, {high:+.4}] of NDCG@10 on its retriever, paired")
        });
        format!("{}:{gain} over {} users whose item is among the candidates.", self.label(), self.users)
    }
}
