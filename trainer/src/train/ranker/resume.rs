//! How a run begins, and how it goes on from its checkpoint.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use shared::{
    llama::{Adapter, AdapterConfig},
    scoring::Scorer,
    tuned::TunedFor,
};

use super::{
    Examples, RankerConfig, RankerValidation,
    judge::{Verdict, draw, judgeable},
    run::{Parts, Run},
};
use crate::{
    candidates::Source,
    fetch::sha256,
    report::UserError,
    run_dir::CHECKPOINT,
    train::{AdamW, Checkpoint, measure::Part},
};

/// Where a run stands. Shuffles, negatives and dropout are functions of seed and step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub config: RankerConfig,
    pub candidates: Source,
    pub base_sha256: String,
    /// What teaches.
    #[serde(default)]
    pub teacher: Option<TunedFor>,
    /// SHA-256 of the adapter that it began with.
    #[serde(default)]
    pub start: Option<String>,
    pub step: usize,
    pub seconds: f64,
    pub best_step: usize,
    /// What the best adapter was worth.
    pub best: Option<Verdict>,
    /// Training since the last validation.
    pub since: Tally,
    pub curve: Vec<RankerValidation>,
}

/// Sums over training steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    steps: usize,
    loss: f64,
    right: usize,
    questions: usize,
}

impl Tally {
    /// A step with this loss, in which so many of the questions got the right answer.
    pub fn add(&mut self, loss: f64, right: usize, questions: usize) {
        self.steps += 1;
        self.loss += loss;
        self.right += right;
        self.questions += questions;
    }

    /// Mean loss of a step; 0 before the first.
    pub fn loss(self) -> f64 {
        self.loss / self.steps.max(1) as f64
    }

    /// Share of right answers; 0 before the first.
    pub fn accuracy(self) -> f64 {
        self.right as f64 / self.questions.max(1) as f64
    }
}

/// The settings of the run whose checkpoint this is.
///
/// # Errors
/// No checkpoint there, or one that cannot be read.
pub fn settings_of(checkpoint: &Path) -> anyhow::Result<RankerConfig> {
    Ok(Checkpoint::<Progress>::load(checkpoint, &Device::flex())?.progress.config)
}

/// The adapter that a new run begins with.
pub struct Start {
    adapter: Adapter,
    /// SHA-256 of its file's bytes.
    sha256: String,
}

impl Start {
    /// The adapter in this file, or the one where the run in this folder stands: its newest, not its best.
    ///
    /// # Errors
    /// A path without either, or an adapter of another base model.
    pub fn at(path: &Path, base_sha256: &str, device: &Device) -> anyhow::Result<Self> {
        let unusable = |why: &dyn std::fmt::Display| {
            UserError::input(format!("{} gives no adapter to start with: {why}", path.display()))
                .hint("give an adapter of this base model, or the folder of a run of: llamarec train ranker")
        };
        let (bytes, of_base) = if path.is_dir() {
            let checkpoint = Checkpoint::<Progress>::load(&path.join(CHECKPOINT), &Device::flex());
            let checkpoint = checkpoint.map_err(|error| unusable(&error))?;
            (checkpoint.model, checkpoint.progress.base_sha256)
        } else {
            let bytes = fs::read(path).map_err(|error| unusable(&error))?;
            let base = TunedFor::of(&bytes).map_err(|error| unusable(&error))?.base_sha256;
            (bytes, base)
        };
        if of_base != base_sha256 {
            return Err(unusable(&"it belongs to another base model").into());
        }
        let adapter = Adapter::from_safetensors(&bytes, &device.clone().autodiff())
            .map_err(|error| unusable(&error))?;
        Ok(Self { adapter, sha256: sha256(&bytes[..], |_| ())? })
    }
}

impl<'a> Run<'a> {
    /// A run at its start, or where this checkpoint left it. Nothing is written.
    ///
    /// # Errors
    /// Settings that cannot train, candidates without training prefixes, or a checkpoint of another run.
    pub fn open(
        parts: Parts<'a>,
        config: &'a RankerConfig,
        checkpoint: Option<&Path>,
    ) -> anyhow::Result<Self> {
        config.validate()?;
        match checkpoint {
            Some(path) => Self::resume(parts, config, path),
            None => Self::start(parts, config),
        }
    }

