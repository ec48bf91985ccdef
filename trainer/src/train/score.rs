//! Scores of the whole catalogue after many histories, by one retriever or an ensemble of several.

use anyhow::ensure;
use burn::module::Module;
use shared::{
    catalog::ItemId,
    retriever::{Architecture, Retriever, Rows, mean_log_softmax},
};

/// Histories scored at a time.
const BATCH: usize = 64;
/// The same for NARM, whose memory grows with the square of the length.
const NARM_BATCH: usize = 4;

/// Retrievers whose votes are averaged; see [`mean_log_softmax`].
#[derive(Debug)]
pub struct Scorer {
    models: Vec<Retriever>,
}

impl Scorer {
    /// The members, without dropout.
    ///
    /// # Errors
    /// No member, or members of different catalogues.
    pub fn new(models: &[Retriever]) -> anyhow::Result<Self> {
        ensure!(!models.is_empty(), "there is no retriever to score with");
        let items = |model: &Retriever| model.config().num_items;
        for model in models {
            let (first, other) = (items(&models[0]), items(model));
            ensure!(first == other, "the retrievers know {first} and {other} items, not the same ones");
        }
        Ok(Self { models: models.iter().map(Module::valid).collect() })
    }

    /// Calls `take` with the place of each history and the scores after it (index = item id, 0 = padding).
    /// A single retriever gives its logits, an ensemble mean log-probabilities.
    ///
    /// Histories of like length share a batch, so the order of the calls is not that of the histories.
    ///
    /// # Errors
    /// An item that a model does not know, or a device that fails.
    pub fn run(&self, histories: &[&[ItemId]], mut take: impl FnMut(usize, &[f32])) -> anyhow::Result<()> {
        let mut order: Vec<usize> = (0..histories.len()).collect();
        order.sort_by_key(|&place| histories[place].len());
        let vocabulary = self.models[0].config().vocabulary();
        let narm = self.models.iter().any(|model| model.config().architecture == Architecture::Narm);
        for batch in order.chunks(if narm { NARM_BATCH } else { BATCH }) {
            let mut scored = Vec::with_capacity(self.models.len());
            for model in &self.models {
                let windows: Vec<Vec<i32>> =
                    batch.iter().map(|&place| model.window(histories[place])).collect::<Result<_, _>>()?;
                let rows = Rows::left_padded(windows.iter().map(Vec::as_slice));
                let scores: Vec<f32> = model.last_scores(&rows).try_into_vec_as()?;
                scored.push(scores);
            }
            for (n, &place) in batch.iter().enumerate() {
                let rows: Vec<&[f32]> =
                    scored.iter().map(|scores| &scores[n * vocabulary..(n + 1) * vocabulary]).collect();
                match rows.as_slice() {
                    [only] => take(place, only),
                    several => take(place, &mean_log_softmax(several)),
                }
            }
        }
        Ok(())
    }
}
