//! `BERT4Rec` (Sun et al., CIKM 2019, arXiv 1904.06690): bidirectional attention that fills in masked items.
//! To recommend, a mask is put behind the history.

use burn::{
    module::{Module, Param},
    nn::{LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Tensor, activation::gelu},
};

use super::{
    attention::SelfAttention,
    config::RetrieverConfig,
    embedding::{Embedding, Positions},
    feed_forward::FeedForward,
    init::Init,
    rows::{Rows, Sight},
};
use crate::dropout::Dropout;

/// Embedding with positions, post-norm blocks, head; scores by the same embedding and a bias.
#[derive(Module, Debug)]
pub struct Bert4Rec {
    /// One row more than there are scores: the last is the mask.
    embedding: Embedding,
    positions: Positions,
    score_bias: Param<Tensor<1>>,
    norm: LayerNorm,
    dropout: Dropout,
    blocks: Vec<Block>,
    head: Linear,
}

#[derive(Module, Debug)]
struct Block {
    attention: SelfAttention,
    dropout: Dropout,
    norm: LayerNorm,
    feed_forward: FeedForward,
}

/// Number of real parameters.
pub(super) fn parameters(config: &RetrieverConfig) -> u128 {
    let (d, inner) = (config.d_model as u128, config.d_inner() as u128);
    let vocabulary = config.vocabulary() as u128;
    let block = SelfAttention::parameters(config) + 2 * d * inner + inner + d + 4 * d;
    let rows = vocabulary + 1 + config.max_len as u128;
    rows * d + vocabulary + 2 * d + config.n_blocks as u128 * block + d * d + d
}

/// The id of the mask: the one behind the last item.
pub(super) fn mask(config: &RetrieverConfig) -> i32 {
    config.vocabulary() as i32
}

impl Bert4Rec {
    pub(super) fn new(config: &RetrieverConfig, init: &mut Init, device: &Device) -> Self {
        let width = config.d_model;
        let dropout = || Dropout::new(config.dropout);
        Self {
            embedding: Embedding::new(config.vocabulary() + 1, width, init, device),
            positions: Positions::new(config.max_len, width, init, device),
            score_bias: init.param([config.vocabulary()], device),
            norm: LayerNormConfig::new(width).init(device),
            dropout: dropout(),
            blocks: (0..config.n_blocks)
                .map(|_| Block {
                    attention: SelfAttention::new(config, init, device),
                    dropout: dropout(),
                    norm: LayerNormConfig::new(width).init(device),
                    feed_forward: FeedForward::new(config, init, device),
                })
                .collect(),
            head: init.linear(width, width, true, device),
        }
    }

    /// Hidden states: `[rows, row_len, d_model]`.
    pub(super) fn forward(&self, rows: &Rows) -> Tensor<3> {
        let device = self.embedding.device();
        let hidden = rows.hidden(Sight::Both, &device);
        let x = self.embedding.forward(rows.ids(&device)) + self.positions.forward(rows.positions(&device));
        let x = self.blocks.iter().fold(self.dropout.forward(self.norm.forward(x)), |x, block| {
            let attended = block.attention.forward(x.clone(), x.clone(), hidden.clone());
            block.feed_forward.forward(block.norm.forward(x + block.dropout.forward(attended)))
        });
        gelu(self.head.forward(x))
    }

    /// The tied embedding without the mask, `[vocabulary, d_model]`, and the score bias, `[vocabulary]`.
    pub(super) fn output_layer(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        let table = self.embedding.table.val();
        let rows = table.dims()[0] - 1;
        (table.narrow(0, 0, rows), Some(self.score_bias.val()))
    }
}