    fn new(
        parts: Parts<'a>,
        config: &'a RankerConfig,
        adapter: Adapter,
        adam: AdamW,
        progress: Progress,
        best: Vec<u8>,
    ) -> anyhow::Result<Self> {
        let Parts { dataset, candidates, ranker, .. } = parts;
        let (prefixes, table) = candidates.train.as_ref().ok_or_else(|| {
            UserError::input("these candidates have none for training prefixes".to_owned())
                .hint("make them again with: llamarec candidates --train")
        })?;
        let examples = Examples::new(dataset, prefixes, table, config);
        let valid = judgeable(dataset, Part::Valid, &candidates.valid);
        let valid = draw(valid, config.valid_users, config.seed);
        if examples.is_empty() || valid.is_empty() {
            let message = format!(
                "{} training prefixes and {} validation users have their item among the candidates",
                examples.len(),
                valid.len()
            );
            return Err(UserError::input(message).hint("give more candidates a history: --top").into());
        }
        adapter.check(ranker.llama().config())?;
        let scorer = Scorer::new(ranker.tokens(), ranker.verbalizer(), config.scoring())?;
        Ok(Self { parts, config, scorer, examples, valid, adapter, adam, progress, best })
    }

    fn start(parts: Parts<'a>, config: &'a RankerConfig) -> anyhow::Result<Self> {
        let RankerConfig { top_blocks, rank, alpha, dropout, .. } = *config;
        let sizes = AdapterConfig::new(parts.ranker.llama().config(), top_blocks, rank, alpha, dropout);
        let device = parts.ranker.llama().device().clone().autodiff();
        let adapter = match parts.start {
            Some(Start { adapter, .. }) if *adapter.config() == sizes => adapter.clone(),
            Some(Start { adapter, .. }) => {
                let AdapterConfig { rank, alpha, dropout, top, .. } = adapter.config();
                let message = "the adapter to start with has other sizes than this run's".to_owned();
                let options = format!("--rank {rank} --alpha {alpha} --dropout {dropout} --top-blocks {top}");
                return Err(UserError::usage(message).hint(format!("give its own: {options}")).into());
            }
            None => Adapter::new(sizes, config.seed, &device)
                .map_err(|error| UserError::usage(error.to_string()).hint("see --rank and --top-blocks"))?,
        };
        let progress = Progress {
            config: config.clone(),
            candidates: parts.candidates.source.clone(),
            base_sha256: parts.base_sha256.to_owned(),
            teacher: taught_by(parts),
            start: parts.start.map(|start| start.sha256.clone()),
            step: 0,
            seconds: 0.0,
            best_step: 0,
            best: None,
            since: Tally::default(),
            curve: Vec::new(),
        };
        let best = adapter.to_safetensors(&BTreeMap::new())?;
        Self::new(parts, config, adapter, adam(config), progress, best)
    }

    fn resume(parts: Parts<'a>, config: &'a RankerConfig, path: &Path) -> anyhow::Result<Self> {
        let device = parts.ranker.llama().device().clone();
        let Checkpoint { mut progress, model, best, moments } = Checkpoint::<Progress>::load(path, &device)?;
        let refuse = |message: String, hint: &str| Err(UserError::usage(message).hint(hint).into());
        if let Some(difference) = config.difference(&progress.config) {
            let message = format!("checkpoint {} belongs to a run with {difference}", path.display());
            return refuse(message, "leave the option out to go on with the run, or start a new one");
        }
        if progress.candidates != parts.candidates.source || progress.base_sha256 != parts.base_sha256 {
            let message =
                format!("checkpoint {} belongs to other candidates or another base model", path.display());
            return refuse(message, "give the --candidates and the --base of the run");
        }
        if progress.teacher != taught_by(parts) {
            let message = format!("checkpoint {} belongs to a run with another teacher", path.display());
            return refuse(message, "give the --teacher of the run, or leave it out if it had none");
        }
        // Patience may be new.
        progress.config = config.clone();
        let adapter = Adapter::from_safetensors(&model, &device.autodiff())?;
        let adam = adam(config).resumed(progress.step, moments);
        Self::new(parts, config, adapter, adam, progress, best)
    }
}

fn taught_by(parts: Parts) -> Option<TunedFor> {
    parts.ranker.tuned().map(|teacher| teacher.tuned_for.clone())
}

fn adam(config: &RankerConfig) -> AdamW {
    // The reference's epsilon for its ranker.
    AdamW::new(config.learning_rate, config.weight_decay, config.clip_norm).with_epsilon(1e-8)
}
