//! The shape of an LRURec model.

use serde::{Deserialize, Serialize};

use super::RetrieverError;

/// Sizes and dropout rates; stored as JSON in the weights' metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LruRecConfig {
    /// Items of the catalogue; ids run from 1, row 0 of all tables is padding.
    pub num_items: usize,
    /// Width of embeddings and blocks.
    pub d_model: usize,
    /// Number of blocks.
    pub n_blocks: usize,
    /// How many of the newest items are read.
    pub max_len: usize,
    /// Dropout of the embedding and the feed-forward parts; only in training.
    pub dropout: f64,
    /// Dropout of the recurrent units' output; only in training.
    pub attn_dropout: f64,
}

impl LruRecConfig {
    /// The reference's sizes: width 64, 2 blocks, 200 items, dropout 0.2.
    pub fn new(num_items: usize) -> Self {
        Self { num_items, d_model: 64, n_blocks: 2, max_len: 200, dropout: 0.2, attn_dropout: 0.2 }
    }

    /// Complex state channels of a block.
    pub fn d_state(&self) -> usize {
        2 * self.d_model
    }

    /// Inner width of the feed-forward parts.
    pub fn d_inner(&self) -> usize {
        4 * self.d_model
    }

    /// Rows of the embedding: all items and padding.
    pub fn vocabulary(&self) -> usize {
        self.num_items + 1
    }

    /// Number of real parameters, or `None` if no machine could hold them.
    pub fn parameters(&self) -> Option<usize> {
        let d = self.d_model;
        let rows = self.num_items.checked_add(1)?;
        let square = d.checked_mul(d)?;
        // Recurrent unit: four d x 2d matrices, two 2d and one d bias, three rings of 2d, norm 2d.
        let unit = square.checked_mul(8)?.checked_add(d.checked_mul(13)?)?;
        // Feed-forward: two d x 4d matrices, biases 4d and d, norm 2d.
        let feed_forward = square.checked_mul(8)?.checked_add(d.checked_mul(7)?)?;
        let blocks = unit.checked_add(feed_forward)?.checked_mul(self.n_blocks)?;
        // Embedding and score bias, norm.
        let embedding = rows.checked_mul(d.checked_add(1)?)?.checked_add(d.checked_mul(2)?)?;
        embedding.checked_add(blocks)
    }

    /// Refuses sizes and rates that make no model.
    pub fn validate(&self) -> Result<(), RetrieverError> {
        let sizes = [
            ("num_items", self.num_items),
            ("d_model", self.d_model),
            ("n_blocks", self.n_blocks),
            ("max_len", self.max_len),
        ];
        for (name, value) in sizes {
            // Item ids are 32-bit.
            if value == 0 || u32::try_from(value).is_err() {
                return Err(RetrieverError::Config(format!(
                    "{name} is {value}, allowed are 1 to {}",
                    u32::MAX
                )));
            }
        }
        for (name, value) in [("dropout", self.dropout), ("attn_dropout", self.attn_dropout)] {
            if !(0.0..1.0).contains(&value) {
                return Err(RetrieverError::Config(format!("{name} is {value}, allowed are 0 to below 1")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beauty_model_has_the_known_size() {
        // The reference counts 919,543 real numbers; 2 x 64 of them are the dead imaginary output bias.
        assert_eq!(LruRecConfig::new(12_086).parameters(), Some(919_543 - 128));
        assert_eq!(LruRecConfig { num_items: usize::MAX, ..LruRecConfig::new(1) }.parameters(), None);
    }

    #[test]
    fn impossible_configs_are_refused() {
        assert!(LruRecConfig::new(7).validate().is_ok());
        assert!(LruRecConfig::new(0).validate().is_err());
        let config = LruRecConfig { dropout: 1.0, ..LruRecConfig::new(7) };
        let message = config.validate().expect_err("dropout 1 drops all").to_string();
        assert!(message.contains("dropout is 1"), "{message}");
    }
}
