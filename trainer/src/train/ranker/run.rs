//! The loop: examples in, gradients through the frozen blocks into the adapter, validation on the
//! retriever's candidates, a checkpoint at every one.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    time::{Duration, Instant},
};

use anyhow::Context;
use burn::{module::Module, tensor::Device};
use rayon::prelude::*;
use serde::Serialize;
use shared::{
    fusion::Fusion,
    llama::Adapter,
    ranker::Ranker,
    scoring::{Mode, Scorer},
    tuned::{TUNED_FOR, TunedFor},
};

use super::{
    Choice, Example, Examples, RankerConfig, RankerReport, RankerValidation,
    binding::Binding,
    judge::{Judge, Orders, Verdict},
    resume::{Progress, Start},
    step::{Lesson, Pupil, Taught},
};
use crate::{
    candidates::Candidates,
    data::Dataset,
    report::{Printer, UserError},
    run_dir::RunDir,
    train::{AdamW, Checkpoint, DataUsed, measure::Part},
};

/// Time that a killed run loses at most, and a step.
const SAVE_EVERY: Duration = Duration::from_mins(1);

/// What a run is made of.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// The data.
    pub dataset: &'a Dataset,
    /// The retriever's best, with those of training prefixes.
    pub candidates: &'a Candidates,
    /// The base model; if it is tuned, it teaches.
    pub ranker: &'a Ranker,
    /// SHA-256 of its file.
    pub base_sha256: &'a str,
    /// The adapter that a new run begins with, if it is not to begin with one that does nothing yet.
    pub start: Option<&'a Start>,
}

/// How far a slice of a run goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Stop at the first step after this.
    pub deadline: Option<Instant>,
}

/// A run between two steps.
pub struct Run<'a> {
    pub(super) parts: Parts<'a>,
    pub(super) config: &'a RankerConfig,
    pub(super) scorer: Scorer,
    pub(super) examples: Examples<'a>,
    pub(super) valid: Vec<usize>,
    pub(super) adapter: Adapter,
    pub(super) adam: AdamW,
    pub(super) progress: Progress,
    pub(super) best: Vec<u8>,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Work {
    /// Questions to learn from.
    pub questions: usize,
    /// Histories that they are asked behind, several behind one.
    pub histories: usize,
    /// How often each history is read in all steps.
    pub epochs: f64,
    /// Users of a validation.
    pub valid_users: usize,
    /// Numbers of the adapter.
    pub parameters: usize,
}

impl Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { questions, histories, epochs, valid_users, parameters } = self;
        write!(
            f,
            "{questions} questions behind {histories} histories, {epochs:.2} times each, {valid_users} validation users, \
             {parameters} parameters"
        )
    }
}

