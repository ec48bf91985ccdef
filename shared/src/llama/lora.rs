//! Low-rank adaptation (Hu et al., arXiv 2106.09685) of the query and value projections: small trained
//! matrices beside frozen, quantized ones (QLoRA, arXiv 2305.14314). They are never merged.

use std::collections::BTreeMap;

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tracing::trace_span;

use super::config::LlamaConfig;
#[cfg(all(any(feature = "wgpu", feature = "cuda"), feature = "train"))]
use crate::quant::is_cpu;
use crate::{
    dropout::Dropout,
    metrics::SplitMix64,
    quant::{plus_times_transposed, times_transposed},
    weights::module_file,
};

/// Metadata key of the config.
const CONFIG_KEY: &str = "adapter";
/// `Adapter` is not part of tensor names.
const WRAPPERS: usize = 0;

/// Sizes of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterConfig {
    /// Inner width.
    pub rank: usize,
    /// The correction is scaled by alpha / rank.
    pub alpha: f64,
    /// Share of the inputs dropped in training.
    pub dropout: f64,
    /// Blocks of the model.
    pub n_layers: usize,
    /// Adapted blocks, counted from the top.
    pub top: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of all query heads.
    pub d_q: usize,
    /// Width of all key heads.
    pub d_kv: usize,
}

/// Why there is no adapter.
#[derive(Debug, Error, PartialEq)]
pub enum AdapterError {
    /// Sizes that make none.
    #[error("impossible adapter: {0}")]
    Config(String),
    /// A file that holds none.
    #[error("unusable adapter: {0}")]
    Weights(String),
    /// An adapter of another base model.
    #[error("the adapter is for a model of {found}, this one has {expected}")]
    OtherBase {
        /// The adapter's sizes.
        found: String,
        /// The model's.
        expected: String,
    },
}

/// A correction `scale * B A x` of a frozen product `W x`.
#[derive(Module, Debug)]
pub struct Lora {
    /// `[rank, d_in]`
    a: Param<Tensor<2>>,
    /// `[d_out, rank]`
    b: Param<Tensor<2>>,
    dropout: Dropout,
    scale: f64,
}

/// The corrections of one block.
#[derive(Module, Debug)]
pub struct BlockAdapter {
    /// Of the query projection.
    pub q: Lora,
    /// Of the value projection.
    pub v: Lora,
}

/// The corrections of a model's top blocks.
#[derive(Module, Debug)]
pub struct Adapter {
    blocks: Vec<BlockAdapter>,
    #[module(skip)]
    config: AdapterConfig,
}

impl AdapterConfig {
    /// For the top `top` blocks of a model.
    pub fn new(model: &LlamaConfig, top: usize, rank: usize, alpha: f64, dropout: f64) -> Self {
        let (d_q, d_kv) = (model.n_heads * model.d_head, model.n_kv_heads * model.d_head);
        Self { rank, alpha, dropout, n_layers: model.n_layers, top, d_model: model.d_model, d_q, d_kv }
    }

    fn checked(self) -> Result<Self, AdapterError> {
        let wrong = |message: String| Err(AdapterError::Config(message));
        if self.rank == 0 || self.rank > self.d_model.min(self.d_kv) {
            return wrong(format!("rank {}, must be 1 to {}", self.rank, self.d_model.min(self.d_kv)));
        }
        if self.top == 0 || self.top > self.n_layers {
            return wrong(format!("{} adapted blocks, the model has {}", self.top, self.n_layers));
        }
        if !(0.0..1.0).contains(&self.dropout) || !self.alpha.is_finite() {
            return wrong(format!("dropout {} and alpha {}", self.dropout, self.alpha));
        }
        Ok(self)
    }

    fn parameters(self) -> u128 {
        let [rank, top, d_model, d_q, d_kv] =
            [self.rank, self.top, self.d_model, self.d_q, self.d_kv].map(|size| size as u128);
        top * rank * (2 * d_model + d_q + d_kv)
    }
}

impl Lora {
    /// A uniform as `nn.Linear` starts in PyTorch (peft's start), B zero: the correction starts at 0.
    fn new(
        d_in: usize,
        d_out: usize,
        config: &AdapterConfig,
        random: &mut SplitMix64,
        device: &Device,
    ) -> Self {
        let bound = (d_in as f64).sqrt().recip();
        let a = (0..config.rank * d_in).map(|_| ((2.0 * random.unit() - 1.0) * bound) as f32).collect();
        Self {
            a: Param::from_data(TensorData::new::<f32, _>(a, [config.rank, d_in]), device),
            b: Param::from_data(TensorData::zeros::<f32, _>([d_out, config.rank]), device),
            dropout: Dropout::new(config.dropout),
            scale: config.alpha / config.rank as f64,
        }
    }

