//! Products with blocks of whole numbers on a CPU: inputs become 16-bit whole numbers, 32 under one scale, so that a block of
//! them times a block of codes is summed exactly and scaled once. A vector unit multiplies twice as many 16-bit numbers as
//! floats, and a rounded input is off by at most 1/65,534 of the largest beside it.
//!
//! (Inputs in 8 bits, as llama.cpp has them, would be faster still, and coarser than the weights deserve.)
#![allow(unsafe_code, reason = "vector instructions; threads write to columns of one array")]

use std::{ops::Range, sync::OnceLock};

use burn::{backend::Flex, tensor::Tensor};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use super::integer_unit::wasm::Simd128;
#[cfg(target_arch = "x86_64")]
use super::integer_unit::x86::{Avx2, Avx512};
use super::{
    BLOCK,
    integer_unit::{Here, Unit, here, lanes, numbers},
};
use crate::{
    host::{constant, slice, tensor},
    lanes::{WHOLE, largest, sum, vectorized},
    matmul::{Target, each},
    weights::TensorBytes,
};

/// Pairs in a block.
pub(super) const PAIRS: usize = BLOCK / 2;
/// Blocks of a row that are multiplied at a time, so that a tile's stay in the nearest cache.
const CHUNK: usize = 24;

/// `x [rows, d_in]` times the transposed weight `[d_out, d_in]`, in host memory without autodiff: `[rows, d_out]`; nothing if
/// the weight is not of whole numbers, or the machine has no vector unit for them.
pub(super) fn product(x: &Tensor<2>, weight: &TensorBytes) -> Option<Tensor<2>> {
    if !weight.format.is_whole() {
        return None;
    }
    Some(match here()? {
        #[cfg(target_arch = "x86_64")]
        Here::Avx512 => multiply::<Avx512, 8>(x, weight, avx512),
        #[cfg(target_arch = "x86_64")]
        Here::Avx2 => multiply::<Avx2, 4>(x, weight, avx2),
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        Here::Simd128 => multiply::<Simd128, 4>(x, weight, kernel::<Simd128, 4>),
    })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn avx512(inputs: &Inputs<8>, panel: &Panel<Avx512>, blocks: Range<usize>, out: &mut Out<Avx512, 8>) {
    // SAFETY: the caller's promise.
    unsafe { kernel(inputs, panel, blocks, out) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(inputs: &Inputs<4>, panel: &Panel<Avx2>, blocks: Range<usize>, out: &mut Out<Avx2, 4>) {
    // SAFETY: the caller's promise.
    unsafe { kernel(inputs, panel, blocks, out) }
}

/// Vectors of outputs of a tile.
const VECTORS: usize = 2;

/// Some rows of the input in whole numbers. Numbers `i` and `i + 16` of a block are a pair, as 4-bit codes lie in a byte.
pub(super) struct Inputs<const ROWS: usize> {
    /// `[blocks, PAIRS, ROWS]`
    pub pairs: Vec<[u32; ROWS]>,
    /// What one step is worth: `[blocks, ROWS]`.
    pub scales: Vec<[f32; ROWS]>,
    /// Sums of the inputs of a block: `[blocks, ROWS]`.
    pub sums: Vec<[f32; ROWS]>,
}

/// Blocks of the weight of as many outputs as `VECTORS` vectors have lanes.
struct Panel<U: Unit> {
    /// `[blocks, PAIRS]`
    pairs: Vec<[U::Whole; VECTORS]>,
    /// `[blocks]`
    scales: Vec<[U::Float; VECTORS]>,
    /// `[blocks]`
    minima: Vec<[U::Float; VECTORS]>,
}

/// Some rows of some outputs.
type Out<U, const ROWS: usize> = [[<U as Unit>::Float; VECTORS]; ROWS];
/// Multiplies some rows, in these blocks of theirs, with a panel.
type Kernel<U, const ROWS: usize> = unsafe fn(&Inputs<ROWS>, &Panel<U>, Range<usize>, &mut Out<U, ROWS>);

fn multiply<U: Unit, const ROWS: usize>(
    x: &Tensor<2>,
    weight: &TensorBytes,
    kernel: Kernel<U, ROWS>,
) -> Tensor<2> {
    let ([rows, d_in], [d_out, _]) = (x.dims(), weight.shape);
    let outputs = VECTORS * lanes::<U::Whole>();
    let blocks = d_in / BLOCK;
    let x = constant(x).to_contiguous();
    let groups: Vec<OnceLock<Inputs<ROWS>>> = (0..rows.div_ceil(ROWS)).map(|_| OnceLock::new()).collect();
    each(
        groups.len(),
        || (),
        |(), n| {
            let rows = &slice(&x)[n * ROWS * d_in..rows.min((n + 1) * ROWS) * d_in];
            groups[n].get_or_init(|| {
                vectorized(
                    #[inline(always)]
                    || Inputs::of(rows, d_in),
                )
            });
        },
    );
    let mut out = Vec::with_capacity(rows * d_out);
    let target = Target::new(out.as_mut_ptr(), d_out);
    let tile = |panel: &mut Panel<U>, n: usize| {
        let columns = n * outputs..d_out.min((n + 1) * outputs);
        for first in (0..blocks).step_by(CHUNK) {
            let chunk = first..blocks.min(first + CHUNK);
            vectorized(
                #[inline(always)]
                || panel.fill(weight, columns.clone(), chunk.clone()),
            );
            for (n, inputs) in groups.iter().filter_map(OnceLock::get).enumerate() {
                // SAFETY: numbers may be zero, and `kernel` was chosen for this machine.
                let mut found: Out<U, ROWS> = unsafe { std::mem::zeroed() };
                unsafe { kernel(inputs, panel, chunk.clone(), &mut found) };
                for (row, found) in (n * ROWS..rows).zip(&mut found) {
                    let found = &numbers(found)[..columns.len()];
                    // SAFETY: `columns` of `out`, which has room for all rows; no two tiles share one.
                    unsafe { target.from(row * d_out + columns.start).put(found, first > 0) };
                }
            }
        }
    };
    each(d_out.div_ceil(outputs), || Panel { pairs: vec![], scales: vec![], minima: vec![] }, tile);
    // SAFETY: the tiles wrote every column of every row.
    unsafe { out.set_len(rows * d_out) };
    Tensor::from_primitive::<Flex>(tensor(out, vec![rows, d_out]))
}

impl<const ROWS: usize> Inputs<ROWS> {
    /// At most so many rows; the others are 0.
    #[inline(always)]
    pub fn of(rows: &[f32], d_in: usize) -> Self {
        let blocks = d_in / BLOCK;
        let mut all = Self {
            pairs: vec![[0; ROWS]; blocks * PAIRS],
            scales: vec![[0.0; ROWS]; blocks],
            sums: vec![[0.0; ROWS]; blocks],
        };
        for (r, row) in rows.chunks_exact(d_in).enumerate() {
            for (b, block) in row.as_chunks::<BLOCK>().0.iter().enumerate() {
                let (scale, whole) = whole(block);
                all.scales[b][r] = scale;
                // What is no number stays none: it is in the sum, which every output takes part of.
                all.sums[b][r] = sum(block);
                for (i, pair) in all.pairs[b * PAIRS..(b + 1) * PAIRS].iter_mut().enumerate() {
                    pair[r] = u32::from(whole[i] as u16) | u32::from(whole[i + PAIRS] as u16) << 16;
                }
            }
        }
        all
    }
}

/// A block in whole numbers, and what one is worth.
#[inline(always)]
fn whole(block: &[f32; BLOCK]) -> (f32, [i16; BLOCK]) {
    const MOST: f32 = 32_767.0;
    // Loops, because maps of arrays become calls.
    let (mut sizes, mut codes) = ([0.0; BLOCK], [0; BLOCK]);
    for (size, x) in sizes.iter_mut().zip(block) {
        *size = x.abs();
    }
    let most = largest(&sizes);
    // A block of zeros has no scale, and needs none.
    let inverse = if most > f32::MIN_POSITIVE { MOST / most } else { 0.0 };
    for (code, x) in codes.iter_mut().zip(block) {
        *code = (x * inverse + WHOLE).to_bits() as i16;
    }
    (most / MOST, codes)
}

impl<U: Unit> Panel<U> {
    /// Takes these blocks of these outputs, at most as many as there are lanes.
    #[inline(always)]
    fn fill(&mut self, weight: &TensorBytes, outputs: Range<usize>, blocks: Range<usize>) {
        let (count, unit, room) = (blocks.len(), weight.format.unit().1, VECTORS * lanes::<U::Whole>());
        // Outputs that do not exist are multiplied by whatever is there; nobody reads them.
        // SAFETY: numbers may be zero.
        let (words, floats) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        self.pairs.resize(count * PAIRS, words);
        self.scales.resize(count, floats);
        self.minima.resize(count, floats);
        let pairs: &mut [u32] = numbers(self.pairs.as_flattened_mut());
        let scales: &mut [f32] = numbers(self.scales.as_flattened_mut());
        let minima: &mut [f32] = numbers(self.minima.as_flattened_mut());
        for (o, row) in weight.rows().skip(outputs.start).take(outputs.len()).enumerate() {
            let row = row[blocks.start * unit..blocks.end * unit].chunks_exact(unit);
            for (b, block) in row.enumerate() {
                let (scale, minimum, codes) = weight.format.whole(block);
                scales[b * room + o] = scale;
                minima[b * room + o] = minimum;
                let column = pairs[b * PAIRS * room + o..].iter_mut().step_by(room);
                column.zip(codes).for_each(|(place, codes)| *place = codes);
            }
        }
    }
}

/// `ROWS` rows, in these blocks of theirs, times a panel of the same blocks of the weight.
///
/// # Safety
/// The machine has the unit.
#[inline(always)]
unsafe fn kernel<U: Unit, const ROWS: usize>(
    inputs: &Inputs<ROWS>,
    panel: &Panel<U>,
    blocks: Range<usize>,
    out: &mut Out<U, ROWS>,
) {
    let pairs = inputs.pairs[blocks.start * PAIRS..blocks.end * PAIRS].chunks_exact(PAIRS);
    let scales = inputs.scales[blocks.clone()].iter().zip(&inputs.sums[blocks]);
    let weights = panel.pairs.chunks_exact(PAIRS).zip(panel.scales.iter().zip(&panel.minima));
    for ((pairs, (scales, sums)), (codes, (unit, minima))) in pairs.zip(scales).zip(weights) {
        // SAFETY: the caller's promise; numbers may be zero.
        unsafe {
            let mut products: [[U::Whole; VECTORS]; ROWS] = std::mem::zeroed();
            for (pair, codes) in pairs.iter().zip(codes) {
                for r in 0..ROWS {
                    let x = U::splat(pair[r]);
                    for v in 0..VECTORS {
                        products[r][v] = U::add_products(products[r][v], x, codes[v]);
                    }
                }
            }
            for r in 0..ROWS {
                let (scale, sum) = (U::splat_float(scales[r]), U::splat_float(sums[r]));
                for v in 0..VECTORS {
                    let part = U::multiply_add(sum, minima[v], out[r][v]);
                    out[r][v] =
                        U::multiply_add(U::to_float(products[r][v]), U::multiply(scale, unit[v]), part);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::{
        host::tests::wave,
        quant::{Format, Linear, host_product::tests::weight},
    };

    fn numbers(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn it_is_the_product_with_the_expanded_weight() {
        let device = Device::flex();
        for (format, shape) in [
            (Format::Q4_0, [7, 96]),
            (Format::Q4_1, [130, 576]),
            (Format::Q8_0, [64, 64]),
            (Format::Q4_1, [65, 1536]),
        ] {
            let weight = weight(format, shape);
            let expanded = Linear::load(weight.clone(), &device).expanded(&device);
            for rows in [1, 3, 50] {
                // Blocks of very different size, and one number that is far larger than those beside it.
                let mut x = numbers(wave([rows, shape[1]], &device));
                x.chunks_mut(BLOCK).enumerate().for_each(|(n, block)| {
                    for x in block {
                        *x *= [1.0, 1e-3, 0.0][n % 3];
                    }
                });
                x[5] = 200.0;
                let x = Tensor::<2>::from_data(TensorData::new(x, [rows, shape[1]]), &device);
                let Some(found) = product(&x, &weight) else {
                    println!("skipped: this machine has no vector unit for whole numbers");
                    return;
                };
                let expected = numbers(x.matmul(expanded.clone().transpose()));
                for (found, expected) in numbers(found).into_iter().zip(expected) {
                    let off = (found - expected).abs();
                    assert!(off < 1e-4 * expected.abs() + 2e-2, "{format:?} {rows}: {found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn an_input_is_off_by_half_a_step_at_most() {
        let block: [f32; BLOCK] = std::array::from_fn(|i| (i as f32 * 1.7).sin() * 3.0);
        let (scale, codes) = whole(&block);
        assert!(codes.iter().any(|code| code.unsigned_abs() == 32_767), "{codes:?}");
        for (x, code) in block.iter().zip(codes) {
            assert!((x - scale * f32::from(code)).abs() <= scale * 0.51, "{x} {code}");
        }
        assert_eq!(whole(&[0.0; BLOCK]), (0.0, [0; BLOCK]));
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let weight = weight(Format::Q4_1, [4, 64]);
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut x = [0.5; 128];
            x[70] = wrong;
            let x = Tensor::<2>::from_data(TensorData::new(x.to_vec(), [2, 64]), &Device::flex());
            let Some(found) = product(&x, &weight) else { return };
            let found = numbers(found);
            assert!(found[..4].iter().all(|x| x.is_finite()) && found[4..].iter().all(|x| !x.is_finite()));
        }
    }

    #[test]
    fn other_formats_are_left_to_others() {
        let x = wave([9, 64], &Device::flex());
        assert!(product(&x, &weight(Format::Nf4, [4, 64])).is_none());
        assert!(product(&x, &weight(Format::F16, [4, 64])).is_none());
    }
}
