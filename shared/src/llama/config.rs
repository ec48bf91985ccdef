//! The shape of a Llama, from a GGUF header or a Hugging Face `config.json`.

use serde::Deserialize;

use crate::weights::{WeightError, gguf::Gguf};

/// Which elements of a head rotate together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairs {
    /// Neighbours (2i, 2i+1): GGUF, whose converter permutes the rows of Q and K for it.
    Interleaved,
    /// (i, i + d_head/2): Hugging Face checkpoints. Mixing the two up gives fluent nonsense.
    HalfSplit,
}

/// The shape of a Llama.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    /// Tokens in the vocabulary.
    pub n_vocab: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Blocks.
    pub n_layers: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads; divides `n_heads` (grouped-query attention).
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
    /// Inner width of the MLP.
    pub d_ff: usize,
    /// Longest prompt in tokens.
    pub max_len: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Which elements rotate together.
    pub rope_pairs: RopePairs,
    /// Added to the mean square in `RMSNorm`.
    pub norm_eps: f64,
}

impl LlamaConfig {
    /// Reads the header of a GGUF file of architecture `llama`.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, WeightError> {
        let architecture = gguf.text("general.architecture")?;
        if architecture != "llama" {
            return Err(WeightError::Format(format!(
                "architecture {architecture} is not supported, only llama"
            )));
        }
        let n_heads = gguf.int("llama.attention.head_count")?;
        let d_model = gguf.int("llama.embedding_length")?;
        let d_head = gguf.int_or("llama.attention.key_length", d_model / n_heads.max(1))?;
        refuse_unsupported(gguf, d_head)?;
        Self {
            n_vocab: match gguf.int("llama.vocab_size") {
                Ok(n_vocab) => n_vocab,
                Err(_) => gguf.texts("tokenizer.ggml.tokens")?.len(),
            },
            d_model,
            n_layers: gguf.int("llama.block_count")?,
            n_heads,
            n_kv_heads: gguf.int_or("llama.attention.head_count_kv", n_heads)?,
            d_head,
            d_ff: gguf.int("llama.feed_forward_length")?,
            max_len: gguf.int("llama.context_length")?,
            rope_theta: gguf.float_or("llama.rope.freq_base", 10_000.0)?,
            rope_pairs: RopePairs::Interleaved,
            norm_eps: gguf.float("llama.attention.layer_norm_rms_epsilon")?,
        }
        .checked()
    }

    /// Reads a Hugging Face `config.json`, and whether the head is the embedding.
    pub fn from_hugging_face(json: &str) -> Result<(Self, bool), WeightError> {
        let raw: HuggingFace = serde_json::from_str(json)
            .map_err(|error| WeightError::Format(format!("config.json of a Llama expected: {error}")))?;
        raw.refuse_unsupported()?;
        let rope_theta = raw.rope_theta.or(raw.rope_parameters.and_then(|rope| rope.rope_theta));
        let config = Self {
            n_vocab: raw.vocab_size,
            d_model: raw.hidden_size,
            n_layers: raw.num_hidden_layers,
            n_heads: raw.num_attention_heads,
            n_kv_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            d_head: raw.head_dim.unwrap_or(raw.hidden_size / raw.num_attention_heads.max(1)),
            d_ff: raw.intermediate_size,
            max_len: raw.max_position_embeddings,
            rope_theta: rope_theta.unwrap_or(10_000.0),
            rope_pairs: RopePairs::HalfSplit,
            norm_eps: raw.rms_norm_eps,
        };
        Ok((config.checked()?, raw.tie_word_embeddings))
    }

    /// Query heads that share a key and value head.
    pub fn group(&self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    fn checked(self) -> Result<Self, WeightError> {
        let sizes = [self.n_vocab, self.d_model, self.n_layers, self.n_kv_heads, self.d_ff, self.max_len];
        if sizes.contains(&0)
            || !self.n_heads.is_multiple_of(self.n_kv_heads)
            || self.d_head == 0
            || !self.d_head.is_multiple_of(2)
        {
            return Err(WeightError::Format(format!("the model's sizes do not fit together: {self:?}")));
        }
        Ok(self)
    }
}

