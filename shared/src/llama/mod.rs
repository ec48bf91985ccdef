//! Llama (Touvron et al., arXiv 2302.13971), one implementation for every device, for training and for
//! use: read [`model`] first, it is the forward pass top to bottom.

mod attention;
mod attention_cpu;
#[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
mod attention_dense;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod attention_gpu;
mod block;
mod config;
mod embedding;
mod kv_cache;
mod lora;
#[cfg(all(any(feature = "wgpu", feature = "cuda"), feature = "train"))]
mod lora_gpu;
mod model;
mod norm;
mod pass;
#[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
mod pieces;
mod rope;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod rows_gpu;
mod sight;
mod sum;
mod swiglu;
#[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
mod wiring;
mod work;

use burn::tensor::{Tensor, kind::Autodiff};

#[cfg(test)]
pub(crate) use attention_cpu::attention as host_attention;
pub(crate) use attention_cpu::{AttentionHelp, QUERIES};
pub use config::{LlamaConfig, RopePairs};
pub use embedding::Embedding;
pub use kv_cache::{KvCache, Memory};
pub use lora::{Adapter, AdapterConfig, AdapterError, BlockAdapter, Lora};
pub use model::Llama;
pub use sight::{Branch, Layout, Sight};
pub use work::flops;

/// A frozen tensor for use with `x`: with autodiff if `x` has it.
fn beside<const D: usize, const E: usize, K: Autodiff>(x: &Tensor<D>, frozen: &Tensor<E, K>) -> Tensor<E, K> {
    if x.device().is_autodiff() { Tensor::from_inner(frozen.clone()) } else { frozen.clone() }
}
