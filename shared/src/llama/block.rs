//! One Llama block: attention, then a gated MLP (SwiGLU, Shazeer, arXiv 2002.05202), both with a
//! pre-norm and a residual.

use burn::tensor::{Device, Tensor};

use super::{
    attention::Attention, config::LlamaConfig, kv_cache::Known, lora::BlockAdapter, norm::RmsNorm,
    pass::Pass, sum::plus_product, swiglu::gated,
};
use crate::{
    quant::{Input, Linear},
    weights::{TensorSource, WeightError, names::Names},
};

/// One block.
#[derive(Clone)]
pub struct Block {
    attn_norm: RmsNorm,
    attention: Attention,
    mlp_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
}

impl Block {
    /// Loads block `n`.
    pub fn load(
        source: &dyn TensorSource,
        names: &Names,
        n: usize,
        config: &LlamaConfig,
        device: &Device,
    ) -> Result<Self, WeightError> {
        let norm = |name| {
            let gain = source.shaped(&names.in_block(n, name), [1, config.d_model])?;
            Ok(RmsNorm::load(&gain, config.norm_eps, device))
        };
        let linear = |name, d_out, d_in| {
            let weight = source.shaped(&names.in_block(n, name), [d_out, d_in])?;
            Ok(Linear::load(weight, device))
        };
        Ok(Self {
            attn_norm: norm(names.attn_norm)?,
            attention: Attention::load(source, names, n, config, device)?,
            mlp_norm: norm(names.mlp_norm)?,
            gate: linear(names.gate, config.d_ff, config.d_model)?,
            up: linear(names.up, config.d_ff, config.d_model)?,
            down: linear(names.down, config.d_model, config.d_ff)?,
        })
    }

    /// `[tokens, d_model]` to `[asking, d_model]`: the asking rows' new states.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        pass: &Pass,
        lora: Option<&BlockAdapter>,
        known: Option<Known<'_>>,
    ) -> Tensor<2> {
        let normed = self.attn_norm.forward(x.clone());
        let x = self.attention.forward(normed, pass.ask(x), pass, lora, known);

        let h = Input::of(self.mlp_norm.forward(x.clone()));
        let h = gated(&self.up, &h, self.gate.read(&h));
        plus_product(x, &self.down, &h)
    }
}