impl Run<'_> {
    /// What there is to do.
    pub fn work(&self) -> Work {
        let histories = self.examples.len();
        Work {
            questions: self.examples.questions(),
            histories,
            epochs: (self.config.steps * self.config.batch_size) as f64 / histories as f64,
            valid_users: self.valid.len(),
            parameters: self.adapter.num_params(),
        }
    }

    /// The validation before the first step. What the base model or the data do not allow is refused here, before there are
    /// files of the run.
    ///
    /// # Errors
    /// Questions that the model cannot be asked, or answers that are no numbers.
    pub fn begin(&mut self, printer: &Printer) -> anyhow::Result<()> {
        let (ranker, data, step) = (self.parts.ranker.name(), &self.parts.dataset.name, self.progress.step);
        printer.note(&format!("{ranker} on {data}: {}, from step {step}", self.work()));
        if self.progress.curve.is_empty() {
            let start = Instant::now();
            self.validate()?;
            self.progress.seconds = start.elapsed().as_secs_f64();
            printer.note(&self.line(None));
        }
        Ok(())
    }

    /// Goes on from [`Self::begin`] to the end or to a limit. The folder receives the best adapter, a checkpoint and the
    /// report.
    ///
    /// # Errors
    /// A loss that is no number, files that cannot be written, or a device that fails.
    pub fn train(
        mut self,
        folder: &RunDir,
        limits: Limits,
        printer: &Printer,
    ) -> anyhow::Result<RankerReport> {
        let config = self.config;
        let out_of_time = || limits.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let goes_on =
            |run: &Self| run.progress.step < config.steps && run.patience_left() > 0 && !out_of_time();
        if goes_on(&self) {
            // What a finished run measured is no longer true of what goes on from it.
            folder.forget_metrics()?;
        }
        let (before, start) = (self.progress.seconds, Instant::now());
        let bar = printer.steps_bar(config.steps as u64, "fine-tuning");
        bar.set_position(self.progress.step as u64);
        let (mut questions, mut tokens, mut stepping, first) = (0, 0, 0.0, self.progress.step);
        let mut saved = Instant::now();
        while goes_on(&self) {
            let began = Instant::now();
            let (asked, read) = self.step()?;
            questions += asked;
            tokens += read;
            stepping += began.elapsed().as_secs_f64();
            bar.inc(1);
            let step = self.progress.step;
            if step.is_multiple_of(config.validate_every) || step == config.steps {
                self.validate()?;
                self.progress.seconds = before + start.elapsed().as_secs_f64();
                self.save(folder)?;
                let rates = [(step - first) as f64, questions as f64, tokens as f64];
                let line = self.line(Some(rates.map(|count| count / stepping)));
                bar.suspend(|| printer.note(&line));
                saved = Instant::now();
            } else if saved.elapsed() >= SAVE_EVERY {
                self.progress.seconds = before + start.elapsed().as_secs_f64();
                self.save(folder)?;
                bar.suspend(|| printer.note(&self.line_between()));
                saved = Instant::now();
            }
        }
        bar.finish_and_clear();
        self.progress.seconds = before + start.elapsed().as_secs_f64();
        self.save(folder)?;
        let report = self.report()?;
        folder.write_metrics(&report)?;
        Ok(report)
    }

    /// Takes one step; gives the questions asked and the tokens read.
    fn step(&mut self) -> anyhow::Result<(usize, usize)> {
        let (step, config) = (self.progress.step, self.config);
        let Parts { dataset, ranker, .. } = self.parts;
        let (judge, teacher) = (self.judge(None), ranker.tuned());
        let batch = self.examples.batch(step, config);
        // Beside a GPU, reading prompts one after another takes a good part of a step.
        let lessons: Vec<Lesson> = batch
            .par_iter()
            .map(|Example { history, questions: choices }| {
                let ask = |judge: Judge, choices: &[Choice], running| {
                    let questions = choices.iter().map(|one| (one.length, one.candidates.as_slice()));
                    judge.ask(dataset, history, questions, running)
                };
                // Once: what a teacher says is about candidates, not about their letters.
                let of_teacher =
                    teacher.map(|teacher| ask(Judge { scorer: &teacher.scorer, ..judge }, choices, false));
                let orders = 0..config.orders;
                let turned = |choice: &Choice| {
                    orders.clone().map(|order| choice.turned(order, config.orders)).collect::<Vec<_>>()
                };
                let turned: Vec<Choice> = choices.iter().flat_map(turned).collect();
                let asked = ask(judge, &turned, config.running_weight > 0.0)?;
                Ok(Lesson { asked, of_teacher: of_teacher.transpose()?, choices })
            })
            .collect::<anyhow::Result<_>>()?;
        let pupil =
            Pupil { llama: ranker.llama(), scorer: &self.scorer, adapter: &self.adapter, teacher, config };
        // Seeds of steps are far apart: a resumed run drops the same places.
        let seed = config.seed.wrapping_add((step as u64) << 32);
        let Taught { gradients, loss, right, questions } = pupil.learn(&lessons, seed)?;
        if !loss.is_finite() {
            let message = format!("the loss became {loss} at step {step}");
            return Err(UserError::failed(message).hint("try a smaller --learning-rate").into());
        }
        self.adam.set_learning_rate(config.learning_rate_at(step));
        self.adapter = self.adam.step(self.adapter.clone(), gradients);
        self.progress.step += 1;
        self.progress.since.add(loss, right, questions);
        Ok((questions, lessons.iter().map(|lesson| lesson.asked.layout.tokens()).sum()))
    }

    /// Measures on the validation users; a better adapter is kept.
    fn validate(&mut self) -> anyhow::Result<()> {
        let Parts { dataset, candidates, ranker, .. } = self.parts;
        let current = self.adapter.to_safetensors(&BTreeMap::new())?;
        let adapter = Adapter::from_safetensors(&current, ranker.llama().device())?;
        let judge = self.judge(Some(&adapter));
        let judged = judge.users(dataset, Part::Valid, &candidates.valid, &self.valid, || ())?;
        let verdict = Verdict::new(&judged.users, None);
        let since = std::mem::take(&mut self.progress.since);
        let validation = RankerValidation {
            step: self.progress.step,
            loss: since.loss(),
            accuracy: since.accuracy(),
            ranker_cross_entropy: verdict.ranker.cross_entropy,
            ranker_ndcg_10: verdict.ranker.ndcg_10(),
            fused_cross_entropy: verdict.fused.cross_entropy,
            fused_ndcg_10: verdict.fused.ndcg_10(),
        };
        let best = self.progress.best.as_ref().map_or(f64::INFINITY, |best| best.fused.cross_entropy);
        if validation.fused_cross_entropy < best {
            self.best = current;
            self.progress.best_step = self.progress.step;
            self.progress.best = Some(verdict);
        }
        self.progress.curve.push(validation);
        Ok(())
    }

    /// Letters are shown in a random order, as in training: what a letter says must not hang on the retriever.
    fn judge<'j>(&'j self, adapter: Option<&'j Adapter>) -> Judge<'j> {
        let orders = match self.config.mode {
            Mode::Letters => Orders::Shuffled(1),
            Mode::Pointwise => Orders::Retriever,
        };
        Judge { ranker: self.parts.ranker, adapter, scorer: &self.scorer, orders, prior: None }
    }

    /// Validations without improvement that are still allowed.
    fn patience_left(&self) -> usize {
        let since = self.progress.curve.iter().filter(|at| at.step > self.progress.best_step).count();
        self.config.patience.saturating_sub(since)
    }

    fn save(&self, folder: &RunDir) -> anyhow::Result<()> {
        Checkpoint {
            progress: self.progress.clone(),
            model: self.adapter.to_safetensors(&BTreeMap::new())?,
            best: self.best.clone(),
            moments: self.adam.moments(),
        }
        .save(&folder.checkpoint())?;
        folder.write_weights(&self.with_note(&self.tuned_for())?)
    }

    fn tuned_for(&self) -> TunedFor {
        TunedFor {
            base: self.parts.ranker.name().to_owned(),
            base_sha256: self.parts.base_sha256.to_owned(),
            scoring: self.config.scoring(),
            fusion: self.progress.best.as_ref().map_or(Fusion::RETRIEVER, |best| best.fusion),
            step: self.progress.best_step,
            data: self.parts.dataset.name.clone(),
        }
    }

    fn with_note(&self, tuned_for: &TunedFor) -> anyhow::Result<Vec<u8>> {
        let adapter = Adapter::from_safetensors(&self.best, &Device::flex())?;
        Ok(adapter.to_safetensors(&BTreeMap::from([(TUNED_FOR, serde_json::to_string(tuned_for)?)]))?)
    }

    /// The last validation in one line. `rates` are steps, questions and tokens a second of stepping.
    fn line(&self, rates: Option<[f64; 3]>) -> String {
        let Some(last) = self.progress.curve.last() else { return String::new() };
        let rate = rates.map_or_else(String::new, |[steps, questions, tokens]| {
            let left = (self.config.steps - last.step) as f64 / steps / 60.0;
            format!(" | {questions:.2} labels/s, {tokens:.0} tokens/s, at most {left:.0} min left")
        });
        // Before the first step there is no loss.
        let taught = last.step.checked_sub(1).map_or_else(String::new, |before| {
            let chance = (Binding::at(before, self.config).candidates as f64).ln();
            format!(" loss {:.3} (chance {chance:.3}), right {:.1} %;", last.loss, 100.0 * last.accuracy)
        });
        format!(
            "step {}{taught} valid cross entropy: ranker {:.3} fused {:.4}, NDCG@10: ranker {:.4} fused {:.4}, best step {}{rate}",
            last.step,
            last.ranker_cross_entropy,
            last.fused_cross_entropy,
            last.ranker_ndcg_10,
            last.fused_ndcg_10,
            self.progress.best_step,
        )
    }

    /// How training goes since the last validation, in one line.
    fn line_between(&self) -> String {
        let (since, from) = (self.progress.since, self.progress.curve.last().map_or(0, |last| last.step));
        let (loss, right) = (since.loss(), 100.0 * since.accuracy());
        format!("step {} loss {loss:.3}, right {right:.1} % since step {from}", self.progress.step)
    }

    fn report(&self) -> anyhow::Result<RankerReport> {
        let valid = self.progress.best.clone().context("a run begins with a validation")?;
        let stopped = if self.progress.step >= self.config.steps {
            format!("all {} steps taken", self.config.steps)
        } else if self.patience_left() == 0 {
            format!("no lower fused cross entropy in {} validations", self.config.patience)
        } else {
            "out of time; go on with --resume".to_owned()
        };
        Ok(RankerReport {
            llamarec: env!("CARGO_PKG_VERSION").to_owned(),
            data: DataUsed::of(self.parts.dataset),
            candidates: self.parts.candidates.source.clone(),
            tuned_for: self.tuned_for(),
            teacher: self.progress.teacher.clone(),
            start: self.progress.start.clone(),
            training: self.config.clone(),
            parameters: self.adapter.num_params(),
            questions: self.examples.questions(),
            steps: self.progress.step,
            best_step: self.progress.best_step,
            seconds: self.progress.seconds.round(),
            stopped,
            valid,
            curve: self.progress.curve.clone(),
        })
    }
}
