//! The position-wise feed-forward part of a block.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Tensor, activation::gelu},
};

use super::{config::RetrieverConfig, init::Init};
use crate::dropout::Dropout;

/// `LayerNorm(Dropout(W2 · Dropout(GELU(W1 x + b1)) + b2) + x)`, inner width 4 · `d_model`, exact GELU.
///
/// The paper's formula applies GELU twice; like the reference, this applies it once.
#[derive(Module, Debug)]
pub struct FeedForward {
    inner: Linear,
    outer: Linear,
    dropout: Dropout,
    norm: LayerNorm,
}

impl FeedForward {
    /// Small random weights.
    pub(super) fn new(config: &RetrieverConfig, init: &mut Init, device: &Device) -> Self {
        let (width, inner) = (config.d_model, config.d_inner());
        Self {
            inner: init.linear(width, inner, true, device),
            outer: init.linear(inner, width, true, device),
            dropout: Dropout::new(config.dropout),
            norm: LayerNormConfig::new(width).init(device),
        }
    }

    /// # Shapes
    /// - x, output: `[batch, length, d_model]`
    pub(super) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let hidden = self.dropout.forward(gelu(self.inner.forward(x.clone())));
        let y = self.dropout.forward(self.outer.forward(hidden));
        self.norm.forward(y + x)
    }
}
