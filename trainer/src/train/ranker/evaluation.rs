//! What a ranker is worth beside its retriever, by measures of the paper's tables.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::{
    fusion::{Fusion, Judged},
    metrics::{Interval, Metric, Summary},
    tuned::TunedFor,
};

use super::judge::Judgement;
use crate::{
    data::Dataset,
    train::measure::{Part, difference},
};

/// The result, as `llamarec evaluate --stage ranker` prints it with `--json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Name of the data set.
    pub data: String,
    /// Whose items are looked for.
    pub split: Part,
    /// What the adapter's file says about itself; `None` is the untuned base model.
    pub tuned_for: Option<TunedFor>,
    /// Weights of the stages in the fused order.
    pub fusion: Fusion,
    /// Users whose item is among the candidates (the paper's Table 3), all or a draw.
    pub subset: Group,
    /// All users; those whose item is not among the candidates count as missed (the paper's Table 1).
    pub overall: Group,
    /// Fused minus retriever on the subset, paired over users, with 95 % intervals.
    pub gain: BTreeMap<String, Interval>,
    /// Mean cross entropy over the candidates on the subset, in nats, and that of chance: ln 20 = 2.996 where there are 20.
    pub cross_entropy: BTreeMap<String, f64>,
    /// The same when each stage is as sure of itself as suits other users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated: Option<Calibrated>,
    /// How often the ranker liked the candidate shown under each index letter best.
    pub best_at: Vec<usize>,
}

/// How well each stage alone does when it is as sure of itself as suits validation users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// Validation users.
    pub users: usize,
    /// What a stage's scores are multiplied by, 1 / temperature, fitted on those; 0 if they tell nothing.
    pub inverse_temperature: BTreeMap<String, f64>,
    /// Mean cross entropy over the candidates on the subset, with that.
    pub cross_entropy: BTreeMap<String, f64>,
}

impl Calibrated {
    /// Fitted on some users, measured on others.
    fn new(fitted_on: &[Judged], judged: &[Judged]) -> Self {
        let stages = [("retriever", Fusion::RETRIEVER), ("ranker", Fusion::RANKER)];
        let stages = stages.map(|(name, stage)| (name.to_owned(), stage.calibrated(fitted_on)));
        Self {
            users: fitted_on.len(),
            inverse_temperature: stages
                .clone()
                .map(|(name, stage)| (name, stage.retriever + stage.ranker))
                .into(),
            cross_entropy: stages.map(|(name, stage)| (name, stage.cross_entropy(judged))).into(),
        }
    }
}

/// The same users, ordered by each stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// How many.
    pub users: usize,
    /// Means in the order of the retriever, by name.
    pub retriever: BTreeMap<String, f64>,
    /// In that of the ranker.
    pub ranker: BTreeMap<String, f64>,
    /// In that of both.
    pub fused: BTreeMap<String, f64>,
}

impl Evaluation {
    /// Of what both stages said about users, who are such a share of all whose item is among the candidates; and about
    /// those on whom weights were fitted, if they were.
    pub fn new(
        dataset: &Dataset,
        split: Part,
        tuned_for: Option<TunedFor>,
        fusion: Fusion,
        Judgement { users: judged, best_at, .. }: &Judgement,
        share: f64,
        fitted_on: Option<&[Judged]>,
    ) -> Self {
        let stages = [Fusion::RETRIEVER, Fusion::RANKER, fusion];
        let ranks = stages.map(|fusion| fusion.ranks(judged));
        let [retriever, ranker, fused] = ranks.each_ref().map(|ranks| means(ranks, 1.0));
        let subset = Group { users: judged.len(), retriever, ranker, fused };
        let [retriever, ranker, fused] = ranks.each_ref().map(|ranks| means(ranks, share));
        let overall = Group { users: dataset.sequences.len(), retriever, ranker, fused };
        let names = ["retriever", "ranker", "fused"].map(str::to_owned);
        let chance =
            judged.iter().map(|user| (user.ranker.len() as f64).ln()).sum::<f64>() / judged.len() as f64;
        let cross_entropy = names.into_iter().zip(stages.map(|stage| stage.cross_entropy(judged)));
        let cross_entropy = cross_entropy.chain([("chance".to_owned(), chance)]).collect();
        let gains = [
            (Metric::Ndcg(10), "ndcg@10"),
            (Metric::Mrr(10), "mrr@10"),
            (Metric::Recall(10), "recall@10"),
            (Metric::Ndcg(5), "ndcg@5"),
        ];
        let gain = gains.map(|(metric, name)| (name.to_owned(), difference(metric, &ranks[2], &ranks[0])));
        Self {
            data: dataset.name.clone(),
            split,
            tuned_for,
            fusion,
            subset,
            overall,
            gain: gain.into(),
            cross_entropy,
            calibrated: fitted_on.map(|users| Calibrated::new(users, judged)),
            best_at: best_at.clone(),
        }
    }
}

/// Means by name, times the share of users that these stand for; the others were missed.
fn means(ranks: &[usize], share: f64) -> BTreeMap<String, f64> {
    Summary::new(ranks)
        .at
        .iter()
        .filter(|at| at.k <= 10)
        .flat_map(|at| {
            [("recall", at.recall), ("mrr", at.mrr), ("ndcg", at.ndcg)]
                .map(|(name, mean)| (format!("{name}@{}", at.k), mean * share))
        })
        .collect()
}
