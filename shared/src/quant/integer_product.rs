//! Products with blocks of whole numbers on a CPU: inputs become 16-bit whole numbers, 32 under one scale, so that a block of
//! them times a block of codes is summed exactly and scaled once. A vector unit multiplies twice as many 16-bit numbers as
//! floats, and a rounded input is off by at most 1/65,534 of the largest beside it.
//!
//! (Inputs in 8 bits, as llama.cpp has them, would be faster still, and coarser than the weights deserve.)
#![allow(unsafe_code, reason = "vector instructions; threads write to columns of one array")]

use std::ops::Range;

use burn::{backend::Flex, tensor::Tensor};

use super::{
    BLOCK, Format,
    blocks::nibble_pair,
    input::Input,
    integer_inputs::{Inputs, PAIRS},
    integer_unit::{Unit, Work, here, lanes, numbers},
};
use crate::{
    host::tensor,
    lanes::vectorized,
    matmul::{Target, each},
    team::{self, Product, Task},
    weights::TensorBytes,
};

/// Blocks of a row that are multiplied at a time, so that a tile's stay in the nearest cache.
const CHUNK: usize = 24;

/// An input `[rows, d_in]` times the transposed weight `[d_out, d_in]`, in host memory without autodiff: `[rows, d_out]`; nothing
/// if the weight is not of whole numbers, or the machine has no vector unit for them. A team ([`team`]) helps if it keeps the
/// weight, at `kept`.
pub(super) fn product(input: &Input, weight: &TensorBytes, kept: Option<usize>) -> Option<Tensor<2>> {
    let here = here().filter(|_| weight.format.is_whole())?;
    Some(here.run(Multiply(input, weight, kept)))
}

struct Multiply<'a>(&'a Input, &'a TensorBytes, Option<usize>);

impl Work for Multiply<'_> {
    type Done = Tensor<2>;
    fn on<U: Unit, const ROWS: usize>(self) -> Tensor<2> {
        multiply::<U, ROWS>(self.0, self.1, self.2)
    }
}

/// One that does parts of such products for others; nothing if the machine has no vector unit for them.
pub(crate) fn product_help() -> Option<Box<dyn ProductHelp>> {
    struct Helper;
    impl Work for Helper {
        type Done = Box<dyn ProductHelp>;
        fn on<U: Unit, const ROWS: usize>(self) -> Box<dyn ProductHelp> {
            Box::new(Help::<U, ROWS> { panel: Panel::default(), out: Vec::new() })
        }
    }
    Some(here()?.run(Helper))
}

/// Words of four bytes in the codes of 4 bits of a block.
const FOURS: usize = PAIRS / 4;
/// Vectors of outputs of a tile.
const VECTORS: usize = 2;

/// Blocks of the weight of as many outputs as `VECTORS` vectors have lanes.
struct Panel<U: Unit> {
    /// `[blocks, PAIRS]`
    pairs: Vec<[U::Whole; VECTORS]>,
    /// `[blocks]`
    scales: Vec<[U::Float; VECTORS]>,
    /// `[blocks]`
    minima: Vec<[U::Float; VECTORS]>,
    /// Bytes of codes of 4 bits, four in a word: `[blocks, FOURS, outputs]`
    bytes: Vec<u32>,
}

/// Some rows of some outputs.
type Out<U, const ROWS: usize> = [[<U as Unit>::Float; VECTORS]; ROWS];

/// All inputs.
struct Factor<'a, const ROWS: usize> {
    /// Groups of `ROWS` rows; those behind the last are 0.
    words: &'a [u32],
    rows: usize,
    d_in: usize,
}

/// Outputs of a tile.
const fn outputs<U: Unit>() -> usize {
    VECTORS * lanes::<U::Whole>()
}

impl<const ROWS: usize> Factor<'_, ROWS> {
    /// Multiplies with some outputs, at most a tile's, whose blocks these are.
    ///
    /// # Safety
    /// `target` has places for them in every row, which nobody else uses meanwhile; the machine has the unit.
    unsafe fn tile<U: Unit>(
        &self,
        panel: &mut Panel<U>,
        format: Format,
        blocks: &[u8],
        count: usize,
        target: Target,
    ) {
        let (row, all) = (blocks.len() / count, self.d_in / BLOCK);
        for first in (0..all).step_by(CHUNK) {
            let chunk = first..all.min(first + CHUNK);
            vectorized(
                #[inline(always)]
                || panel.fill(format, blocks.chunks_exact(row), chunk.clone()),
            );
            for (n, words) in self.words.chunks_exact(Inputs::<ROWS>::words(self.d_in)).enumerate() {
                let inputs = Inputs::of(words, self.d_in);
                // SAFETY: numbers may be zero; the places are the caller's promise, and the first chunk writes all of them.
                unsafe {
                    let mut found: Out<U, ROWS> = std::mem::zeroed();
                    let rows = n * ROWS..self.rows.min((n + 1) * ROWS);
                    U::compiled(
                        #[inline(always)]
                        || {
                            if first > 0 {
                                for (row, found) in rows.clone().zip(&mut found) {
                                    target.row(row).read(found, count);
                                }
                            }
                            kernel(inputs, panel, chunk.clone(), &mut found);
                            for (row, found) in rows.zip(&found) {
                                target.row(row).write(found, count);
                            }
                        },
                    );
                }
            }
        }
    }
}

