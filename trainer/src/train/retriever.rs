//! Trains `LRURec`: packed windows, full-softmax cross entropy, validation every few steps, early stop.

use std::{path::Path, time::Instant};

use anyhow::Context;
use burn::{module::Module, tensor::Device};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use shared::{
    metrics::{Metric, Summary},
    retriever::{LruRec, LruRecConfig},
};

use super::{
    AdamW, Batch, Checkpoint, RunReport, Window,
    checkpoint::Progress,
    measure::{Measured, Part, difference, model_ranks, popularity_ranks},
    report::{DataUsed, Validation},
    tied_cross_entropy, training_windows,
};
use crate::{
    data::Dataset,
    files::write_atomic,
    report::{Printer, UserError},
};

/// Settings of a run; the reference's for MovieLens are the defaults of the command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Dropout of all places.
    pub dropout: f64,
    /// Decay of all weights but biases and norms.
    pub weight_decay: f64,
    /// Windows a step.
    pub batch_size: usize,
    /// Newest items read.
    pub max_len: usize,
    /// Step size of `AdamW`.
    pub learning_rate: f64,
    /// Global norm to which gradients are clipped.
    pub clip_norm: f64,
    /// Steps at most.
    pub steps: usize,
    /// Steps between validations.
    pub validate_every: usize,
    /// Validations without a better Recall@10 after which the run stops.
    pub patience: usize,
    /// Seed of weights, shuffling and dropout.
    pub seed: u64,
}

impl TrainConfig {
    /// Refuses settings that cannot train.
    pub fn validate(&self) -> Result<(), UserError> {
        let counts = [
            ("--batch-size", self.batch_size),
            ("--max-len", self.max_len),
            ("--steps", self.steps),
            ("--validate-every", self.validate_every),
            ("--patience", self.patience),
        ];
        if let Some((name, _)) = counts.into_iter().find(|&(_, value)| value == 0) {
            return Err(UserError::usage(format!("{name} is 0")).hint("give 1 or more"));
        }
        let rates = [
            ("--dropout", self.dropout, (0.0..1.0).contains(&self.dropout)),
            ("--weight-decay", self.weight_decay, self.weight_decay >= 0.0 && self.weight_decay.is_finite()),
            ("--lr", self.learning_rate, self.learning_rate > 0.0 && self.learning_rate.is_finite()),
        ];
        match rates.into_iter().find(|&(_, _, good)| !good) {
            Some((name, value, _)) => Err(UserError::usage(format!("{name} {value} cannot train"))
                .hint("dropout is 0 to below 1, the decay 0 or more, the learning rate above 0")),
            None => Ok(()),
        }
    }

    fn model(&self, dataset: &Dataset) -> LruRecConfig {
        LruRecConfig {
            max_len: self.max_len,
            dropout: self.dropout,
            attn_dropout: self.dropout,
            ..LruRecConfig::new(dataset.catalog.len())
        }
    }

    /// Whether a run of `other` can go on with these settings: only where it ends may differ.
    fn continues(&self, other: &Self) -> bool {
        let (steps, patience) = (other.steps, other.patience);
        Self { steps, patience, ..self.clone() } == *other
    }
}

/// A run between two steps.
struct Run<'a> {
    config: &'a TrainConfig,
    dataset: &'a Dataset,
    windows: Vec<Window>,
    model: LruRec,
    adam: AdamW,
    progress: Progress,
    best: Vec<u8>,
}

