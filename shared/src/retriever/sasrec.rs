//! `SASRec` (Kang & McAuley, ICDM 2018, arXiv 1808.09781): causal self-attention over the history.
//!
//! As in the original only the queries are normalised before attention, and the residual starts from them.
//! Unlike it, the inner feed-forward width is 4 · `d_model` and the loss may be the full softmax, with which
//! it is far stronger than with sampled binary cross entropy.

use burn::{
    module::Module,
    nn::{LayerNorm, LayerNormConfig, Linear},
    tensor::{Bool, Device, Tensor, activation::relu},
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
pub struct SasRec {
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
    feed_forward_norm: LayerNorm,
    inner: Linear,
    outer: Linear,
    dropout: Dropout,
}

/// Number of real parameters.
pub(super) fn parameters(config: &RetrieverConfig) -> u128 {
    let (d, inner) = (config.d_model as u128, config.d_inner() as u128);
    let block = SelfAttention::parameters(config) + 2 * d * inner + inner + d + 4 * d;
    let rows = config.vocabulary() as u128 + config.max_len as u128;
    rows * d + config.n_blocks as u128 * block + 2 * d
}

impl SasRec {
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
                    feed_forward_norm: norm(),
                    inner: init.linear(width, inner, true, device),
                    outer: init.linear(inner, width, true, device),
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
        let queries = self.attention_norm.forward(x.clone());
        let x = queries.clone() + self.dropout.forward(self.attention.forward(queries, x, hidden.clone()));
        let x = self.feed_forward_norm.forward(x);
        let y = self.outer.forward(self.dropout.forward(relu(self.inner.forward(x.clone()))));
        x + self.dropout.forward(y)
    }
}
