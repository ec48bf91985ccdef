//! The settings of a training run.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use shared::retriever::{Architecture, RetrieverConfig};

use crate::{recipe, report::UserError};

/// Numbers that a model may have; with gradients and moments four times as many are held.
const MOST_PARAMETERS: u128 = 1 << 31;

/// Settings of a run. The defaults are the reference's for MovieLens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Which network.
    pub model: Architecture,
    /// Width of embeddings and blocks.
    pub d_model: usize,
    /// Number of blocks.
    pub n_blocks: usize,
    /// Attention heads, for the networks that have some.
    pub n_heads: usize,
    /// What a step minimises.
    pub loss: Loss,
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

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            model: Architecture::LruRec,
            d_model: 64,
            n_blocks: 2,
            n_heads: 2,
            loss: Loss::Ce,
            dropout: 0.2,
            weight_decay: 0.01,
            batch_size: 16,
            max_len: 200,
            learning_rate: 1e-3,
            clip_norm: 5.0,
            steps: 10_000,
            validate_every: 250,
            patience: 20,
            seed: 42,
        }
    }
}

/// What a step minimises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// Cross entropy of the softmax over the whole catalogue
    #[default]
    Ce,
    /// Binary cross entropy against one random negative a label, as in the paper of `SASRec`
    Bce,
}

/// Settings that say where a run ends: it can go on to another end.
pub const ENDS: [&str; 2] = ["steps", "patience"];

impl TrainConfig {
    /// Refuses settings that cannot train.
    pub fn validate(&self) -> Result<(), UserError> {
        let counts = [
            ("--d-model", self.d_model),
            ("--n-blocks", self.n_blocks),
            ("--n-heads", self.n_heads),
            ("--batch-size", self.batch_size),
            ("--max-len", self.max_len),
            ("--steps", self.steps),
            ("--validate-every", self.validate_every),
            ("--patience", self.patience),
        ];
        refuse_zeros(&counts)?;
        if self.loss == Loss::Bce && self.model.is_masked() {
            let message = format!("{} has no binary loss: it fills in masks", self.model);
            return Err(UserError::usage(message).hint("leave --loss out, or train another --model"));
        }
        let rates = [
            ("--dropout", self.dropout, (0.0..1.0).contains(&self.dropout)),
            ("--weight-decay", self.weight_decay, self.weight_decay >= 0.0 && self.weight_decay.is_finite()),
            (
                "--learning-rate",
                self.learning_rate,
                self.learning_rate > 0.0 && self.learning_rate.is_finite(),
            ),
            ("--clip-norm", self.clip_norm, self.clip_norm > 0.0 && self.clip_norm.is_finite()),
        ];
        if let Some((name, value, _)) = rates.into_iter().find(|&(_, _, good)| !good) {
            return Err(UserError::usage(format!("{name} {value} cannot train"))
                .hint("dropout is 0 to below 1, the decay 0 or more, learning rate and clip norm above 0 and finite"));
        }
        // Sizes no model can have; the number of items does not matter here.
        self.retriever(1).validate().map_err(|error| {
            UserError::usage(error.to_string()).hint("give smaller sizes, and heads that divide --d-model")
        })
    }

    /// Refuses a model that no machine would hold.
    ///
    /// # Errors
    /// More than [`MOST_PARAMETERS`], with their number.
    pub fn check_size(&self, num_items: usize) -> Result<(), UserError> {
        let parameters = self.retriever(num_items).parameters();
        if parameters <= MOST_PARAMETERS {
            return Ok(());
        }
        Err(UserError::usage(format!("the model would have {parameters} parameters")).hint(
            "give a smaller --max-len (it is a table in networks with attention), --d-model or --n-blocks",
        ))
    }

    /// The model that is trained, for a catalogue of so many items.
    pub fn retriever(&self, num_items: usize) -> RetrieverConfig {
        RetrieverConfig {
            architecture: self.model,
            num_items,
            d_model: self.d_model,
            n_blocks: self.n_blocks,
            n_heads: self.n_heads,
            max_len: self.max_len,
            dropout: self.dropout,
            attn_dropout: self.dropout,
        }
    }

    /// The first setting in which `other` is another, as `key = value`. Those that are `free` may differ: [`ENDS`] where a run
    /// goes on.
    pub(crate) fn difference(&self, other: &Self, free: &[&str]) -> Option<String> {
        let (key, mine, other) = recipe::difference(self, other, free)?;
        Some(format!("{key} = {other}, not {mine}"))
    }
}

/// Refuses a count of 0 by its option's name.
pub(super) fn refuse_zeros(counts: &[(&str, usize)]) -> Result<(), UserError> {
    match counts.iter().find(|(_, value)| *value == 0) {
        Some((name, _)) => Err(UserError::usage(format!("{name} is 0")).hint("give 1 or more")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_run_may_change() {
        let config = TrainConfig::default();
        assert_eq!(config.difference(&TrainConfig { steps: 9, patience: 3, ..config.clone() }, &ENDS), None);
        let shorter = TrainConfig { steps: 9, ..config.clone() };
        assert_eq!(config.difference(&shorter, &[]).as_deref(), Some("steps = 9, not 10000"));
        let difference = config.difference(&TrainConfig { seed: 9, ..config.clone() }, &ENDS);
        assert_eq!(difference.as_deref(), Some("seed = 9, not 42"));
    }

    #[test]
    fn settings_written_before_there_was_a_choice_of_model_are_read() {
        let old = r#"{"dropout": 0.5, "weight_decay": 0.01, "batch_size": 16, "max_len": 200,
            "learning_rate": 0.001, "clip_norm": 5.0, "steps": 4000, "validate_every": 250,
            "patience": 8, "seed": 42}"#;
        let config: TrainConfig = serde_json::from_str(old).expect("known keys");
        assert_eq!((config.model, config.d_model, config.dropout), (Architecture::LruRec, 64, 0.5));
    }

    #[test]
    fn models_too_large_for_any_machine_are_refused() {
        let long = TrainConfig { max_len: 100_000_000, ..TrainConfig::default() };
        long.check_size(3000).expect("LRURec has no table of positions");
        let error =
            TrainConfig { model: Architecture::SasRec, ..long }.check_size(3000).expect_err("a table");
        assert!(error.to_string().starts_with("the model would have 64002"), "{error}");
    }
}
