//! An adapter of the tiny Llama: never trained, but it says something.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Tensor, TensorData},
};
use shared::{
    fusion::Fusion,
    llama::{Adapter, AdapterConfig},
    ranker::Ranker,
    scoring::{Mode, ScoringConfig},
    tuned::{TUNED_FOR, TunedFor},
};
use trainer::fetch::sha256;

/// The adapter's file, for this base model, asked film by film.
///
/// # Panics
/// If the base model is no Llama.
pub fn adapter(gguf: &[u8]) -> Vec<u8> {
    adapter_for(gguf, |_| ())
}

/// The same with another note of what it was tuned for.
///
/// # Panics
/// If the base model is no Llama.
pub fn adapter_for(gguf: &[u8], change: impl FnOnce(&mut TunedFor)) -> Vec<u8> {
    let ranker = Ranker::from_gguf(gguf.to_vec(), &Device::flex()).expect("the tiny Llama can be tuned");
    let config = AdapterConfig::new(ranker.llama().config(), 2, 4, 8.0, 0.0);
    let adapter =
        Adapter::new(config, 5, &Device::flex()).expect("the tiny Llama can be tuned").map(&mut Waves(0));
    let mut tuned_for = TunedFor {
        base: ranker.name().to_owned(),
        base_sha256: sha256(gguf, |_| ()).expect("the tiny Llama can be tuned"),
        scoring: ScoringConfig { mode: Mode::Pointwise, history: 10, title_tokens: 16 },
        fusion: Fusion { retriever: 1.0, ranker: 4.0 },
        step: 7,
        data: "a test".to_owned(),
    };
    change(&mut tuned_for);
    let note = serde_json::to_string(&tuned_for).expect("the tiny Llama can be tuned");
    adapter.to_safetensors(&BTreeMap::from([(TUNED_FOR, note)])).expect("the tiny Llama can be tuned")
}

/// Fills every parameter with numbers of both signs.
struct Waves(usize);

impl ModuleMapper for Waves {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        self.0 += 1;
        let value = |n: usize| ((n * 7 + self.0) as f32 * 0.9).sin() * 0.2;
        let values = (0..shape.num_elements()).map(value).collect();
        Param::from_data(TensorData::new::<f32, _>(values, shape), &param.lazy_device())
    }
}
