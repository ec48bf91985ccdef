//! LRURec (Yue et al., WSDM 2024, arXiv 2310.02367): a sequential recommender whose blocks are linear
//! recurrences, so that a whole history is read in parallel and one more item costs O(1).

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig},
    tensor::{Device, Int, Tensor, TensorData},
};

use super::{
    RetrieverError, complex::Complex, config::LruRecConfig, feed_forward::FeedForward, init::Init, lru::Lru,
    scan::Scan,
};
use crate::catalog::ItemId;

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
    #[module(skip)]
    config: LruRecConfig,
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

impl LruRec {
    /// A model with random weights. The same seed gives the same weights everywhere.
    pub fn new(config: LruRecConfig, seed: u64, device: &Device) -> Result<Self, RetrieverError> {
        config.validate()?;
        let mut init = Init::new(seed);
        Ok(Self {
            embedding: init.param([config.vocabulary(), config.d_model], device),
            score_bias: init.param([config.vocabulary()], device),
            dropout: DropoutConfig::new(config.dropout).init(),
            norm: LayerNormConfig::new(config.d_model).init(device),
            blocks: (0..config.n_blocks)
                .map(|_| Block {
                    lru: Lru::new(&config, &mut init, device),
                    feed_forward: FeedForward::new(&config, &mut init, device),
                })
                .collect(),
            config,
        })
    }

    /// Sizes and rates.
    pub fn config(&self) -> &LruRecConfig {
        &self.config
    }

    /// The tied embedding, `[vocabulary, d_model]`, and the score bias, `[vocabulary]`.
    pub fn output_layer(&self) -> (Tensor<2>, Tensor<1>) {
        (self.embedding.val(), self.score_bias.val())
    }

    /// Hidden states of rows of ids; 0 is padding, and the state starts anew after it.
    ///
    /// # Shapes
    /// - ids: `[batch, length]`, each at most `num_items`
    /// - output: `[batch, length, d_model]`
    pub fn forward(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        self.forward_with(ids, Scan::Parallel)
    }

    /// [`Self::forward`] with a chosen form of the recurrence.
    pub fn forward_with(&self, ids: Tensor<2, Int>, scan: Scan) -> Tensor<3> {
        let padding = ids.clone().equal_scalar(0).int(); // [batch, length]
        self.blocks.iter().fold(self.embed(ids), |x, block| {
            block.feed_forward.forward(block.lru.forward(x, padding.clone(), scan))
        })
    }

    /// Scores (logits) of all items and of padding.
    ///
    /// # Shapes
    /// - hidden: `[rows, d_model]`
    /// - output: `[rows, vocabulary]`
    pub fn scores(&self, hidden: Tensor<2>) -> Tensor<2> {
        hidden.matmul(self.embedding.val().transpose()) + self.score_bias.val().unsqueeze::<2>()
    }

    /// Scores after the last position of each row.
    ///
    /// # Shapes
    /// - ids: `[batch, length]`, padding on the left
    /// - output: `[batch, vocabulary]`
    pub fn last_scores(&self, ids: Tensor<2, Int>) -> Tensor<2> {
        let [_, length] = ids.dims();
        let hidden = self.forward(ids).narrow(1, length - 1, 1); // [batch, 1, d_model]
        self.scores(hidden.squeeze_dim::<2>(1))
    }

    /// The newest `max_len` items of a history as the model reads them; one padding if there are none.
    pub fn window(&self, history: &[ItemId]) -> Result<Vec<i32>, RetrieverError> {
        let newest = &history[history.len().saturating_sub(self.config.max_len)..];
        if newest.is_empty() {
            return Ok(vec![0]);
        }
        newest.iter().map(|&item| self.check(item)).collect()
    }

    /// Scores of all items (index = item id, 0 = padding) after a history, oldest item first.
    pub async fn score_history(&self, history: &[ItemId]) -> Result<Vec<f32>, RetrieverError> {
        let ids = self.window(history)?;
        let shape = [1, ids.len()];
        let ids = Tensor::from_data(TensorData::new(ids, shape), &self.embedding.device());
        read(self.last_scores(ids)).await
    }

    /// The state before the first item.
    pub fn stream(&self) -> StreamState {
        StreamState { blocks: vec![None; self.blocks.len()] }
    }

    /// Reads one more item in time and memory that do not depend on how many came before.
    ///
    /// Equal to [`Self::forward`] as long as the history fits `max_len`; beyond, a stream still remembers
    /// what the window has forgotten. Gives the hidden state, `[1, d_model]`, for [`Self::scores`].
    pub fn push(&self, item: ItemId, state: &mut StreamState) -> Result<Tensor<2>, RetrieverError> {
        let id = self.check(item)?;
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
        let rows = self.embedding.val().select(0, ids.reshape([batch * length]));
        self.norm.forward(self.dropout.forward(rows.reshape([batch, length, self.config.d_model])))
    }

    /// The row of an item that the model knows.
    fn check(&self, item: ItemId) -> Result<i32, RetrieverError> {
        let known = (1..=self.config.num_items).contains(&item.index());
        i32::try_from(item.0)
            .ok()
            .filter(|_| known)
            .ok_or(RetrieverError::UnknownItem { id: item.0, num_items: self.config.num_items })
    }
}

/// A tensor's values in row-major order; asynchronous, so that it also works in a browser worker.
async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, RetrieverError> {
    let data = tensor.into_data_async().await?;
    data.try_into_vec_as::<f32>().map_err(|error| RetrieverError::Device(error.to_string()))
}

#[cfg(test)]
mod tests;
