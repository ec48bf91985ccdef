//! Products with a quantized weight in host memory: a few of its rows at a time are expanded into a block that stays in the
//! nearest caches, and multiplied at once. The dense matrix never exists.
#![allow(unsafe_code, reason = "threads write to columns of one array")]

use std::ops::Range;

use burn::{backend::Flex, tensor::Tensor};

use super::BLOCK;
use crate::{
    host::{constant, slice, tensor},
    lanes::vectorized,
    matmul::{Matrix, Target, each, multiply as matmul},
    weights::TensorBytes,
};

/// Outputs of a tile, or inputs on the way back: whole blocks of every format.
const TILE: usize = 2 * BLOCK;
/// Numbers between the rows of an expanded tile, so that rows a multiple of 4 KB long do not fight for the same cache lines.
const GAP: usize = 16;

/// `x [rows, d_in]` times the transposed weight `[d_out, d_in]`: `[rows, d_out]`.
pub(super) fn product(x: &Tensor<2>, weight: &TensorBytes) -> Tensor<2> {
    let [d_out, d_in] = weight.shape;
    let row = weight.bytes().len() / d_out;
    let (len, strides) = (TILE * (d_in + GAP), (1, d_in + GAP)); // The tile is `[outputs, d_in]`.
    multiply(
        x,
        [d_in, d_out],
        len,
        strides,
        #[inline(always)]
        |outputs: Range<usize>, tile: &mut [f32]| {
            let blocks = weight.bytes()[outputs.start * row..outputs.end * row].chunks_exact(row);
            for (numbers, blocks) in tile.chunks_mut(d_in + GAP).zip(blocks) {
                weight.format.dequantize(blocks, 0, &mut numbers[..d_in]);
            }
        },
    )
}

/// `y [rows, d_out]` times the weight `[d_out, d_in]`: `[rows, d_in]`, the way back.
#[cfg(feature = "train")]
pub(super) fn product_back(y: &Tensor<2>, weight: &TensorBytes) -> Tensor<2> {
    let [d_out, d_in] = weight.shape;
    let (len, strides) = (d_out * (TILE + GAP), (TILE + GAP, 1)); // The tile is `[d_out, inputs]`.
    multiply(
        y,
        [d_out, d_in],
        len,
        strides,
        #[inline(always)]
        |inputs: Range<usize>, tile: &mut [f32]| {
            for (expanded, row) in tile.chunks_mut(TILE + GAP).zip(weight.rows()) {
                weight.format.dequantize(row, inputs.start, &mut expanded[..inputs.len()]);
            }
        },
    )
}

/// `x [rows, inner]` times a matrix `[inner, outer]` of which `expand` writes some columns at a time: the number at
/// `(i, o)` of such a tile lies at `i * strides.0 + o * strides.1`.
fn multiply(
    x: &Tensor<2>,
    [inner, outer]: [usize; 2],
    tile_len: usize,
    strides: (usize, usize),
    expand: impl Fn(Range<usize>, &mut [f32]) + Sync,
) -> Tensor<2> {
    let x = constant(x).to_contiguous();
    let x = slice(&x);
    let rows = x.len() / inner;
    let mut out = Vec::with_capacity(rows * outer);
    let target = Target::new(out.as_mut_ptr(), outer);
    let tile = |scratch: &mut Vec<f32>, n: usize| {
        let outputs = n * TILE..outer.min((n + 1) * TILE);
        vectorized(
            #[inline(always)]
            || expand(outputs.clone(), scratch),
        );
        let (x, tile) = (Matrix::rows(x, inner), Matrix { numbers: scratch, strides });
        // SAFETY: `outputs` are columns of `out`, which has room for all rows, and no two tiles share one.
        unsafe { matmul(target.from(outputs.start), [rows, inner, outputs.len()], x, tile, false) };
    };
    each(outer.div_ceil(TILE), || vec![0.0; tile_len], tile);
    // SAFETY: the tiles wrote every column of every row.
    unsafe { out.set_len(rows * outer) };
    Tensor::from_primitive::<Flex>(tensor(out, vec![rows, outer]))
}

#[cfg(test)]
pub(super) mod tests {
    use burn::tensor::Device;

    use super::{super::few_rows::few_rows, *};
    use crate::{
        host::tests::wave,
        quant::{Format, Linear},
    };

    /// Some weight in blocks.
    pub fn weight(format: Format, [d_out, d_in]: [usize; 2]) -> TensorBytes {
        let numbers: Vec<f32> = wave([d_out, d_in], &Device::flex()).into_data().try_to_vec().unwrap();
        let mut blocks = Vec::new();
        format.quantize(&numbers, d_in, &mut blocks);
        let all = 0..blocks.len();
        TensorBytes::new(blocks.into(), all, format, [d_out, d_in])
    }

    fn close(found: Tensor<2>, expected: Tensor<2>, what: &str) {
        assert_eq!(found.dims(), expected.dims(), "{what}");
        for (a, b) in found.into_data().iter::<f32>().zip(expected.into_data().iter::<f32>()) {
            assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{what}: {a} {b}");
        }
    }

    #[test]
    fn all_ways_are_the_product_with_the_expanded_weight() {
        let device = Device::flex();
        for (format, [d_out, d_in]) in [
            (Format::Q4_0, [7, 96]),
            (Format::Q4_1, [130, 576]),
            (Format::Q8_0, [64, 64]),
            (Format::Q4_1, [65, 1536]),
            (Format::Nf4, [70, 192]),
            (Format::Nf4, [3, 1536]),
        ] {
            let weight = weight(format, [d_out, d_in]);
            let expanded = Linear::load(weight.clone(), &device).expanded(&device);
            for rows in [1, 3, 50] {
                let what = format!("{format:?}, {rows} rows");
                let x = wave([rows, d_in], &device);
                let expected = x.clone().matmul(expanded.clone().transpose());
                close(product(&x, &weight), expected.clone(), &what);
                close(few_rows(&x, &weight), expected, &what);
                #[cfg(feature = "train")]
                {
                    let y = wave([rows, d_out], &device);
                    close(product_back(&y, &weight), y.matmul(expanded.clone()), &what);
                }
            }
        }
    }
}
