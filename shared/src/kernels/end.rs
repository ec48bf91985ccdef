//! How a product ends: what it makes of the number that lies where it is written.
//!
//! Chosen at run time, so that one kernel serves all: each is compiled before a model's first answer.

use cubecl::prelude::*;

use super::swiglu::silu;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum End {
    /// The product alone.
    Product,
    /// The product and what lay there, a sum: the residual stream.
    Sum,
    /// The product times `silu` of what lay there: the second half of `SwiGLU`.
    Gated,
}

/// Writes a product to `out[at]`; `end` is an [`End`], and [`End::Product`] if there are no `ends`.
#[cube]
pub(super) fn ended(product: f32, out: &mut Tensor<f32>, at: usize, end: u32, #[comptime] ends: bool) {
    let mut number = product;
    if comptime![ends] {
        if end == comptime![End::Sum as u32] {
            number += out[at];
        } else if end == comptime![End::Gated as u32] {
            number *= silu(out[at]);
        }
    }
    out[at] = number;
}
