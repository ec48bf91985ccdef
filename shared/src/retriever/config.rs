//! The shape of a retriever: which architecture, and its sizes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{RetrieverError, bert4rec, esasrec, lrurec, narm, sasrec};

/// Which network reads the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Linear recurrent units, the paper's retriever.
    #[default]
    LruRec,
    /// Causal self-attention.
    SasRec,
    /// Causal self-attention in gated pre-norm blocks.
    ESasRec,
    /// Bidirectional self-attention that fills in masked items.
    Bert4Rec,
    /// A gated recurrent unit with attention over its states.
    Narm,
}

impl Architecture {
    /// All there are, the paper's own first.
    pub const ALL: [Self; 5] = [Self::LruRec, Self::SasRec, Self::ESasRec, Self::Bert4Rec, Self::Narm];

    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::LruRec => "lrurec",
            Self::SasRec => "sasrec",
            Self::ESasRec => "esasrec",
            Self::Bert4Rec => "bert4rec",
            Self::Narm => "narm",
        }
    }

    /// Whether the model learns by filling in masked items instead of predicting the next one.
    pub fn is_masked(self) -> bool {
        self == Self::Bert4Rec
    }

    fn has_heads(self) -> bool {
        matches!(self, Self::SasRec | Self::ESasRec | Self::Bert4Rec)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Architecture {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|architecture| architecture.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no retriever {name:?}, there are {names}")
        })
    }
}

/// Sizes and dropout rates; stored as JSON in the weights' metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrieverConfig {
    /// The network; files of LRURec need not name it.
    #[serde(default)]
    pub architecture: Architecture,
    /// Items of the catalogue; ids run from 1, row 0 of all tables is padding.
    pub num_items: usize,
    /// Width of embeddings and blocks.
    pub d_model: usize,
    /// Number of blocks; NARM has one recurrent layer whatever this says.
    pub n_blocks: usize,
    /// Attention heads, for the architectures that have some.
    #[serde(default = "two")]
    pub n_heads: usize,
    /// How many of the newest items are read.
    pub max_len: usize,
    /// Dropout of the embedding and the feed-forward parts; only in training.
    pub dropout: f64,
    /// Dropout of the recurrent units' output or of the attention weights; only in training.
    pub attn_dropout: f64,
}

fn two() -> usize {
    2
}

impl RetrieverConfig {
    /// The reference's sizes: width 64, 2 blocks, 2 heads, 200 items, dropout 0.2.
    pub fn new(architecture: Architecture, num_items: usize) -> Self {
        let (d_model, n_blocks, n_heads, max_len) = (64, 2, 2, 200);
        Self { architecture, num_items, d_model, n_blocks, n_heads, max_len, dropout: 0.2, attn_dropout: 0.2 }
    }

    /// State channels of a recurrent block: complex ones in LRURec, real ones in NARM.
    pub fn d_state(&self) -> usize {
        2 * self.d_model
    }

    /// Inner width of the feed-forward parts.
    pub fn d_inner(&self) -> usize {
        4 * self.d_model
    }

    /// Rows of scores: all items and padding.
    pub fn vocabulary(&self) -> usize {
        self.num_items + 1
    }

    /// Number of real parameters of a valid config.
    pub fn parameters(&self) -> u128 {
        match self.architecture {
            Architecture::LruRec => lrurec::parameters(self),
            Architecture::SasRec => sasrec::parameters(self),
            Architecture::ESasRec => esasrec::parameters(self),
            Architecture::Bert4Rec => bert4rec::parameters(self),
            Architecture::Narm => narm::parameters(self),
        }
    }

    /// Refuses sizes and rates that make no model.
    pub fn validate(&self) -> Result<(), RetrieverError> {
        let sizes = [
            ("num_items", self.num_items),
            ("d_model", self.d_model),
            ("n_blocks", self.n_blocks),
            ("n_heads", self.n_heads),
            ("max_len", self.max_len),
        ];
        for (name, value) in sizes {
            // Item ids are 32-bit, and the number behind the last one is a mask.
            if value == 0 || i32::try_from(value).is_err() {
                return Err(RetrieverError::Config(format!(
                    "{name} is {value}, allowed are 1 to {}",
                    i32::MAX
                )));
            }
        }
        if self.architecture.has_heads() && !self.d_model.is_multiple_of(self.n_heads) {
            return Err(RetrieverError::Config(format!(
                "d_model is {}, which {} heads do not share evenly",
                self.d_model, self.n_heads
            )));
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
        assert_eq!(RetrieverConfig::new(Architecture::LruRec, 12_086).parameters(), 919_543 - 128);
    }

    #[test]
    fn the_largest_config_can_be_counted() {
        let most = i32::MAX as usize;
        for architecture in Architecture::ALL {
            let config = RetrieverConfig {
                d_model: most - 1,
                n_blocks: most,
                max_len: most,
                ..RetrieverConfig::new(architecture, most)
            };
            config.validate().expect("allowed sizes");
            assert!(config.parameters() > 1 << 62);
        }
    }

    #[test]
    fn impossible_configs_are_refused() {
        let config = |num_items| RetrieverConfig::new(Architecture::SasRec, num_items);
        assert!(config(7).validate().is_ok());
        assert!(config(0).validate().is_err());
        let refused = |config: RetrieverConfig| config.validate().expect_err("impossible").to_string();
        let message = refused(RetrieverConfig { dropout: 1.0, ..config(7) });
        assert!(message.contains("dropout is 1"), "{message}");
        let message = refused(RetrieverConfig { n_heads: 3, ..config(7) });
        assert!(message.contains("d_model is 64, which 3 heads"), "{message}");
    }

    #[test]
    fn names_read_back() {
        for architecture in Architecture::ALL {
            assert_eq!(architecture.name().parse(), Ok(architecture));
            assert_eq!(serde_json::to_string(&architecture).expect("text"), format!("\"{architecture}\""));
        }
        assert!("gru4rec".parse::<Architecture>().expect_err("unknown").contains("lrurec, sasrec"));
    }
}
