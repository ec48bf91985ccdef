//! LRURec (Yue et al., WSDM 2024, arXiv 2310.02367): a sequential recommender whose blocks are linear
//! recurrences, so that a whole history is read in parallel and one more item costs O(1).

use burn::{
    module::{Module, Param},
    nn::{LayerNorm, LayerNormConfig},
    tensor::{Device, Int, Tensor, TensorData},
};

use super::{
    RetrieverError, complex::Complex, config::RetrieverConfig, feed_forward::FeedForward, init::Init,
    lru::Lru, model::known, rows::Rows, scan::Scan,
};
use crate::catalog::ItemId;
use crate::dropout::Dropout;

/// The model: embedding, blocks, and scores by the same embedding.
#[derive(Module, Debug)]
pub struct LruRec {
    /// Row of each item, row 0 for padding: `[vocabulary, d_model]`. Also the output layer (tied).
    embedding: Param<Tensor<2>>,
    /// Added to each item's score: `[vocabulary]`.
    score_bias: Param<Tensor<1>>,
    dropout: Dropout,
    norm: LayerNorm,
    blocks: Vec<Block>,
}

/// One block: look back, then think.
#[derive(Module, Debug)]
struct Block {
    lru: Lru,
    feed_forward: FeedForward,
}

/// What an [`LruRec`] keeps of the items read so far: one state a block.
#[derive(Clone, Debug)]
pub struct StreamState {
    blocks: Vec<Option<Complex<3>>>,
}

/// Number of real parameters.
pub(super) fn parameters(config: &RetrieverConfig) -> u128 {
    let (d, vocabulary) = (config.d_model as u128, config.vocabulary() as u128);
    // Recurrent unit: four d x 2d matrices, two 2d and one d bias, three rings of 2d, norm 2d.
    let unit = 8 * d * d + 13 * d;
    // Feed-forward: two d x 4d matrices, biases 4d and d, norm 2d.
    let feed_forward = 8 * d * d + 7 * d;
    vocabulary * (d + 1) + 2 * d + config.n_blocks as u128 * (unit + feed_forward)
}

impl LruRec {
    pub(super) fn new(config: &RetrieverConfig, init: &mut Init, device: &Device) -> Self {
        Self {
            embedding: init.param([config.vocabulary(), config.d_model], device),
            score_bias: init.param([config.vocabulary()], device),
            dropout: Dropout::new(config.dropout),
            norm: LayerNormConfig::new(config.d_model).init(device),
            blocks: (0..config.n_blocks)
                .map(|_| Block {
                    lru: Lru::new(config, init, device),
                    feed_forward: FeedForward::new(config, init, device),
                })
                .collect(),
        }
    }

    /// The tied embedding, `[vocabulary, d_model]`, and the score bias, `[vocabulary]`.
    pub(super) fn output_layer(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.embedding.val(), Some(self.score_bias.val()))
    }

    /// Hidden states, `[rows, row_len, d_model]`; the state starts anew after a padding.
    pub fn forward(&self, rows: &Rows, scan: Scan) -> Tensor<3> {
        let ids = rows.ids(&self.embedding.device());
        self.blocks
            .iter()
            .fold(self.embed(ids), |x, block| block.feed_forward.forward(block.lru.forward(x, rows, scan)))
    }

    /// The state before the first item.
    pub fn stream(&self) -> StreamState {
        StreamState { blocks: vec![None; self.blocks.len()] }
    }

    /// Reads one more item in time and memory that do not depend on how many came before.
    ///
    /// Equal to [`Self::forward`] as long as the history fits `max_len`; beyond, a stream still remembers
    /// what the window has forgotten. Gives the hidden state, `[1, d_model]`.
    ///
    /// # Errors
    /// An item the model does not know.
    pub fn push(&self, item: ItemId, state: &mut StreamState) -> Result<Tensor<2>, RetrieverError> {
        let id = known(item, self.embedding.dims()[0] - 1)?;
        let ids = Tensor::from_data(TensorData::new(vec![id], [1, 1]), &self.embedding.device());
        let x =
            self.blocks.iter().zip(&mut state.blocks).fold(self.embed(ids), |x, (block, state)| {
                block.feed_forward.forward(block.lru.step(x, state))
            });
        Ok(x.squeeze_dim::<2>(1))
    }

    /// `LayerNorm(Dropout(E[id]))`: `[batch, length, d_model]`. No positions: order is in the recurrence.
    fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let [batch, length] = ids.dims();
        let width = self.embedding.dims()[1];
        let rows = self.embedding.val().select(0, ids.reshape([batch * length]));
        self.norm.forward(self.dropout.forward(rows.reshape([batch, length, width])))
    }
}

#[cfg(test)]
mod tests;