/// Trains a retriever and writes weights, checkpoint and report.
///
/// `out` receives the best weights whenever there are better ones; beside it lie `*.metrics.json` and
/// `*.checkpoint`, from which `resume` goes on exactly where the run stood.
pub fn train(
    dataset: &Dataset,
    config: &TrainConfig,
    device: &Device,
    out: &Path,
    resume: bool,
    printer: &Printer,
) -> anyhow::Result<RunReport> {
    config.validate()?;
    let checkpoint = out.with_extension("checkpoint");
    let mut run = if resume {
        Run::resume(config, dataset, device, &checkpoint)?
    } else {
        Run::start(config, dataset, device)?
    };
    if run.progress.best_step > 0 {
        // After an interruption the file may be missing or of another run.
        write_atomic(out, &run.best)?;
    }
    printer.note(&format!(
        "{} users, {} windows, {} parameters, from step {}",
        dataset.sequences.len(),
        run.windows.len(),
        run.model.num_params(),
        run.progress.step
    ));
    let bar = printer.steps_bar(config.steps as u64, "training");
    bar.set_position(run.progress.step as u64);
    if run.progress.curve.is_empty() {
        run.validate(0.0, out)?;
    }
    let before = run.progress.seconds;
    let (first, start) = (run.progress.step, Instant::now());
    let (mut loss, mut counted) = (0.0, 0);
    while run.progress.step < config.steps && run.patience_left() > 0 {
        loss += f64::from(run.step(device)?);
        counted += 1;
        bar.inc(1);
        if run.progress.step.is_multiple_of(config.validate_every) || run.progress.step == config.steps {
            run.progress.seconds = before + start.elapsed().as_secs_f64();
            run.validate(loss / f64::from(counted), out)?;
            run.save(&checkpoint)?;
            let rate = (run.progress.step - first) as f64 / start.elapsed().as_secs_f64();
            bar.suspend(|| printer.note(&run.line(rate)));
            (loss, counted) = (0.0, 0);
        }
    }
    bar.finish_and_clear();
    // A finished run leaves the weights it reports, even where nothing was better than its start.
    write_atomic(out, &run.best)?;
    run.progress.seconds = before + start.elapsed().as_secs_f64();
    let report = run.report(device)?;
    let text = serde_json::to_string_pretty(&report)? + "\n";
    write_atomic(&out.with_extension("metrics.json"), text.as_bytes())?;
    Ok(report)
}

impl<'a> Run<'a> {
    fn start(config: &'a TrainConfig, dataset: &'a Dataset, device: &Device) -> anyhow::Result<Self> {
        let model = LruRec::new(config.model(dataset), config.seed, &device.clone().autodiff())?;
        let progress = Progress {
            config: config.clone(),
            sequences_sha256: DataUsed::of(dataset).sequences_sha256,
            step: 0,
            seconds: 0.0,
            best_step: 0,
            curve: Vec::new(),
        };
        let best = model.to_safetensors()?;
        let adam = AdamW::new(config.learning_rate, config.weight_decay, config.clip_norm);
        Ok(Self { config, dataset, windows: windows(dataset, config), model, adam, progress, best })
    }

    fn resume(
        config: &'a TrainConfig,
        dataset: &'a Dataset,
        device: &Device,
        path: &Path,
    ) -> anyhow::Result<Self> {
        if !path.is_file() {
            let message = format!("there is no checkpoint {}", path.display());
            return Err(UserError::input(message).hint("leave --resume out to start a new run").into());
        }
        let Checkpoint { progress, model, best, moments } = Checkpoint::load(path, device)?;
        if !config.continues(&progress.config) {
            let message =
                format!("checkpoint {} belongs to other settings: {:?}", path.display(), progress.config);
            let hint = "repeat the settings of the run, or leave --resume out to start a new one";
            return Err(UserError::usage(message).hint(hint).into());
        }
        if config.steps < progress.step {
            let message = format!(
                "{} steps were asked for, checkpoint {} has taken {}",
                config.steps,
                path.display(),
                progress.step
            );
            return Err(UserError::usage(message).hint("give --steps of at least that many").into());
        }
        if progress.sequences_sha256 != DataUsed::of(dataset).sequences_sha256 {
            let message = format!("checkpoint {} belongs to other data", path.display());
            return Err(UserError::usage(message).hint("give the --data of the run").into());
        }
        let model = LruRec::from_safetensors(&model, &device.clone().autodiff())?;
        let adam = AdamW::new(config.learning_rate, config.weight_decay, config.clip_norm)
            .resumed(progress.step, moments);
        Ok(Self { config, dataset, windows: windows(dataset, config), model, adam, progress, best })
    }

    /// Takes one step and gives its loss.
    fn step(&mut self, device: &Device) -> anyhow::Result<f32> {
        let batch = self.batch();
        // One seed a step: a resumed run drops the same places.
        device.seed(self.config.seed.wrapping_add(self.progress.step as u64));
        let hidden = batch.labelled(self.model.forward(batch.ids(&device.clone().autodiff())));
        let (embedding, bias) = self.model.output_layer();
        let (loss, scalar) = tied_cross_entropy(hidden, embedding, bias, batch.labels());
        if !loss.is_finite() {
            let message = format!("the loss became {loss} at step {}", self.progress.step);
            return Err(UserError::failed(message).hint("try a smaller --lr").into());
        }
        self.model = self.adam.step(self.model.clone(), scalar.backward());
        self.progress.step += 1;
        Ok(loss)
    }

