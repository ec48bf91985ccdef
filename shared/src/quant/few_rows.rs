//! The product for a few rows on a CPU, as when a text grows token by token: each row of the weight is expanded into
//! the nearest cache and used at once, so that the blocks are all that is read from memory.

use burn::{backend::Flex, tensor::Tensor};

use crate::{
    host::{constant, slice, tensor},
    lanes::{dot, vectorized},
    weights::TensorBytes,
};

/// Most rows for which this is faster than expanding the whole weight (measured: `llamarec bench rank` on short prompts).
pub(super) const FEW: usize = 8;

/// `x [rows, d_in]` times the transposed weight `[d_out, d_in]`, in host memory without autodiff: `[rows, d_out]`.
pub(super) fn few_rows(x: &Tensor<2>, weight: &TensorBytes) -> Tensor<2> {
    let [rows, d_in] = x.dims();
    let d_out = weight.shape[0];
    let x = constant(x).to_contiguous();
    let mut out = vec![0.0; rows * d_out];
    vectorized(
        #[inline(always)]
        || multiply(slice(&x), weight, d_in, &mut out),
    );
    Tensor::from_primitive::<Flex>(tensor(out, vec![rows, d_out]))
}

#[inline(always)]
fn multiply(x: &[f32], weight: &TensorBytes, d_in: usize, out: &mut [f32]) {
    let d_out = weight.shape[0];
    let mut numbers = vec![0.0; d_in];
    for (n, row) in weight.rows().enumerate() {
        weight.format.dequantize(row, 0, &mut numbers);
        for (x, out) in x.chunks_exact(d_in).zip(out.chunks_exact_mut(d_out)) {
            out[n] = dot(x, &numbers);
        }
    }
}
