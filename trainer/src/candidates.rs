//! The retriever's best items for many histories, in one compact file: what the ranker trains and is measured on.
//!
//! The file is safetensors. Each part has `PART.items` `[rows, k]` (item ids, 0 where fewer were left) and
//! `PART.scores` `[rows, k]` (log-probabilities over the whole catalogue, best first; 32 bits, because
//! with fewer some are equal that are not, and ties count against the retriever). The rows of `valid`
//! and `test` are the users in order; those of `train` are prefixes of training sequences, with
//! `train.users` (row of the user) and `train.lengths` (items read; the item behind them is the target).

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context, ensure};
use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use shared::{
    catalog::ItemId,
    retriever::{Retriever, mean_log_softmax, propose},
};

use crate::{
    data::Dataset,
    files::write_atomic,
    report::{Printer, UserError},
    train::{DataUsed, Scorer, measure::Part},
};

/// What the candidates were made of, kept in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Name of the data set.
    pub data: String,
    /// SHA-256 of its sequences.
    pub sequences_sha256: String,
    /// SHA-256 of the weights of each member of the retriever.
    pub retrievers_sha256: Vec<String>,
    /// Candidates a history.
    pub k: usize,
}

/// The candidates of some histories, best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CandidateTable {
    k: usize,
    items: Vec<u32>,
    scores: Vec<f32>,
}

/// One training prefix: the first `length` items of a user's training sequence; the next one is the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Row of the user in the data set.
    pub user: usize,
    /// Items read.
    pub length: usize,
}

/// Candidates for validation and test, and for training prefixes if they were asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidates {
    /// What they were made of.
    pub source: Source,
    /// After the training items of each user.
    pub valid: CandidateTable,
    /// After all but the last item of each user.
    pub test: CandidateTable,
    /// After each prefix of training sequences.
    pub train: Option<(Vec<Prefix>, CandidateTable)>,
}

impl CandidateTable {
    fn with_rows(rows: usize, k: usize) -> Self {
        Self { k, items: vec![0; rows * k], scores: vec![f32::NEG_INFINITY; rows * k] }
    }

    /// Rows of item ids, best first, 1 below another in score.
    #[cfg(test)]
    pub(crate) fn of(rows: &[&[u32]]) -> Self {
        let k = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let mut table = Self::with_rows(rows.len(), k);
        for (n, row) in rows.iter().enumerate() {
            table.items[n * k..n * k + row.len()].copy_from_slice(row);
            let scores: Vec<f32> = (0..row.len()).map(|rank| -(rank as f32)).collect();
            table.scores[n * k..n * k + row.len()].copy_from_slice(&scores);
        }
        table
    }

    /// Number of histories.
    pub fn rows(&self) -> usize {
        self.items.len().checked_div(self.k).unwrap_or(0)
    }

    /// Candidates of a history with their log-probabilities, best first.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (ItemId, f32)> {
        let range = row * self.k..(row + 1) * self.k;
        let items = self.items[range.clone()].iter().zip(&self.scores[range]);
        items.take_while(|(item, _)| **item > 0).map(|(&item, &score)| (ItemId(item), score))
    }

    /// How many rows hold their target.
    pub fn hits(&self, target: impl Fn(usize) -> ItemId) -> usize {
        (0..self.rows()).filter(|&row| self.row(row).any(|(item, _)| item == target(row))).count()
    }

    /// Scores the histories and keeps the best `k` of each that it does not hold.
    fn fill(
        models: &[Retriever],
        histories: &[&[ItemId]],
        k: usize,
        printer: &Printer,
        what: &str,
    ) -> anyhow::Result<Self> {
        let mut table = Self::with_rows(histories.len(), k);
        let bar = printer.steps_bar(histories.len() as u64, what);
        Scorer::new(models)?.run(histories, |row, scores| {
            // An ensemble's scores are log-probabilities already; once more changes nothing but a constant.
            let log_probabilities = mean_log_softmax(&[scores]);
            for (n, (item, score)) in propose(&log_probabilities, histories[row], k).into_iter().enumerate() {
                table.items[row * k + n] = item.0;
                table.scores[row * k + n] = score;
            }
            bar.inc(1);
        })?;
        bar.finish_and_clear();
        Ok(table)
    }
}