/// Rows in whole numbers, `ROWS` in a group.
fn write<const ROWS: usize>(input: &Input) -> Vec<u32> {
    let [rows, d_in] = input.shape();
    let (groups, group) = (rows.div_ceil(ROWS), Inputs::<ROWS>::words(d_in));
    let numbers = input.rows();
    let mut words = Vec::with_capacity(groups * group);
    let to = Target::new(words.spare_capacity_mut().as_mut_ptr(), group);
    let write = |scratch: &mut Vec<f32>, n: usize| {
        let numbers = numbers.some(n * ROWS..rows.min((n + 1) * ROWS), d_in, scratch);
        // SAFETY: every group has words of its own.
        let words = unsafe { to.row(n).slice(group) };
        vectorized(
            #[inline(always)]
            || Inputs::<ROWS>::write(numbers, d_in, words),
        );
    };
    each(groups, Vec::new, write);
    // SAFETY: all words of all groups were written.
    unsafe { words.set_len(groups * group) };
    words
}

fn multiply<U: Unit, const ROWS: usize>(
    input: &Input,
    weight: &TensorBytes,
    kept: Option<usize>,
) -> Tensor<2> {
    let ([rows, d_in], [d_out, _]) = (input.shape(), weight.shape);
    let (format, outputs) = (weight.format, outputs::<U>());
    let words = input.whole(write::<ROWS>);
    let factor = Factor::<ROWS> { words, rows, d_in };
    let mut out = Vec::with_capacity(rows * d_out);
    let target = Target::new(out.as_mut_ptr(), d_out);
    let row = weight.bytes().len() / d_out.max(1);
    let tile = |panel: &mut Panel<U>, n: usize| {
        let columns = n * outputs..d_out.min((n + 1) * outputs);
        let blocks = &weight.bytes()[columns.start * row..columns.end * row];
        // SAFETY: `columns` of `out`, which has room for all rows; no two tiles share one. The unit is that of this machine.
        unsafe { factor.tile(panel, format, blocks, columns.len(), target.from(columns.start)) };
    };
    let shared = kept.is_some_and(|weight| {
        let product = Product { format, d_in, d_out, rows, weight, outputs };
        let mut panel = Panel::default();
        let (task, mut own) = (Task::Product(product.clone()), |part| tile(&mut panel, part));
        team::share(&task, || words, &mut own, &mut |part, numbers| {
            let columns = product.columns(part);
            for (row, numbers) in numbers.chunks_exact(columns.len()).enumerate() {
                // SAFETY: as above; no part is done twice.
                unsafe { target.row(row).from(columns.start).put(numbers) };
            }
        })
    });
    if !shared {
        each(d_out.div_ceil(outputs), Panel::default, tile);
    }
    // SAFETY: the tiles wrote every column of every row.
    unsafe { out.set_len(rows * d_out) };
    Tensor::from_primitive::<Flex>(tensor(out, vec![rows, d_out]))
}

/// One that does parts of products for others.
pub(crate) trait ProductHelp {
    /// Numbers `[rows, outputs]`; nothing if inputs or blocks are not what the task says.
    fn part(&mut self, task: &Product, inputs: &[u32], part: usize, blocks: &[u8]) -> Option<&[f32]>;
}

/// The same on a kind of machine.
struct Help<U: Unit, const ROWS: usize> {
    panel: Panel<U>,
    out: Vec<f32>,
}

impl<U: Unit, const ROWS: usize> ProductHelp for Help<U, ROWS> {
    fn part(&mut self, task: &Product, words: &[u32], part: usize, blocks: &[u8]) -> Option<&[f32]> {
        let Product { format, d_in, rows, outputs, .. } = *task;
        let known = outputs == self::outputs::<U>()
            && words.len() == rows.div_ceil(ROWS) * Inputs::<ROWS>::words(d_in)
            && blocks.len() == task.blocks(part).len();
        if !known {
            return None;
        }
        let count = task.columns(part).len();
        self.out.clear();
        self.out.resize(rows * count, 0.0);
        let target = Target::new(self.out.as_mut_ptr(), count);
        let factor = Factor::<ROWS> { words, rows, d_in };
        // SAFETY: `out` has just these places; the unit is that of this machine.
        unsafe { factor.tile(&mut self.panel, format, blocks, count, target) };
        Some(&self.out)
    }
}

