//! A fine-tuned ranker: the base model with an adapter, asked in the way the adapter was tuned for.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    fusion::Fusion,
    llama::{Adapter, AdapterError, Memory},
    ranker::Ranker,
    scoring::{PointwiseError, Scorer, ScoringConfig},
    weights::module_file,
};

/// Metadata key of [`TunedFor`] in an adapter's file.
pub const TUNED_FOR: &str = "tuned_for";

/// What an adapter was tuned for; it travels in the adapter's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TunedFor {
    /// Name of the base model.
    pub base: String,
    /// SHA-256 of its file.
    pub base_sha256: String,
    /// How it is asked.
    #[serde(alias = "pointwise")]
    pub scoring: ScoringConfig,
    /// Weights of the stages, fitted on validation users.
    pub fusion: Fusion,
    /// Steps that made it.
    pub step: usize,
    /// Name of the data.
    pub data: String,
}

impl TunedFor {
    /// What the adapter in this file was tuned for.
    ///
    /// # Errors
    /// A file that does not say.
    pub fn of(adapter: &[u8]) -> Result<Self, TunedError> {
        let note = module_file::metadata(adapter, TUNED_FOR).map_err(TunedError::Unknown)?;
        let note = note.ok_or_else(|| TunedError::Unknown(format!("no {TUNED_FOR} in its metadata")))?;
        serde_json::from_str(&note).map_err(|error| TunedError::Unknown(error.to_string()))
    }

    /// Name for people.
    pub fn name(&self) -> String {
        format!("{}, step {}", self.data, self.step)
    }
}

/// An adapter ready for use.
pub struct Tuned {
    /// The corrections.
    pub adapter: Adapter,
    /// How candidates are asked about.
    pub scorer: Scorer,
    /// What it was tuned for.
    pub tuned_for: TunedFor,
    /// What the model read last with it.
    pub memory: Memory,
}

/// Why an adapter cannot be used.
#[derive(Debug, Error)]
pub enum TunedError {
    /// The weights cannot be used, or belong to another model.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The tokenizer cannot answer.
    #[error(transparent)]
    Pointwise(#[from] PointwiseError),
    /// The sizes fit, but the weights are others.
    #[error("it was tuned on another base model, {0}")]
    OtherBase(String),
    /// The file does not say what it was tuned for.
    #[error("the file does not say what it was tuned for: {0}")]
    Unknown(String),
}

impl Tuned {
    /// Reads an adapter's file for a base model, whose file has this SHA-256.
    ///
    /// # Errors
    /// A file that is no adapter, or one of another model.
    pub fn load(bytes: &[u8], base: &Ranker, base_sha256: &str) -> Result<Self, TunedError> {
        let adapter = Adapter::from_safetensors(bytes, base.llama().device())?;
        adapter.check(base.llama().config())?;
        let tuned_for = TunedFor::of(bytes)?;
        if tuned_for.base_sha256 != base_sha256 {
            return Err(TunedError::OtherBase(tuned_for.base));
        }
        let scorer = Scorer::new(base.tokens(), base.verbalizer(), tuned_for.scoring)?;
        Ok(Self { adapter, scorer, tuned_for, memory: Memory::default() })
    }
}
