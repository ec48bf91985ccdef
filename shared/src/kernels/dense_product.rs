//! A small unquantized matrix product, one unit an output: for an adapter, for a few rows of the head.

use cubecl::prelude::*;

/// `x [tokens, d_in]` times the transposed `w [d_out, d_in]`: `out [tokens, d_out]`.
#[cube(launch_unchecked)]
pub fn dense_product(
    x: &Tensor<f32>,
    w: &Tensor<f32>,
    out: &mut Tensor<f32>,
    tokens: u32,
    d_out: u32,
    d_in: u32,
) {
    let d_out = d_out as usize;
    let d_in = d_in as usize;
    let token = ABSOLUTE_POS / d_out;
    let row = ABSOLUTE_POS % d_out;
    if token >= tokens as usize {
        terminate!();
    }
    let mut sum = f32::new(0.0);
    for i in 0..d_in {
        sum += x[token * d_in + i] * w[row * d_in + i];
    }
    out[token * d_out + row] = sum;
}