impl Candidates {
    /// Retrieves for every user, and for every training prefix if `train` is set.
    ///
    /// # Errors
    /// Items that a model does not know, or a device that fails.
    pub fn retrieve(
        models: &[Retriever],
        dataset: &Dataset,
        source: Source,
        train: bool,
        printer: &Printer,
    ) -> anyhow::Result<Self> {
        let k = source.k;
        let users = 0..dataset.sequences.len();
        let part = |part: Part| -> anyhow::Result<CandidateTable> {
            let histories: Vec<&[ItemId]> = users.clone().map(|user| part.of(dataset, user).0).collect();
            CandidateTable::fill(models, &histories, k, printer, part.name())
        };
        let (valid, test) = (part(Part::Valid)?, part(Part::Test)?);
        let train = if train {
            let prefixes: Vec<Prefix> = prefixes(dataset).collect();
            let histories: Vec<&[ItemId]> =
                prefixes.iter().map(|prefix| &dataset.split(prefix.user).train[..prefix.length]).collect();
            let table = CandidateTable::fill(models, &histories, k, printer, "training prefixes")?;
            Some((prefixes, table))
        } else {
            None
        };
        Ok(Self { source, valid, test, train })
    }

    /// Writes the file.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let mut arrays: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let parts = [
            ("valid", Some(&self.valid)),
            ("test", Some(&self.test)),
            ("train", self.train.as_ref().map(|train| &train.1)),
        ];
        for (name, table) in parts.into_iter().filter_map(|(name, table)| Some((name, table?))) {
            let shape = vec![table.rows(), table.k];
            let (dtype, items) = integers(&table.items);
            arrays.push((format!("{name}.items"), dtype, shape.clone(), items));
            let scores = table.scores.iter().flat_map(|score| score.to_le_bytes()).collect();
            arrays.push((format!("{name}.scores"), Dtype::F32, shape, scores));
        }
        if let Some((prefixes, _)) = &self.train {
            let users: Vec<u32> = prefixes.iter().map(|prefix| prefix.user as u32).collect();
            let lengths: Vec<u32> = prefixes.iter().map(|prefix| prefix.length as u32).collect();
            for (name, values) in [("train.users", users), ("train.lengths", lengths)] {
                let (dtype, bytes) = integers(&values);
                arrays.push((name.to_owned(), dtype, vec![values.len()], bytes));
            }
        }
        let views: Vec<(&String, TensorView)> = arrays
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<anyhow::Result<_>>()?;
        let metadata = HashMap::from([(SOURCE.to_owned(), serde_json::to_string(&self.source)?)]);
        write_atomic(path, &safetensors::serialize(views, Some(metadata))?)
    }

    /// Reads a file that [`Self::save`] wrote for this data set.
    ///
    /// # Errors
    /// A file that is none, or one of other data.
    pub fn load(path: &Path, dataset: &Dataset) -> Result<Self, UserError> {
        let refuse = |why: String| {
            UserError::input(format!("candidates {} {why}", path.display()))
                .hint("make them with: llamarec candidates --data DIR --retriever PATH --out FILE")
        };
        let bytes = fs::read(path).map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let candidates = Self::parse(&bytes).map_err(|error| refuse(format!("are unusable: {error:#}")))?;
        let (source, found) = (&candidates.source, DataUsed::of(dataset).sequences_sha256);
        if source.sequences_sha256 != found {
            let (data, other) = (&source.data, &source.sequences_sha256);
            return Err(refuse(format!(
                "were made of {data} with other sequences (SHA-256 {other}, not {found})"
            )));
        }
        let (users, items) = (dataset.sequences.len(), dataset.catalog.len() as u32);
        for table in
            [Some(&candidates.valid), Some(&candidates.test), candidates.train.as_ref().map(|train| &train.1)]
        {
            if let Some(item) = table.and_then(|table| table.items.iter().find(|&&item| item > items)) {
                return Err(refuse(format!("have an item {item}, {} has {items}", dataset.name)));
            }
        }
        let rows = (candidates.valid.rows(), candidates.test.rows());
        if rows != (users, users) {
            return Err(refuse(format!("are for {} users, {} has {users}", rows.1, dataset.name)));
        }
        let real = |prefix: &&Prefix| {
            prefix.user < users && (1..dataset.split(prefix.user).train.len()).contains(&prefix.length)
        };
        let prefixes = candidates.train.iter().flat_map(|train| &train.0);
        if let Some(Prefix { user, length }) = prefixes.clone().find(|prefix| !real(prefix)) {
            return Err(refuse(format!("have a prefix of {length} items of user {user}, who has none such")));
        }
        Ok(candidates)
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let source = header.metadata().as_ref().and_then(|metadata| metadata.get(SOURCE));
        let source: Source = serde_json::from_str(source.context("the file has no source in its metadata")?)?;
        let file = SafeTensors::deserialize(bytes)?;
        let table = |name: &str| -> anyhow::Result<CandidateTable> {
            let items = read_integers(&file, &format!("{name}.items"))?;
            let scores = file.tensor(&format!("{name}.scores"))?;
            let scores: Vec<f32> = match scores.dtype() {
                Dtype::F32 => {
                    scores.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
                }
                // As files were written at first.
                Dtype::F16 => {
                    let scores = scores.data().as_chunks().0.iter();
                    scores.map(|&bytes| f16::from_le_bytes(bytes).to_f32()).collect()
                }
                other => anyhow::bail!("{name}.scores have type {other:?}, not F32"),
            };
            ensure!(
                scores.len() == items.len() && source.k > 0 && items.len().is_multiple_of(source.k),
                "{name} has {} items and {} scores, not rows of {}",
                items.len(),
                scores.len(),
                source.k
            );
            Ok(CandidateTable { k: source.k, items, scores })
        };
        let train = if file.tensor("train.items").is_ok() {
            let (users, lengths) =
                (read_integers(&file, "train.users")?, read_integers(&file, "train.lengths")?);
            let table = table("train")?;
            ensure!(
                users.len() == table.rows() && lengths.len() == table.rows(),
                "train has rows without a prefix"
            );
            let prefixes = users.into_iter().zip(lengths);
            let prefix = |(user, length)| Prefix { user: user as usize, length: length as usize };
            Some((prefixes.map(prefix).collect(), table))
        } else {
            None
        };
        Ok(Self { valid: table("valid")?, test: table("test")?, train, source })
    }
}

/// Metadata key of [`Source`].
const SOURCE: &str = "source";

/// Every prefix of every training sequence that has an item behind it.
pub fn prefixes(dataset: &Dataset) -> impl Iterator<Item = Prefix> {
    (0..dataset.sequences.len())
        .flat_map(|user| (1..dataset.split(user).train.len()).map(move |length| Prefix { user, length }))
}

/// Two bytes a number where all fit, else four.
fn integers(values: &[u32]) -> (Dtype, Vec<u8>) {
    if values.iter().all(|&value| u16::try_from(value).is_ok()) {
        (Dtype::U16, values.iter().flat_map(|&value| (value as u16).to_le_bytes()).collect())
    } else {
        (Dtype::U32, values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }
}

fn read_integers(file: &SafeTensors, name: &str) -> anyhow::Result<Vec<u32>> {
    let tensor = file.tensor(name)?;
    match tensor.dtype() {
        Dtype::U16 => Ok(tensor
            .data()
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&bytes| u16::from_le_bytes(bytes).into())
            .collect()),
        Dtype::U32 => {
            Ok(tensor.data().as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
        }
        other => anyhow::bail!("{name} has type {other:?}, not U16 or U32"),
    }
}

#[cfg(test)]
mod tests;