    /// What the frozen product made of `x [tokens, d_in]`, `y [tokens, d_out]`, with the correction.
    pub fn correct(&self, y: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        let _part = trace_span!("adapter").entered();
        #[cfg(all(any(feature = "wgpu", feature = "cuda"), feature = "train"))]
        if x.device().is_autodiff() && !is_cpu(&x.device()) {
            let correction = super::lora_gpu::Correction { scale: self.scale, kept: self.dropout.kept(&x) };
            return super::sum::sum(y, crate::gpu::apply(correction, [x, self.a.val(), self.b.val()]));
        }
        let x = self.dropout.forward(x);
        let narrow = times_transposed(x, self.a.val()); // [tokens, rank]
        plus_times_transposed(y, narrow, self.b.val(), self.scale)
    }
}

impl Adapter {
    /// An adapter that corrects nothing yet. The same seed gives the same weights everywhere.
    ///
    /// # Errors
    /// Sizes that make none.
    pub fn new(config: AdapterConfig, seed: u64, device: &Device) -> Result<Self, AdapterError> {
        let config = config.checked()?;
        let mut random = SplitMix64::new(seed);
        let mut lora = |d_out| Lora::new(config.d_model, d_out, &config, &mut random, device);
        let blocks =
            (0..config.top).map(|_| BlockAdapter { q: lora(config.d_q), v: lora(config.d_kv) }).collect();
        Ok(Self { blocks, config })
    }

    /// The same with dropout that this seed alone decides, whatever else draws from the device at the time.
    #[cfg(feature = "train")]
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        for block in &mut self.blocks {
            block.q.dropout.seed(random.next());
            block.v.dropout.seed(random.next());
        }
        self
    }

    /// Its sizes.
    pub fn config(&self) -> &AdapterConfig {
        &self.config
    }

    /// Refuses a model of other sizes.
    ///
    /// # Errors
    /// Both sizes.
    pub fn check(&self, model: &LlamaConfig) -> Result<(), AdapterError> {
        let AdapterConfig { rank, alpha, dropout, top, .. } = self.config;
        let expected = AdapterConfig::new(model, top, rank, alpha, dropout);
        let sizes = |config: &AdapterConfig| {
            format!(
                "{} blocks of width {}, queries {}, keys {}",
                config.n_layers, config.d_model, config.d_q, config.d_kv
            )
        };
        if expected == self.config {
            return Ok(());
        }
        Err(AdapterError::OtherBase { found: sizes(&self.config), expected: sizes(&expected) })
    }

    /// The corrections of block `n` of the model, if it has some.
    pub fn block(&self, n: usize) -> Option<&BlockAdapter> {
        self.blocks.get(n.checked_sub(self.first_block())?)
    }

    /// The lowest block with corrections.
    pub fn first_block(&self) -> usize {
        self.config.n_layers - self.config.top
    }

    /// Where it lies.
    pub fn device(&self) -> Device {
        self.blocks[0].q.a.val().device()
    }

    /// Writes the weights, the sizes and `metadata`.
    ///
    /// # Errors
    /// A device that fails.
    pub fn to_safetensors(&self, metadata: &BTreeMap<&str, String>) -> Result<Vec<u8>, AdapterError> {
        let config =
            serde_json::to_string(&self.config).map_err(|error| AdapterError::Weights(error.to_string()))?;
        let mut metadata = metadata.clone();
        metadata.insert(CONFIG_KEY, config);
        module_file::to_safetensors(self, WRAPPERS, &metadata).map_err(AdapterError::Weights)
    }

    /// Reads what [`Self::to_safetensors`] wrote.
    ///
    /// # Errors
    /// A file that holds no adapter, or not the tensors that its sizes ask for.
    pub fn from_safetensors(bytes: &[u8], device: &Device) -> Result<Self, AdapterError> {
        let wrong = AdapterError::Weights;
        let config = module_file::metadata(bytes, CONFIG_KEY).map_err(wrong)?.ok_or_else(|| {
            wrong(format!("the file has no {CONFIG_KEY} in its metadata, so it is no adapter"))
        })?;
        let config: AdapterConfig = serde_json::from_str(&config)
            .map_err(|error| wrong(format!("the config is not understood: {error}")))?;
        // Before anything of that size is made.
        module_file::check_size(bytes, config.checked()?.parameters()).map_err(wrong)?;
        module_file::from_safetensors(Self::new(config, 0, device)?, WRAPPERS, bytes).map_err(wrong)
    }
}
