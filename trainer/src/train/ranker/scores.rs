//! Both stages' scores of every user as JSON lines: for statistics of one's own, and to fit weights on.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};
use shared::{CANDIDATES, catalog::ItemId, fusion::Judged, scoring::Mode};

use crate::{candidates::CandidateTable, data::Dataset, report::UserError, train::measure::Part};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserScores {
    /// Name of the data set.
    pub data: String,
    /// SHA-256 of the base model's file. Older files do not say.
    #[serde(default)]
    pub base_sha256: Option<String>,
    /// How the ranker was asked. Older files do not say.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// In how many random orders the candidates were shown; 0 is the retriever's. Older files do not say.
    #[serde(default)]
    pub permutations: Option<usize>,
    /// Whether what a place gains by itself was taken away. Older files do not say.
    #[serde(default)]
    pub calibrated: Option<bool>,
    /// SHA-256 of the adapter's file; none is the untuned base model. Older files do not say.
    #[serde(default)]
    pub adapter_sha256: Option<String>,
    /// SHA-256 of the weights of each member of the retriever. Older files do not say.
    #[serde(default)]
    pub retrievers_sha256: Vec<String>,
    /// Which of the user's items was to be found.
    pub split: Part,
    /// The user's id in the raw data.
    pub user: String,
    /// Items of the retriever's candidates, best first.
    pub candidates: Vec<ItemId>,
    /// Which of them was chosen, from 0.
    pub target: usize,
    /// The retriever's log-probabilities over the whole catalogue.
    pub retriever: Vec<f32>,
    /// The ranker's scores, means over the orders in which the candidates were shown.
    pub ranker: Vec<f32>,
}

/// Whose scores they are.
#[derive(Clone, Copy, Debug)]
pub struct Stages<'a> {
    /// SHA-256 of the base model's file.
    pub base_sha256: &'a str,
    /// How the ranker is asked.
    pub mode: Mode,
    /// In how many random orders the candidates are shown; 0 is the retriever's.
    pub permutations: usize,
    /// Whether what a place gains by itself is taken away.
    pub calibrated: bool,
    /// SHA-256 of the adapter's file; `None` is the untuned base model.
    pub adapter_sha256: Option<&'a str>,
    /// SHA-256 of the weights of each member of the retriever.
    pub retrievers_sha256: &'a [String],
}

/// The lines of these users (rows of the data set), about whom both stages said so much.
///
/// # Errors
/// None that scores can cause.
pub fn lines(
    dataset: &Dataset,
    split: Part,
    table: &CandidateTable,
    users: &[usize],
    judged: &[Judged],
    stages: Stages,
) -> serde_json::Result<String> {
    let mut lines = String::new();
    for (&user, Judged { retriever, ranker, target }) in users.iter().zip(judged) {
        let line = UserScores {
            data: dataset.name.clone(),
            base_sha256: Some(stages.base_sha256.to_owned()),
            mode: Some(stages.mode),
            permutations: Some(stages.permutations),
            calibrated: Some(stages.calibrated),
            adapter_sha256: stages.adapter_sha256.map(str::to_owned),
            retrievers_sha256: stages.retrievers_sha256.to_vec(),
            split,
            user: dataset.users[user].clone(),
            candidates: table.row(user).take(CANDIDATES).map(|(item, _)| item).collect(),
            target: *target,
            retriever: retriever.clone(),
            ranker: ranker.clone(),
        };
        lines += &serde_json::to_string(&line)?;
        lines.push('\n');
    }
    Ok(lines)
}

/// What a file of [`lines`] says about the validation users of this data set.
///
/// # Errors
/// A file that cannot be read, is damaged, or is about other users, data or stages.
pub fn of_validation(file: &Path, dataset: &Dataset, stages: Stages) -> Result<Vec<Judged>, UserError> {
    let name = file.display();
    let hint = "make it with: llamarec evaluate --stage ranker --split valid --scores FILE, and the same adapter, candidates and orders";
    let refuse = |message: String| UserError::input(message).hint(hint);
    let text = fs::read_to_string(file).map_err(|error| refuse(format!("cannot read {name}: {error}")))?;
    let read = |(n, line): (usize, &str)| {
        let at = format!("{name}, line {}", n + 1);
        let line: UserScores = serde_json::from_str(line)
            .map_err(|error| refuse(format!("{at} is no user's scores: {error}")))?;
        let UserScores { data, split, candidates, target, retriever, ranker, .. } = &line;
        if *data != dataset.name {
            return Err(refuse(format!("{at} is about {data}, not {}", dataset.name)));
        }
        // A file that names its retriever names its adapter.
        if !line.retrievers_sha256.is_empty() {
            if line.retrievers_sha256 != stages.retrievers_sha256 {
                return Err(refuse(format!("{at} is about candidates of another retriever")));
            }
            if line.adapter_sha256.as_deref() != stages.adapter_sha256 {
                return Err(refuse(format!("{at} is about another adapter")));
            }
        }
        if line.base_sha256.as_deref().is_some_and(|base| base != stages.base_sha256) {
            return Err(refuse(format!("{at} is about another base model")));
        }
        if line.mode.is_some_and(|mode| mode != stages.mode) {
            return Err(refuse(format!("{at} is about another --mode")));
        }
        // Means over orders are less sure of themselves than one order.
        if let Some(permutations) = line.permutations.filter(|&orders| orders != stages.permutations) {
            let message = format!("{at} is of {permutations} random orders, not {}", stages.permutations);
            return Err(refuse(message));
        }
        if line.calibrated.is_some_and(|calibrated| calibrated != stages.calibrated) {
            return Err(refuse(format!("{at} differs in --calibrate")));
        }
        if *split != Part::Valid {
            return Err(refuse(format!(
                "{at} is about {} items: weights are fitted on validation",
                split.name()
            )));
        }
        let count = candidates.len();
        if *target >= count || [retriever.len(), ranker.len()] != [count; 2] {
            return Err(refuse(format!(
                "{at} has {count} candidates, {} and {} scores, and the item chosen at {target}",
                retriever.len(),
                ranker.len()
            )));
        }
        Ok(Judged { retriever: line.retriever, ranker: line.ranker, target: line.target })
    };
    let users: Vec<Judged> = text.lines().enumerate().map(read).collect::<Result<_, _>>()?;
    if users.is_empty() {
        return Err(refuse(format!("{name} is empty")));
    }
    Ok(users)
}
