//! Trains a retriever: packed windows, full-softmax cross entropy, validation every few steps, early stop.

use std::{path::Path, time::Instant};

use anyhow::Context;
use burn::{module::Module, optim::GradientsParams, tensor::Device};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use shared::{
    metrics::{Metric, Summary},
    retriever::Retriever,
};

use super::{
    AdamW, Batch, Checkpoint, ENDS, Loss, RunReport, TrainConfig, Window, binary_cross_entropy,
    checkpoint::Progress,
    measure::{Measured, Part, difference, model_ranks, popularity_ranks},
    report::{DataUsed, Validation},
    tied_cross_entropy, training_windows,
};
use crate::{
    data::Dataset,
    report::{Printer, UserError},
    run_dir::RunDir,
};

/// A run between two steps.
struct Run<'a> {
    config: &'a TrainConfig,
    dataset: &'a Dataset,
    windows: Vec<Window>,
    /// Length of the longest window; `max_len` may be far longer than any history.
    longest: usize,
    model: Retriever,
    adam: AdamW,
    progress: Progress,
    best: Vec<u8>,
}

/// Trains a retriever in a run's folder, from its start or from where its checkpoint stands.
///
/// The folder receives the best weights whenever there are better ones, a checkpoint and the curve at every
/// validation, and the report in the end.
///
/// # Errors
/// Settings that cannot train, a checkpoint of other settings or data, or a loss that is no number.
pub fn train(
    dataset: &Dataset,
    config: &TrainConfig,
    device: &Device,
    folder: &RunDir,
    resume: bool,
    printer: &Printer,
) -> anyhow::Result<RunReport> {
    config.validate()?;
    config.check_size(dataset.catalog.len())?;
    let mut run = if resume {
        Run::resume(config, dataset, device, &folder.checkpoint())?
    } else {
        Run::start(config, dataset, device)?
    };
    if run.progress.step < config.steps && run.patience_left() > 0 {
        // What a finished run measured is no longer true of what goes on from it.
        folder.forget_metrics()?;
    }
    if run.progress.best_step > 0 {
        // After an interruption the file may be missing or older than the checkpoint.
        folder.write_weights(&run.best)?;
    }
    printer.note(&format!(
        "{} on {}: {} users, {} windows, {} parameters, from step {}",
        config.model,
        dataset.name,
        dataset.sequences.len(),
        run.windows.len(),
        run.model.num_params(),
        run.progress.step
    ));
    let bar = printer.steps_bar(config.steps as u64, "training");
    bar.set_position(run.progress.step as u64);
    if run.progress.curve.is_empty() {
        run.validate(0.0, folder)?;
    }
    let before = run.progress.seconds;
    let (first, start) = (run.progress.step, Instant::now());
    let (mut loss, mut counted, mut stepping) = (0.0, 0, 0.0);
    while run.progress.step < config.steps && run.patience_left() > 0 {
        let began = Instant::now();
        loss += f64::from(run.step(device)?);
        stepping += began.elapsed().as_secs_f64();
        counted += 1;
        bar.inc(1);
        if run.progress.step.is_multiple_of(config.validate_every) || run.progress.step == config.steps {
            run.progress.seconds = before + start.elapsed().as_secs_f64();
            run.validate(loss / f64::from(counted), folder)?;
            run.save(&folder.checkpoint())?;
            folder.write_curve(&run.title(), &run.progress.curve)?;
            let rate = (run.progress.step - first) as f64 / stepping;
            bar.suspend(|| printer.note(&run.line(rate)));
            (loss, counted) = (0.0, 0);
        }
    }
    bar.finish_and_clear();
    // A finished run leaves the weights it reports, even where nothing was better than its start.
    folder.write_weights(&run.best)?;
    folder.write_curve(&run.title(), &run.progress.curve)?;
    run.progress.seconds = before + start.elapsed().as_secs_f64();
    let report = run.report(device)?;
    folder.write_metrics(&report)?;
    Ok(report)
}

/// The settings of the run whose checkpoint this is.
///
/// # Errors
/// No checkpoint there, or one that cannot be read.
pub fn settings_of(checkpoint: &Path) -> anyhow::Result<TrainConfig> {
    Ok(Checkpoint::<Progress>::load(checkpoint, &Device::flex())?.progress.config)
}

/// Refuses to go on from a checkpoint of other settings or other data.
///
/// # Errors
/// No checkpoint there, one that cannot be read, or one that these settings and data do not continue.
pub fn check_resume(config: &TrainConfig, dataset: &Dataset, checkpoint: &Path) -> anyhow::Result<()> {
    check(config, dataset, &Checkpoint::load(checkpoint, &Device::flex())?.progress, checkpoint)
}

