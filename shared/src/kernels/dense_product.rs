//! A small unquantized matrix product, one unit an output: for an adapter, for a few rows of the head.

use cubecl::prelude::*;

use super::end::ended;

/// `out [tokens, d_out]` from `scale * x [tokens, d_in]` times the transposed `w [d_out, d_in]` and [`super::end::End`]; `d_in` is
/// `vectors` of `lanes` numbers.
#[cube(launch_unchecked)]
pub fn dense_product<N: Size>(
    x: &Tensor<Vector<f32, N>>,
    w: &Tensor<Vector<f32, N>>,
    out: &mut Tensor<f32>,
    tokens: u32,
    d_out: u32,
    vectors: u32,
    scale: f32,
    end: u32,
    #[comptime] lanes: usize,
) {
    let d_out = d_out as usize;
    let vectors = vectors as usize;
    let token = ABSOLUTE_POS / d_out;
    let row = ABSOLUTE_POS % d_out;
    if token >= tokens as usize {
        terminate!();
    }
    let mut sums = Vector::<f32, N>::new(0.0f32);
    for i in 0..vectors {
        sums += x[token * vectors + i] * w[row * vectors + i];
    }
    let mut sum = f32::new(0.0);
    #[unroll]
    for lane in 0..lanes {
        sum += sums.extract(lane);
    }
    ended(sum * scale, out, token * d_out + row, end, true);
}