/// What is read of a `config.json`.
#[derive(Deserialize)]
struct HuggingFace {
    model_type: Option<String>,
    hidden_act: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    intermediate_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<serde_json::Value>,
    rope_parameters: Option<RopeParameters>,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    #[serde(default)]
    tie_word_embeddings: bool,
}

/// Where newer files keep what is rotary.
#[derive(Deserialize)]
struct RopeParameters {
    rope_theta: Option<f64>,
    rope_type: Option<String>,
}

impl HuggingFace {
    /// Refuses what this forward pass would compute wrongly without a word.
    fn refuse_unsupported(&self) -> Result<(), WeightError> {
        let rope_type = self.rope_parameters.as_ref().and_then(|rope| rope.rope_type.as_deref());
        let refused = [
            (self.model_type.as_deref().is_some_and(|kind| kind != "llama"), "model_type other than llama"),
            (self.hidden_act.as_deref().is_some_and(|act| act != "silu"), "hidden_act other than silu"),
            (self.rope_scaling.is_some(), "rope_scaling"),
            (rope_type.is_some_and(|kind| kind != "default"), "rope_type other than default"),
            (self.attention_bias, "attention_bias"),
            (self.mlp_bias, "mlp_bias"),
        ];
        match refused.into_iter().find(|(found, _)| *found) {
            Some((_, what)) => Err(unsupported(&format!("config.json: {what}"))),
            None => Ok(()),
        }
    }
}

fn unsupported(what: &str) -> WeightError {
    WeightError::Format(format!("{what} is not supported by this forward pass"))
}

/// Refuses variants of the architecture that this forward pass would compute wrongly without a word.
fn refuse_unsupported(gguf: &Gguf, d_head: usize) -> Result<(), WeightError> {
    let refused = |what: String| Err(unsupported(&what));
    if let Some(key) = gguf.keys().find(|key| key.starts_with("llama.rope.scaling.")) {
        return refused(format!("rotary scaling ({key})"));
    }
    if let Some(name) =
        gguf.tensor_names().find(|name| name.strip_suffix(".bias").is_some() || *name == "rope_freqs.weight")
    {
        return refused(format!("tensor {name}"));
    }
    let rotated = gguf.int_or("llama.rope.dimension_count", d_head)?;
    if rotated != d_head {
        return refused(format!(
            "rotating {rotated} of {d_head} elements of a head (llama.rope.dimension_count)"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugging_face_config_with_defaults() {
        let json = r#"{"vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 96, "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "other": true}"#;
        let (config, tied) = LlamaConfig::from_hugging_face(json).unwrap();
        assert!(!tied);
        assert_eq!((config.n_kv_heads, config.d_head, config.group()), (4, 16, 1));
        assert_eq!(config.rope_pairs, RopePairs::HalfSplit);
        let odd = json
            .replace("\"num_attention_heads\": 4", "\"num_attention_heads\": 4, \"num_key_value_heads\": 3");
        assert!(LlamaConfig::from_hugging_face(&odd).unwrap_err().to_string().contains("do not fit"));
    }

    #[test]
    fn variants_that_would_be_computed_wrongly_are_refused() {
        let json = r#"{"model_type": "llama", "vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "intermediate_size": 96, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
            "rope_scaling": null, "rope_parameters": {"rope_theta": 500.0, "rope_type": "default"},
            "tie_word_embeddings": true, "attention_bias": false}"#;
        let (config, tied) = LlamaConfig::from_hugging_face(json).unwrap();
        assert!(tied && config.rope_theta == 500.0);
        for (from, to, said) in [
            ("\"llama\"", "\"mistral\"", "model_type"),
            ("\"rope_scaling\": null", "\"rope_scaling\": {\"factor\": 8}", "rope_scaling"),
            ("\"default\"", "\"llama3\"", "rope_type"),
            ("\"attention_bias\": false", "\"attention_bias\": true", "attention_bias"),
        ] {
            let error = LlamaConfig::from_hugging_face(&json.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
