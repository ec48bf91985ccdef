//! Llama (Touvron et al., arXiv 2302.13971), one implementation for every device: read [`model`] first,
//! it is the forward pass top to bottom.

mod attention;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod attention_gpu;
mod block;
mod config;
mod embedding;
mod model;
mod norm;
mod rope;

pub use config::{LlamaConfig, RopePairs};
pub use embedding::Embedding;
pub use model::Llama;