    /// The windows of the current step: every epoch is a new shuffle, the last batch of it may be short.
    fn batch(&self) -> Batch {
        let per_epoch = self.windows.len().div_ceil(self.config.batch_size);
        let (epoch, n) = (self.progress.step / per_epoch, self.progress.step % per_epoch);
        let mut order: Vec<usize> = (0..self.windows.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(epoch as u64);
        order.shuffle(&mut rng);
        let chosen = order.into_iter().skip(n * self.config.batch_size).take(self.config.batch_size);
        // The data's longest window, not `max_len`, which may be far longer than any history.
        let longest = self.windows.iter().map(|window| window.inputs.len()).max().unwrap_or(0);
        Batch::pack(chosen.map(|window| &self.windows[window]), longest)
    }

    /// Measures on the validation items; better weights go to `out`.
    fn validate(&mut self, loss: f64, out: &Path) -> anyhow::Result<()> {
        let ranks = model_ranks(&self.model, self.dataset, Part::Valid)?;
        let at = Summary::new(&ranks).at(10).copied().context("10 is a cut-off")?;
        let best = self.best_hits();
        let step = self.progress.step;
        let validation = Validation { step, loss, hits_10: at.hits, recall_10: at.recall, ndcg_10: at.ndcg };
        if best.is_none_or(|best| at.hits > best) {
            self.best = self.model.to_safetensors()?;
            self.progress.best_step = step;
            // Random weights are no result: they must never replace a file.
            if step > 0 {
                write_atomic(out, &self.best)?;
            }
        }
        self.progress.curve.push(validation);
        Ok(())
    }

    fn best_hits(&self) -> Option<usize> {
        self.progress.curve.iter().map(|validation| validation.hits_10).max()
    }

    /// Validations without improvement that are still allowed.
    fn patience_left(&self) -> usize {
        let since = self.progress.curve.iter().filter(|v| v.step > self.progress.best_step).count();
        self.config.patience.saturating_sub(since)
    }

    fn save(&self, path: &Path) -> anyhow::Result<()> {
        Checkpoint {
            progress: self.progress.clone(),
            model: self.model.to_safetensors()?,
            best: self.best.clone(),
            moments: self.adam.moments().clone(),
        }
        .save(path)
    }

    /// The last validation in one line. `rate` is steps a second.
    fn line(&self, rate: f64) -> String {
        let Some(last) = self.progress.curve.last() else { return String::new() };
        let left = (self.config.steps - last.step) as f64 / rate;
        format!(
            "step {} loss {:.3} valid Recall@10 {:.4} ({} of {}) NDCG@10 {:.4} best step {} | {rate:.2} steps/s, \
             at most {:.0} min left",
            last.step,
            last.loss,
            last.recall_10,
            last.hits_10,
            self.dataset.sequences.len(),
            last.ndcg_10,
            self.progress.best_step,
            left / 60.0,
        )
    }

    /// Measures the best weights.
    fn report(&self, device: &Device) -> anyhow::Result<RunReport> {
        let best = LruRec::from_safetensors(&self.best, device)?;
        let test = model_ranks(&best, self.dataset, Part::Test)?;
        let popularity = popularity_ranks(self.dataset, Part::Test);
        let stopped = if self.patience_left() == 0 {
            format!("no better validation Recall@10 in {} validations", self.config.patience)
        } else {
            format!("all {} steps taken", self.config.steps)
        };
        Ok(RunReport {
            llamarec: env!("CARGO_PKG_VERSION").to_owned(),
            data: DataUsed::of(self.dataset),
            model: best.config().clone(),
            training: self.config.clone(),
            steps: self.progress.step,
            best_step: self.progress.best_step,
            seconds: self.progress.seconds.round(),
            stopped,
            valid: Measured::new(&model_ranks(&best, self.dataset, Part::Valid)?),
            test: Measured::new(&test),
            popularity: Measured::new(&popularity),
            recall_10_over_popularity: difference(Metric::Recall(10), &test, &popularity),
            curve: self.progress.curve.clone(),
        })
    }
}

fn windows(dataset: &Dataset, config: &TrainConfig) -> Vec<Window> {
    let users = 0..dataset.sequences.len();
    training_windows(users.map(|user| dataset.split(user).train), config.max_len)
}

#[cfg(test)]
mod tests;
