//! The product for a few rows on a CPU, as when a text grows token by token: each row of the weight is expanded into
//! the nearest cache and used at once, so that the blocks are all that is read from memory. One row alone is multiplied in
//! whole numbers where the machine can ([`super::integer_row`]).
#![allow(unsafe_code, reason = "threads write to columns of one array")]

use std::ops::Range;

use burn::{backend::Flex, tensor::Tensor};

use super::integer_row;
use crate::{
    host::{constant, slice, tensor},
    lanes::{dot, vectorized},
    matmul::{Target, each},
    weights::TensorBytes,
};

/// Most rows for which this is faster than expanding the whole weight (measured: `llamarec bench rank` on short prompts).
pub(super) const FEW: usize = 8;
/// Outputs of a thread at a time.
const OUTPUTS: usize = 64;

/// `x [rows, d_in]` times the transposed weight `[d_out, d_in]`, in host memory without autodiff: `[rows, d_out]`.
pub(super) fn few_rows(x: &Tensor<2>, weight: &TensorBytes) -> Tensor<2> {
    let [rows, d_in] = x.dims();
    let d_out = weight.shape[0];
    let x = constant(x).to_contiguous();
    let x = slice(&x);
    let mut out = vec![0.0; rows * d_out];
    let target = Target::new(out.as_mut_ptr(), d_out);
    let whole = (rows == 1).then(|| integer_row::of(x, weight)).flatten();
    let work = |(some, expanded): &mut (Vec<f32>, Vec<f32>), n: usize| {
        let outputs = n * OUTPUTS..d_out.min((n + 1) * OUTPUTS);
        some.clear();
        some.resize(rows * outputs.len(), 0.0);
        match &whole {
            Some(whole) => whole.multiply(outputs.clone(), some),
            None => vectorized(
                #[inline(always)]
                || multiply(x, weight, outputs.clone(), expanded, some),
            ),
        }
        for (row, some) in some.chunks_exact(outputs.len()).enumerate() {
            // SAFETY: columns of `out` that no other work has.
            unsafe { target.from(row * d_out + outputs.start).put(some) };
        }
    };
    each(d_out.div_ceil(OUTPUTS), || (Vec::new(), vec![0.0; d_in]), work);
    Tensor::from_primitive::<Flex>(tensor(out, vec![rows, d_out]))
}

/// All rows times some rows of the weight, each of which is expanded to `[d_in]` in its turn: `[rows, outputs]`.
#[inline(always)]
fn multiply(x: &[f32], weight: &TensorBytes, outputs: Range<usize>, expanded: &mut [f32], out: &mut [f32]) {
    let count = outputs.len();
    for (n, row) in weight.rows().skip(outputs.start).take(count).enumerate() {
        weight.format.dequantize(row, 0, expanded);
        for (x, out) in x.chunks_exact(expanded.len()).zip(out.chunks_exact_mut(count)) {
            out[n] = dot(x, expanded);
        }
    }
}
