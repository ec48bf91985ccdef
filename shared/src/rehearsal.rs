//! A GPU compiles each kernel when it first runs, which can take seconds. So while a model is still on its way, one of the
//! same shape whose weights are all nothing reads a few tokens; what it says is of no interest.

use std::sync::Arc;

use burn::tensor::Device;

use crate::{
    llama::{Adapter, AdapterConfig, Branch, KvCache, Layout, Llama, LlamaConfig},
    quant::times_transposed,
    ranker::{RankerError, read},
    weights::{File, TensorBytes, TensorSource, WeightError, gguf::Gguf},
};

/// Blocks that are run: the first for all tokens, the last for what is read.
const BLOCKS: usize = 2;
/// A kernel reads four numbers at a time where the inner width allows it, as that of any adapter here does.
const RANK: usize = 4;

/// Runs every kernel that a ranking runs. Of the base model's GGUF file only the header is read.
///
/// # Errors
/// A header that is none, or a device that fails.
pub async fn rehearse(file: Box<dyn File>, device: &Device) -> Result<(), RankerError> {
    let gguf = Gguf::open(file)?;
    let config = LlamaConfig::from_gguf(&gguf)?;
    let config = LlamaConfig { n_vocab: 1, n_layers: config.n_layers.min(BLOCKS), ..config };
    let adapter = AdapterConfig::new(&config, config.n_layers, RANK, 1.0, 0.0);
    let adapter = Adapter::new(adapter, 0, device)
        .map_err(|error| RankerError::Weights(WeightError::Format(error.to_string())))?;
    let llama = Llama::load(config, &Nothing(gguf), device)?;

    let branch = |seen| Branch { seen, ids: vec![0; 2] };
    let branches = |history: usize| Layout::new(vec![0; history], vec![branch(history), branch(1)]);
    // Read at once; a few more tokens, of which room is made; the same again.
    let prompts = [2, 5, 6].map(|tokens| Layout::prompt(&vec![0; tokens]));
    let questions = [4, 4, 6].map(branches);
    for (adapter, layouts) in [(None, prompts), (Some(&adapter), questions)] {
        let mut cache = KvCache::default();
        for layout in layouts {
            let hidden = llama.hidden_after(&mut cache, &layout, adapter);
            let answer = llama.head().lookup(&[0], device);
            read(hidden.clone()).await?;
            read(times_transposed(hidden, answer.clone() - answer)).await?;
        }
    }
    drop(llama);
    device.memory_cleanup();
    Ok(())
}

/// Weights in the formats of a file, of any shape, that are all nothing.
struct Nothing(Gguf);

impl TensorSource for Nothing {
    fn tensor(&self, name: &str) -> Result<TensorBytes, WeightError> {
        self.shaped(name, self.0.kind(name)?.1)
    }

    fn shaped(&self, name: &str, [rows, cols]: [usize; 2]) -> Result<TensorBytes, WeightError> {
        let (format, found) = self.0.kind(name)?;
        let expected = [rows, cols];
        let len = format.bytes(rows, cols).ok_or_else(|| WeightError::Shape {
            name: name.to_owned(),
            found,
            expected,
        })?;
        Ok(TensorBytes::new(Arc::new(vec![0; len]), 0..len, format, expected))
    }
}
