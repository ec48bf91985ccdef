//! `eSASRec` (Tikhonovich et al., RecSys 2025): SASRec with `LiGR` blocks (Borisyuk et al., 2025), that is
//! pre-norm attention and `SwiGLU`, each behind a gate that the block's input opens.
//!
//! Its sampled softmax serves catalogues too large for a full one; ours is the full one.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig, Linear},
    tensor::{
        Bool, Device, Tensor,
        activation::{sigmoid, silu},
    },
};

use super::{
    attention::SelfAttention,
    config::RetrieverConfig,
    embedding::{Embedding, Positions},
    init::Init,
    rows::{Rows, Sight},
};
use crate::dropout::Dropout;

/// Embedding with positions, blocks, norm; scores by the same embedding, without bias.
#[derive(Module, Debug)]
pub struct ESasRec {
    embedding: Embedding,
    positions: Positions,
    dropout: Dropout,
    blocks: Vec<Block>,
    norm: LayerNorm,
}

#[derive(Module, Debug)]
struct Block {
    attention_norm: LayerNorm,
    attention: SelfAttention,
    attention_gate: Linear,
    feed_forward_norm: LayerNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
    feed_forward_gate: Linear,
    dropout: Dropout,
}

/// Number of real parameters.
pub(super) fn parameters(config: &RetrieverConfig) -> u128 {
    let (d, inner) = (config.d_model as u128, config.d_inner() as u128);
    let gates = 2 * (d * d + d);
    let block = SelfAttention::parameters(config) + gates + 3 * d * inner + 4 * d;
    let rows = config.vocabulary() as u128 + config.max_len as u128;
    rows * d + config.n_blocks as u128 * block + 2 * d
}

impl ESasRec {
    pub(super) fn new(config: &RetrieverConfig, init: &mut Init, device: &Device) -> Self {
        let (width, inner) = (config.d_model, config.d_inner());
        let norm = || LayerNormConfig::new(width).init(device);
        let dropout = || Dropout::new(config.dropout);
        Self {
            embedding: Embedding::new(config.vocabulary(), width, init, device),
            positions: Positions::new(config.max_len, width, init, device),
            dropout: dropout(),
            blocks: (0..config.n_blocks)
                .map(|_| Block {
                    attention_norm: norm(),
                    attention: SelfAttention::new(config, init, device),
                    attention_gate: init.linear(width, width, true, device),
                    feed_forward_norm: norm(),
                    gate: init.linear(width, inner, false, device),
                    up: init.linear(width, inner, false, device),
                    down: init.linear(inner, width, false, device),
                    feed_forward_gate: init.linear(width, width, true, device),
                    dropout: dropout(),
                })
                .collect(),
            norm: norm(),
        }
    }

    /// Hidden states: `[rows, row_len, d_model]`.
    pub(super) fn forward(&self, rows: &Rows) -> Tensor<3> {
        let device = self.embedding.device();
        let hidden = rows.hidden(Sight::Causal, &device);
        let x = self.embedding.forward(rows.ids(&device)) + self.positions.forward(rows.positions(&device));
        let x = self.blocks.iter().fold(self.dropout.forward(x), |x, block| block.forward(x, &hidden));
        self.norm.forward(x)
    }

    /// The tied embedding: `[vocabulary, d_model]`; there is no score bias.
    pub(super) fn output_layer(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.embedding.table.val(), None)
    }
}

impl Block {
    /// # Shapes
    /// - x, output: `[rows, length, d_model]`; hidden: `[rows, length, length]`
    fn forward(&self, x: Tensor<3>, hidden: &Tensor<3, Bool>) -> Tensor<3> {
        let normed = self.attention_norm.forward(x.clone());
        let attended = self.attention.forward(normed.clone(), normed, hidden.clone());
        let gate = sigmoid(self.attention_gate.forward(x.clone()));
        let x = x + self.dropout.forward(attended * gate);

        let normed = self.feed_forward_norm.forward(x.clone());
        let inner = silu(self.gate.forward(normed.clone())) * self.up.forward(normed);
        let gate = sigmoid(self.feed_forward_gate.forward(x.clone()));
        x + self.dropout.forward(self.down.forward(self.dropout.forward(inner)) * gate)
    }
}