fn check(config: &TrainConfig, dataset: &Dataset, progress: &Progress, path: &Path) -> anyhow::Result<()> {
    if let Some(difference) = config.difference(&progress.config, &ENDS) {
        let message = format!("checkpoint {} belongs to a run with {difference}", path.display());
        let hint = "leave the option out to go on with the run, or leave --resume out to start a new one";
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
    Ok(())
}

impl<'a> Run<'a> {
    fn new(
        config: &'a TrainConfig,
        dataset: &'a Dataset,
        model: Retriever,
        adam: AdamW,
        progress: Progress,
        best: Vec<u8>,
    ) -> Self {
        let users = 0..dataset.sequences.len();
        let windows = training_windows(users.map(|user| dataset.split(user).train), config.max_len);
        let longest = windows.iter().map(|window| window.inputs.len()).max().unwrap_or(0);
        Self { config, dataset, windows, longest, model, adam, progress, best }
    }

    fn start(config: &'a TrainConfig, dataset: &'a Dataset, device: &Device) -> anyhow::Result<Self> {
        let items = dataset.catalog.len();
        let model = Retriever::new(config.retriever(items), config.seed, &device.clone().autodiff())?;
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
        Ok(Self::new(config, dataset, model, adam, progress, best))
    }

    fn resume(
        config: &'a TrainConfig,
        dataset: &'a Dataset,
        device: &Device,
        path: &Path,
    ) -> anyhow::Result<Self> {
        let checkpoint = Checkpoint::load(path, device)?;
        check(config, dataset, &checkpoint.progress, path)?;
        let Checkpoint { mut progress, model, best, moments } = checkpoint;
        // Steps and patience may be new.
        progress.config = config.clone();
        let model = Retriever::from_safetensors(&model, &device.clone().autodiff())?;
        let adam = AdamW::new(config.learning_rate, config.weight_decay, config.clip_norm)
            .resumed(progress.step, moments);
        Ok(Self::new(config, dataset, model, adam, progress, best))
    }

    /// Takes one step and gives its loss.
    fn step(&mut self, device: &Device) -> anyhow::Result<f32> {
        let batch = self.batch();
        // One seed a step: a resumed run drops the same places.
        device.seed(self.config.seed.wrapping_add(self.progress.step as u64));
        let hidden = batch.labelled(self.model.forward(batch.rows()));
        let (embedding, bias) = self.model.output_layer();
        let (loss, scalar) = match self.config.loss {
            Loss::Ce => tied_cross_entropy(hidden, embedding, bias, batch.labels()),
            Loss::Bce => binary_cross_entropy(hidden, embedding, bias, batch.labels(), batch.negatives()),
        };
        if !loss.is_finite() {
            let message = format!("the loss became {loss} at step {}", self.progress.step);
            return Err(UserError::failed(message).hint("try a smaller --learning-rate").into());
        }
        let gradients = GradientsParams::from_grads(scalar.backward(), &self.model);
        self.model = self.adam.step(self.model.clone(), gradients);
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
        let chosen = chosen.map(|window| &self.windows[window]);
        // Masks and negatives have a stream a step, far from those of the shuffles.
        rng.set_stream((1 << 32) + self.progress.step as u64);
        match (self.model.mask(), self.config.loss) {
            (Some(mask), _) => Batch::masked(chosen, self.longest, mask, &mut rng),
            (None, Loss::Ce) => Batch::causal(chosen, self.longest),
            (None, Loss::Bce) => {
                let items = self.dataset.catalog.len();
                Batch::causal_with_negatives(chosen, self.longest, items, &mut rng)
            }
        }
    }

    /// Measures on the validation items; better weights go to the run's folder.
    fn validate(&mut self, loss: f64, folder: &RunDir) -> anyhow::Result<()> {
        let ranks = model_ranks(std::slice::from_ref(&self.model), self.dataset, Part::Valid)?;
        let at = Summary::new(&ranks).at(10).copied().context("10 is a cut-off")?;
        let best = self.best_hits();
        let step = self.progress.step;
        let validation = Validation { step, loss, hits_10: at.hits, recall_10: at.recall, ndcg_10: at.ndcg };
        if best.is_none_or(|best| at.hits > best) {
            self.best = self.model.to_safetensors()?;
            self.progress.best_step = step;
            // Random weights are no result: they must never replace a file.
            if step > 0 {
                folder.write_weights(&self.best)?;
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
            moments: self.adam.moments(),
        }
        .save(path)
    }

    /// What the run is, for its picture.
    fn title(&self) -> String {
        let TrainConfig { model, dropout, weight_decay, seed, .. } = self.config;
        format!("{} · {model} · dropout {dropout}, decay {weight_decay}, seed {seed}", self.dataset.name)
    }

    /// The last validation in one line. `rate` is steps a second, validations not counted.
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
        let best = [Retriever::from_safetensors(&self.best, device)?];
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
            model: best[0].config().clone(),
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

#[cfg(test)]
mod tests;
