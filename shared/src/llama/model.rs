//! The forward pass, top to bottom. Nothing is computed that the verbalizer does not read: the last block
//! runs for the positions read only, and of the head only the rows asked for.

use burn::tensor::{Device, Tensor};

use super::{
    block::Block,
    config::{LlamaConfig, RopePairs},
    embedding::Embedding,
    kv_cache::KvCache,
    lora::Adapter,
    norm::RmsNorm,
    pass::Pass,
    sight::Layout,
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

    /// Whether the weights are in host memory.
    pub fn on_cpu(&self) -> bool {
        crate::quant::is_cpu(&self.device)
    }

    /// Final hidden states, normed, of all tokens that the layouts read: `[reads, d_model]`, layout by layout.
    ///
    /// With an adapter on an autodiff device gradients flow to it; blocks below its first run without.
    ///
    /// # Panics
    /// If there is no layout, one is deeper than the model's context or names a token outside the
    /// vocabulary, or the adapter is for another model ([`Adapter::check`]).
    pub fn hidden(&self, layouts: &[Layout], adapter: Option<&Adapter>) -> Tensor<2> {
        self.pass(layouts, adapter, None)
    }

    /// As [`Self::hidden`] for one layout, but what its prefix shares with the one that `cache` saw last is not
    /// computed again. The cache must have been used with this model and this adapter only.
    ///
    /// # Panics
    /// As [`Self::hidden`], and with an adapter in training.
    pub fn hidden_after(&self, cache: &mut KvCache, layout: &Layout, adapter: Option<&Adapter>) -> Tensor<2> {
        self.pass(std::slice::from_ref(layout), adapter, Some(cache))
    }

    fn pass(
        &self,
        layouts: &[Layout],
        adapter: Option<&Adapter>,
        mut cache: Option<&mut KvCache>,
    ) -> Tensor<2> {
        let (depth, limit) = (layouts.iter().map(Layout::depth).max(), self.config.max_len);
        assert!(
            depth.is_some_and(|depth| depth <= limit),
            "{depth:?} tokens do not fit a context of {limit}"
        );
        let trained = adapter.is_some_and(|adapter| adapter.device().is_autodiff());
        assert!(!trained || cache.is_none(), "keys and values of an adapter in training change");
        let known = cache.as_mut().map_or(0, |cache| cache.start(&layouts[0], self.blocks.len()));
        if cache.is_some() && 2 * known < layouts[0].prefix().len() && !self.on_cpu() {
            // What another text needed, of another length, would stay beside what this one needs.
            self.device.memory_cleanup();
        }
        let (pass, last_pass) = Pass::new(&self.config, layouts, known, &self.device);
        let ids: Vec<u32> = layouts.iter().flat_map(Layout::ids).skip(known).collect();
        let mut x = self.embedding.lookup(&ids, &self.device); // [tokens, d_model]
        let last = self.blocks.len() - 1;
        for (n, block) in self.blocks.iter().enumerate() {
            if trained && adapter.is_some_and(|adapter| adapter.first_block() == n) {
                x = Tensor::from_inner(x);
            }
            let pass = if n == last { &last_pass } else { &pass };
            let known = cache.as_mut().map(|cache| cache.block(n, known));
            x = block.forward(x, pass, adapter.and_then(|adapter| adapter.block(n)), known);
        }
        self.norm.forward(x)
    }

    /// The model with its first blocks only; nothing is copied.
    pub(crate) fn first_blocks(&self, count: usize) -> Self {
        Self {
            config: LlamaConfig { n_layers: self.blocks.len().min(count), ..self.config.clone() },
            blocks: self.blocks.iter().take(count).cloned().collect(),
            embedding: self.embedding.clone(),
            norm: self.norm.clone(),
            head: self.head.clone(),
            device: self.device.clone(),
        }
    }

    /// The head: logits are its rows times the final hidden state.
    pub fn head(&self) -> &Embedding {
        &self.head
    }
}
