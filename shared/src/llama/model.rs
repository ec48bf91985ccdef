//! The forward pass, top to bottom. Nothing is computed that the verbalizer does not read: the last block
//! runs for the last position only, and of the head only the rows asked for.

use burn::tensor::{Device, Tensor};

use super::{
    block::Block,
    config::{LlamaConfig, RopePairs},
    embedding::Embedding,
    norm::RmsNorm,
    rope::Rope,
};
use crate::weights::{TensorSource, WeightError, names};

/// A loaded Llama with frozen, quantized weights.
pub struct Llama {
    config: LlamaConfig,
    embedding: Embedding,
    blocks: Vec<Block>,
    norm: RmsNorm,
    head: Embedding,
    device: Device,
}

impl Llama {
    /// Takes the weights of `source` to `device`.
    ///
    /// The naming follows the rotary convention: both are properties of the file's origin.
    pub fn load(
        config: LlamaConfig,
        source: &dyn TensorSource,
        device: &Device,
    ) -> Result<Self, WeightError> {
        let names = match config.rope_pairs {
            RopePairs::Interleaved => names::GGUF,
            RopePairs::HalfSplit => names::HUGGING_FACE,
        };
        let table = [config.n_vocab, config.d_model];
        // Detached, because on a GPU nothing else of the file is needed after loading.
        let cpu = crate::quant::is_cpu(device);
        let keep = |tensor: crate::weights::TensorBytes| if cpu { tensor } else { tensor.detached() };
        let embedding = Embedding::new(keep(source.shaped(names.embedding, table)?));
        let head = match source.shaped(names.head, table) {
            Ok(head) => Embedding::new(keep(head)),
            Err(WeightError::Missing(_)) => embedding.clone(), // Tied.
            Err(error) => return Err(error),
        };
        let blocks: Result<Vec<Block>, WeightError> =
            (0..config.n_layers).map(|n| Block::load(source, &names, n, &config, device)).collect();
        let norm = source.shaped(names.norm, [1, config.d_model])?;
        Ok(Self {
            embedding,
            blocks: blocks?,
            norm: RmsNorm::load(&norm, config.norm_eps, device),
            head,
            device: device.clone(),
            config,
        })
    }

    /// The shape of the model.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Final hidden state of the last token, normed: `[1, d_model]`.
    ///
    /// # Panics
    /// Panics if `ids` is empty, longer than the model's context, or names a token outside the vocabulary.
    pub fn forward(&self, ids: &[u32]) -> Tensor<2> {
        let tokens = ids.len();
        assert!(
            (1..=self.config.max_len).contains(&tokens),
            "a prompt of {tokens} tokens does not fit a context of {}",
            self.config.max_len
        );
        let rope = Rope::new(&self.config, tokens, &self.device);
        let mut x = self.embedding.lookup(ids, &self.device); // [tokens, d_model]
        let last = self.blocks.len() - 1;
        for (n, block) in self.blocks.iter().enumerate() {
            let queries = if n == last { 1 } else { tokens };
            x = block.forward(x, queries, &rope);
        }
        self.norm.forward(x)
    }

    /// The head: logits are its rows times the final hidden state.
    pub fn head(&self) -> &Embedding {
        &self.head
    }
}