impl<U: Unit> Default for Panel<U> {
    fn default() -> Self {
        Self { pairs: Vec::new(), scales: Vec::new(), minima: Vec::new(), bytes: Vec::new() }
    }
}

impl<U: Unit> Panel<U> {
    /// Takes these blocks of these rows of the weight, at most as many as there are lanes.
    #[inline(always)]
    fn fill<'a>(&mut self, format: Format, rows: impl Iterator<Item = &'a [u8]>, blocks: Range<usize>) {
        let (count, unit, room) = (blocks.len(), format.unit().1, VECTORS * lanes::<U::Whole>());
        // Outputs that do not exist are multiplied by whatever is there; nobody reads them.
        // SAFETY: numbers may be zero.
        let (words, floats) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        self.pairs.resize(count * PAIRS, words);
        self.scales.resize(count, floats);
        self.minima.resize(count, floats);
        self.bytes.resize(count * FOURS * room, 0);
        let pairs: &mut [u32] = numbers(self.pairs.as_flattened_mut());
        let scales: &mut [f32] = numbers(self.scales.as_flattened_mut());
        let minima: &mut [f32] = numbers(self.minima.as_flattened_mut());
        for (o, row) in rows.enumerate() {
            let row = row[blocks.start * unit..blocks.end * unit].chunks_exact(unit);
            for (b, block) in row.enumerate() {
                let (scale, minimum, codes) = format.whole(block);
                scales[b * room + o] = scale;
                minima[b * room + o] = minimum;
                if format.has_nibbles() {
                    let column = self.bytes[b * FOURS * room + o..].iter_mut().step_by(room);
                    for (place, four) in column.zip(codes.as_chunks::<4>().0) {
                        *place = u32::from_le_bytes(*four);
                    }
                } else {
                    let column = pairs[b * PAIRS * room + o..].iter_mut().step_by(room);
                    for (place, pair) in column.zip(format.pairs(codes)) {
                        *place = pair;
                    }
                }
            }
        }
        if format.has_nibbles() {
            // One output after another every word went to a place far from the last; beside one another outputs fill vectors.
            for (fours, pairs) in self.bytes.chunks_exact(room).zip(pairs.chunks_exact_mut(4 * room)) {
                for (n, pairs) in pairs.chunks_exact_mut(room).enumerate() {
                    for (pair, four) in pairs.iter_mut().zip(fours) {
                        *pair = nibble_pair(four >> (8 * n) & 0xff);
                    }
                }
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
    inputs: Inputs<ROWS>,
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
                let [scale, sum] = [scales[r], sums[r]].map(|bits| U::splat_float(f32::from_bits(bits)));
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
                let Some(found) = product(&Input::of(x.clone()), &weight, None) else {
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
    #[cfg(target_arch = "x86_64")]
    fn one_instruction_for_product_and_sum_changes_no_bit() {
        use super::super::integer_unit::x86::{Avx2, Avx512};

        let (x, weight) = (wave([50, 576], &Device::flex()), weight(Format::Q4_1, [130, 576]));
        let check = |fused: Tensor<2>, apart: Tensor<2>| {
            let (fused, apart) = (numbers(fused), numbers(apart));
            assert!(fused.iter().any(|&number| number != 0.0));
            assert_eq!(fused, apart);
        };
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vnni") {
            check(
                multiply::<Avx512<true>, 8>(&Input::of(x.clone()), &weight, None),
                multiply::<Avx512<false>, 8>(&Input::of(x.clone()), &weight, None),
            );
        } else {
            println!("skipped: this machine has no AVX-512 VNNI");
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni") {
            check(
                multiply::<Avx2<true>, 4>(&Input::of(x.clone()), &weight, None),
                multiply::<Avx2<false>, 4>(&Input::of(x.clone()), &weight, None),
            );
        } else {
            println!("skipped: this machine has no AVX-VNNI");
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let weight = weight(Format::Q4_1, [4, 64]);
        for wrong in [f32::NAN, f32::INFINITY] {
            let mut x = [0.5; 128];
            x[70] = wrong;
            let x = Tensor::<2>::from_data(TensorData::new(x.to_vec(), [2, 64]), &Device::flex());
            let Some(found) = product(&Input::of(x.clone()), &weight, None) else { return };
            let found = numbers(found);
            assert!(found[..4].iter().all(|x| x.is_finite()) && found[4..].iter().all(|x| !x.is_finite()));
        }
    }

    #[test]
    fn other_formats_are_left_to_others() {
        let x = wave([9, 64], &Device::flex());
        assert!(product(&Input::of(x.clone()), &weight(Format::Nf4, [4, 64]), None).is_none());
        assert!(product(&Input::of(x.clone()), &weight(Format::F16, [4, 64]), None).is_none());
    }
}
