//! Multi-head self-attention over packed rows (Vaswani et al., NeurIPS 2017, section 3.2).

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Bool, Device, Tensor, activation::softmax},
};

use super::{config::RetrieverConfig, init::Init};
use crate::dropout::Dropout;

/// Low enough to vanish in a softmax, high enough to stay finite in it.
const HIDDEN: f32 = -1e9;

/// Attention with `n_heads` heads of `d_model / n_heads` channels; dropout on its weights.
#[derive(Module, Debug)]
pub struct SelfAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    dropout: Dropout,
    n_heads: usize,
}

impl SelfAttention {
    /// Small random weights.
    pub(super) fn new(config: &RetrieverConfig, init: &mut Init, device: &Device) -> Self {
        let mut square = || init.linear(config.d_model, config.d_model, true, device);
        Self {
            query: square(),
            key: square(),
            value: square(),
            output: square(),
            dropout: Dropout::new(config.attn_dropout),
            n_heads: config.n_heads,
        }
    }

    /// Number of real parameters.
    pub(super) fn parameters(config: &RetrieverConfig) -> u128 {
        let d = config.d_model as u128;
        4 * (d * d + d)
    }

    /// # Shapes
    /// - queries, x (keys and values), output: `[rows, length, d_model]`
    /// - hidden: `[rows, length (queries), length (keys)]`, true where a key is not seen
    pub(super) fn forward(&self, queries: Tensor<3>, x: Tensor<3>, hidden: Tensor<3, Bool>) -> Tensor<3> {
        let [rows, length, d_model] = x.dims();
        let d_head = d_model / self.n_heads;
        // [rows, n_heads, length, d_head]
        let heads = |x: Tensor<3>| x.reshape([rows, length, self.n_heads, d_head]).swap_dims(1, 2);
        let q = heads(self.query.forward(queries)) / (d_head as f32).sqrt();
        let k = heads(self.key.forward(x.clone()));
        let v = heads(self.value.forward(x));
        let hidden = hidden.unsqueeze_dim::<4>(1).expand([rows, self.n_heads, length, length]);
        let weights = softmax(q.matmul(k.transpose()).mask_fill(hidden, HIDDEN), 3);
        let y = self.dropout.forward(weights).matmul(v).swap_dims(1, 2);
        self.output.forward(y.reshape([rows, length, d_model]))
    }
}
