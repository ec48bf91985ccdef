//! A retriever: one of the architectures behind one interface.

use std::collections::HashSet;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};

use super::{
    RetrieverError,
    bert4rec::{self, Bert4Rec},
    config::{Architecture, RetrieverConfig},
    esasrec::ESasRec,
    init::Init,
    lrurec::LruRec,
    narm::Narm,
    rows::Rows,
    sasrec::SasRec,
    scan::Scan,
};
use crate::{catalog::ItemId, quant::is_cpu, ranking::TopK};

/// A sequential recommender: rows of item ids in, a hidden state for every place out, whose product with
/// the tied embedding scores the catalogue.
#[derive(Module, Debug)]
pub struct Retriever {
    pub(super) network: Network,
    #[module(skip)]
    config: RetrieverConfig,
}

/// The network of each [`Architecture`].
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There is one retriever, not a list of them.
pub(super) enum Network {
    LruRec(LruRec),
    SasRec(SasRec),
    ESasRec(ESasRec),
    Bert4Rec(Bert4Rec),
    Narm(Narm),
}

impl Retriever {
    /// A model with random weights. The same seed gives the same weights everywhere.
    ///
    /// # Errors
    /// A config that makes no model.
    pub fn new(config: RetrieverConfig, seed: u64, device: &Device) -> Result<Self, RetrieverError> {
        config.validate()?;
        let mut init = Init::new(seed);
        let init = &mut init;
        let network = match config.architecture {
            Architecture::LruRec => Network::LruRec(LruRec::new(&config, init, device)),
            Architecture::SasRec => Network::SasRec(SasRec::new(&config, init, device)),
            Architecture::ESasRec => Network::ESasRec(ESasRec::new(&config, init, device)),
            Architecture::Bert4Rec => Network::Bert4Rec(Bert4Rec::new(&config, init, device)),
            Architecture::Narm => Network::Narm(Narm::new(&config, init, device)),
        };
        Ok(Self { network, config })
    }

    /// Sizes and rates.
    pub fn config(&self) -> &RetrieverConfig {
        &self.config
    }

    /// LRURec's own interface (streaming, both forms of its recurrence), if that is what this is.
    pub fn as_lrurec(&self) -> Option<&LruRec> {
        match &self.network {
            Network::LruRec(model) => Some(model),
            _ => None,
        }
    }

    /// Hidden states: `[rows, row_len, d_model]`. Ids are at most `num_items`, or [`Self::mask`].
    pub fn forward(&self, rows: &Rows) -> Tensor<3> {
        match &self.network {
            Network::LruRec(model) => model.forward(rows, Scan::Fastest),
            Network::SasRec(model) => model.forward(rows),
            Network::ESasRec(model) => model.forward(rows),
            Network::Bert4Rec(model) => model.forward(rows),
            Network::Narm(model) => model.forward(rows),
        }
    }

    /// The tied embedding, `[vocabulary, d_model]`, and the score bias, `[vocabulary]`, if there is one.
    pub fn output_layer(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        match &self.network {
            Network::LruRec(model) => model.output_layer(),
            Network::SasRec(model) => model.output_layer(),
            Network::ESasRec(model) => model.output_layer(),
            Network::Bert4Rec(model) => model.output_layer(),
            Network::Narm(model) => model.output_layer(),
        }
    }

    /// Where the model lies.
    pub fn device(&self) -> Device {
        self.output_layer().0.device()
    }

    /// Scores (logits) of all items and of padding.
    ///
    /// # Shapes
    /// - hidden: `[rows, d_model]`
    /// - output: `[rows, vocabulary]`
    pub fn scores(&self, hidden: Tensor<2>) -> Tensor<2> {
        let (embedding, bias) = self.output_layer();
        let scores = hidden.matmul(embedding.transpose());
        match bias {
            Some(bias) => scores + bias.unsqueeze::<2>(),
            None => scores,
        }
    }

    /// Scores at the last place of each row: `[rows, vocabulary]`.
    pub fn last_scores(&self, rows: &Rows) -> Tensor<2> {
        let [_, length] = rows.dims();
        let hidden = self.forward(rows).narrow(1, length - 1, 1); // [rows, 1, d_model]
        self.scores(hidden.squeeze_dim::<2>(1))
    }

