//! LlamaRec (Yue et al., PGAI@CIKM 2023, arXiv 2311.02089) in pure Rust.
//!
//! Two stages. A [`retriever`] reads the item ids of a history and scores the whole catalogue; its best
//! twenty are the candidates. A ranker reads history and candidates as text ([`prompt`]) through a Llama
//! in **one** forward pass, and the [`verbalizer`] takes the logits of the twenty index letters A–T.
//! Everything one recommendation went through is one [`trace::Trace`].
//!
//! This crate is pure: no file, network, clock or DOM (threads share its loops in native builds). It compiles to native code and wasm32.
//! Without the feature `model` it is plain data and logic and holds no Burn.

pub mod catalog;
pub mod exhibit;
pub mod fusion;
pub mod manifest;
pub mod metrics;
pub mod prompt;
pub mod protocol;
pub mod ranking;
pub mod trace;
pub mod verbalizer;

#[cfg(feature = "model")]
mod dropout;
#[cfg(feature = "model")]
mod experiments;
#[cfg(feature = "model")]
mod explore;
#[cfg(feature = "model")]
pub mod generation;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;
#[cfg(feature = "model")]
mod host;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels;
#[cfg(feature = "model")]
mod lanes;
#[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
pub mod launches;
#[cfg(feature = "model")]
pub mod llama;
#[cfg(feature = "model")]
mod matmul;
#[cfg(feature = "model")]
pub mod pieces;
#[cfg(feature = "model")]
pub mod quant;
#[cfg(feature = "model")]
pub mod ranker;
#[cfg(feature = "model")]
pub mod recommender;
#[cfg(feature = "model")]
pub mod rehearsal;
#[cfg(feature = "model")]
pub mod retriever;
#[cfg(feature = "model")]
pub mod scoring;
#[cfg(feature = "model")]
mod self_test;
#[cfg(feature = "model")]
pub mod team;
#[cfg(feature = "model")]
pub mod tokens;
#[cfg(feature = "model")]
pub mod tuned;
#[cfg(feature = "model")]
pub mod weights;

/// How many candidates the retriever hands to the ranker (paper section 4.0.4).
pub const CANDIDATES: usize = 20;
/// How many history items the prompt shows, newest last (paper section 4.0.4).
pub const PROMPT_HISTORY: usize = 20;
/// How many tokens of a title the prompt shows (paper section 4.0.4).
pub const TITLE_TOKENS: usize = 32;
