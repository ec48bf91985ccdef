//! Weights as one safetensors file: tensors by module path, the config as JSON in the metadata.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{Architecture, Retriever, RetrieverConfig, RetrieverError};
use crate::weights::module_file;

/// Metadata key of the architecture's name.
const MODEL_KEY: &str = "model";
/// Metadata key of the config.
const CONFIG_KEY: &str = "config";
/// `Retriever` and `Network`, which tensor names leave out.
const WRAPPERS: usize = 2;

impl Retriever {
    /// Reads a model that [`Self::to_safetensors`] wrote.
    ///
    /// The tensors must be exactly those of the config, so a wrong config cannot claim more memory than
    /// the file has.
    pub fn from_safetensors(bytes: &[u8], device: &Device) -> Result<Self, RetrieverError> {
        let config = read_config(bytes)?;
        // Before anything of that size is made.
        module_file::check_size(bytes, config.parameters()).map_err(RetrieverError::Weights)?;
        module_file::from_safetensors(Self::new(config, 0, device)?, WRAPPERS, bytes)
            .map_err(RetrieverError::Weights)
    }

    /// Writes all weights as f32 and the config.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, RetrieverError> {
        let config = serde_json::to_string(self.config())
            .map_err(|error| RetrieverError::Weights(format!("cannot write the config: {error}")))?;
        let model = self.config().architecture.name().to_owned();
        let metadata = BTreeMap::from([(MODEL_KEY, model), (CONFIG_KEY, config)]);
        module_file::to_safetensors(self, WRAPPERS, &metadata).map_err(RetrieverError::Weights)
    }
}

fn read_config(bytes: &[u8]) -> Result<RetrieverConfig, RetrieverError> {
    let entry = |key: &str| {
        module_file::metadata(bytes, key).map_err(RetrieverError::Weights)?.ok_or_else(|| {
            RetrieverError::Weights(format!("the file has no {key} in its metadata, so it is no retriever"))
        })
    };
    let architecture: Architecture = entry(MODEL_KEY)?.parse().map_err(RetrieverError::Weights)?;
    let config: RetrieverConfig = serde_json::from_str(&entry(CONFIG_KEY)?)
        .map_err(|error| RetrieverError::Weights(format!("the config is not understood: {error}")))?;
    if config.architecture != architecture {
        return Err(RetrieverError::Weights(format!(
            "the model is {architecture}, its config is {}'s",
            config.architecture
        )));
    }
    config.validate()?;
    Ok(config)
}