    /// The best `k` items that each history does not hold, best first, from its hidden state.
    ///
    /// The catalogue is scored a block at a time, so memory does not grow with it.
    ///
    /// # Shapes
    /// - hidden: `[histories, d_model]`
    ///
    /// # Errors
    /// A device that fails.
    pub async fn top_items(
        &self,
        hidden: Tensor<2>,
        histories: &[&[ItemId]],
        k: usize,
    ) -> Result<Vec<Vec<(ItemId, f32)>>, RetrieverError> {
        let (embedding, bias) = self.output_layer();
        let vocabulary = self.config.vocabulary();
        let mut found = Vec::with_capacity(histories.len());
        for (n, histories) in histories.chunks(HISTORIES).enumerate() {
            let hidden = hidden.clone().narrow(0, n * HISTORIES, histories.len());
            let items = if is_cpu(&hidden.device()) { CPU_SCORES / histories.len() } else { GPU_ITEMS };
            let seen: Vec<HashSet<usize>> =
                histories.iter().map(|history| history.iter().map(|item| item.index()).collect()).collect();
            let mut best = vec![TopK::new(k); histories.len()];
            for start in (0..vocabulary).step_by(items) {
                let length = items.min(vocabulary - start);
                let rows = embedding.clone().narrow(0, start, length);
                let scores = hidden.clone().matmul(rows.transpose());
                let scores = match &bias {
                    Some(bias) => scores + bias.clone().narrow(0, start, length).unsqueeze::<2>(),
                    None => scores,
                };
                let scores = values(scores).await?;
                for ((best, seen), scores) in best.iter_mut().zip(&seen).zip(scores.chunks(length)) {
                    best.offer(start, scores, |index| index == 0 || seen.contains(&index));
                }
            }
            let item = |(index, score)| (ItemId(index as u32), score);
            found.extend(best.into_iter().map(|best| best.into_sorted().into_iter().map(item).collect()));
        }
        Ok(found)
    }

    /// The id that stands for an item to be found, in a model that fills in masked items.
    pub fn mask(&self) -> Option<i32> {
        self.config.architecture.is_masked().then(|| bert4rec::mask(&self.config))
    }

    /// The newest items of a history as the model reads them to say what comes next, `max_len` with the mask
    /// if there is one; one padding if there are none.
    ///
    /// # Errors
    /// An item the model does not know.
    pub fn window(&self, history: &[ItemId]) -> Result<Vec<i32>, RetrieverError> {
        // A mask takes the last of the places that training knows.
        let places = self.config.max_len - usize::from(self.mask().is_some());
        let newest = &history[history.len().saturating_sub(places)..];
        let items = newest.iter().map(|&item| known(item, self.config.num_items));
        let mut window = items.chain(self.mask().map(Ok)).collect::<Result<Vec<i32>, _>>()?;
        if window.is_empty() {
            window.push(0);
        }
        Ok(window)
    }

    /// Scores of all items (index = item id, 0 = padding) after a history, oldest item first.
    ///
    /// # Errors
    /// An item the model does not know, or a device that fails.
    pub async fn score_history(&self, history: &[ItemId]) -> Result<Vec<f32>, RetrieverError> {
        let window = self.window(history)?;
        let scores = self.last_scores(&Rows::left_padded([window.as_slice()]));
        values(scores).await
    }
}

/// Histories served at a time in [`Retriever::top_items`].
const HISTORIES: usize = 64;
/// Scores computed at a time on a CPU: 64 KB stay in a cache, and in memory that the allocator keeps (five times
/// as fast as a few megabytes).
const CPU_SCORES: usize = 1 << 14;
/// Items scored at a time on a GPU, where every block is a round trip.
const GPU_ITEMS: usize = 1 << 15;

/// A tensor's values in row-major order; asynchronous, so that it also works in a browser worker.
pub(crate) async fn values(tensor: Tensor<2>) -> Result<Vec<f32>, RetrieverError> {
    let data = tensor.into_data_async().await?;
    data.try_into_vec_as::<f32>().map_err(|error| RetrieverError::Device(error.to_string()))
}

/// The row of an item, if a model of `num_items` items knows it.
pub(super) fn known(item: ItemId, num_items: usize) -> Result<i32, RetrieverError> {
    i32::try_from(item.0)
        .ok()
        .filter(|_| (1..=num_items).contains(&item.index()))
        .ok_or(RetrieverError::UnknownItem { id: item.0, num_items })
}

#[cfg(test)]
mod tests;
