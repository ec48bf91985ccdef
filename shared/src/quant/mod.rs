//! 4-bit weights: the blocks as they lie in the file, and the product that reads them.

mod blocks;
mod dense;
mod few_rows;
mod host_product;
mod input;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "wasm32")),
    allow(dead_code, reason = "other machines multiply floats")
)]
mod integer_inputs;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "wasm32")),
    allow(dead_code, reason = "other machines multiply floats")
)]
mod integer_product;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "wasm32")),
    allow(dead_code, reason = "other machines multiply floats")
)]
mod integer_row;
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "wasm32")),
    allow(dead_code, reason = "other machines multiply floats")
)]
mod integer_unit;
mod linear;
#[cfg(feature = "train")]
mod linear_gradient;
#[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
mod many_rows;
mod nf4;

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod q4_weight;
mod quantize;

pub use blocks::{BLOCK, Format};
pub(crate) use dense::{plus_times_transposed, times_transposed};
#[cfg(test)]
pub(crate) use host_product::tests::weight as some_weight;
pub use input::Input;
pub(crate) use integer_product::{ProductHelp, product_help};
pub use linear::Linear;
pub(crate) use linear::{cpu, is_cpu};
