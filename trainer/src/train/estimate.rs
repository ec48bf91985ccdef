//! What a run would cost, before it starts.

use std::fmt;

use serde::Serialize;

use super::{TrainConfig, training_windows};
use crate::data::Dataset;

/// Sizes of a run; the arithmetic is counted, the time is not promised.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Windows of an epoch.
    pub windows: usize,
    /// Labels of an epoch.
    pub labels: usize,
    /// Steps of an epoch.
    pub steps_an_epoch: usize,
    /// Epochs at most.
    pub epochs: f64,
    /// Real numbers in the model.
    pub parameters: u64,
    /// Bytes of a checkpoint: current and best weights, two moments.
    pub checkpoint_bytes: u64,
    /// Floating-point operations of a step: scores of the whole catalogue, and the network.
    pub gflop_a_step: f64,
    /// The same for all steps.
    pub tflop: f64,
}

impl Estimate {
    /// Counts a run's work.
    pub fn new(config: &TrainConfig, dataset: &Dataset) -> Self {
        let users = 0..dataset.sequences.len();
        let windows = training_windows(users.map(|user| dataset.split(user).train), config.max_len);
        let labels: usize = windows.iter().map(|window| window.labels.len()).sum();
        let model = config.retriever(dataset.catalog.len());
        let parameters = model.parameters();
        let steps_an_epoch = windows.len().div_ceil(config.batch_size).max(1);
        // Each number of the network is used once a label; two operations each, backward twice as many.
        let labels_a_step = labels as f64 / steps_an_epoch as f64;
        let flop = 6.0 * labels_a_step * parameters as f64;
        Self {
            windows: windows.len(),
            labels,
            steps_an_epoch,
            epochs: config.steps as f64 / steps_an_epoch as f64,
            parameters: parameters as u64,
            checkpoint_bytes: (4 * 4 * parameters) as u64,
            gflop_a_step: flop / 1e9,
            tflop: flop / 1e12 * config.steps as f64,
        }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} windows with {} labels, {} steps an epoch",
            self.windows, self.labels, self.steps_an_epoch
        )?;
        writeln!(f, "at most {:.1} epochs", self.epochs)?;
        writeln!(
            f,
            "{} parameters, checkpoint {:.1} MB",
            self.parameters,
            self.checkpoint_bytes as f64 / 1e6
        )?;
        write!(
            f,
            "{:.1} GFLOP a step, {:.1} TFLOP in all: {:.0} min on a core of 50 GFLOP/s, if no patience ends it",
            self.gflop_a_step,
            self.tflop,
            self.tflop * 1e3 / 50.0 / 60.0
        )
    }
}
