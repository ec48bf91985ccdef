//! Inputs of a product in 16-bit whole numbers, 32 under one scale: what [`super::integer_product`] and [`super::integer_row`]
//! multiply.

use super::BLOCK;
use crate::lanes::{WHOLE, largest, sum};

/// Pairs in a block.
pub(super) const PAIRS: usize = BLOCK / 2;

/// Some rows of the input in whole numbers, as they lie in words: pairs, then scales, then sums. Numbers `i` and `i + 16` of a
/// block are a pair, as 4-bit codes lie in a byte.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a, const ROWS: usize> {
    /// `[blocks, PAIRS, ROWS]`
    pub pairs: &'a [[u32; ROWS]],
    /// What one step is worth, as the bits of a float: `[blocks, ROWS]`.
    pub scales: &'a [[u32; ROWS]],
    /// Sums of the inputs of a block, as the bits of a float: `[blocks, ROWS]`.
    pub sums: &'a [[u32; ROWS]],
}

impl<'a, const ROWS: usize> Inputs<'a, ROWS> {
    /// Number of words for rows so long.
    pub fn words(d_in: usize) -> usize {
        d_in / BLOCK * (PAIRS + 2) * ROWS
    }

    /// Writes rows, at most so many, into words that are 0.
    #[inline(always)]
    pub fn write(rows: &[f32], d_in: usize, words: &mut [u32]) {
        let blocks = d_in / BLOCK;
        let (pairs, others) = words.as_chunks_mut::<ROWS>().0.split_at_mut(blocks * PAIRS);
        let (scales, sums) = others.split_at_mut(blocks);
        for (r, row) in rows.chunks_exact(d_in).enumerate() {
            for (b, block) in row.as_chunks::<BLOCK>().0.iter().enumerate() {
                let (scale, whole) = whole(block);
                scales[b][r] = scale.to_bits();
                // What is no number stays none: it is in the sum, which every output takes part of.
                sums[b][r] = sum(block).to_bits();
                for (i, pair) in pairs[b * PAIRS..(b + 1) * PAIRS].iter_mut().enumerate() {
                    pair[r] = u32::from(whole[i] as u16) | u32::from(whole[i + PAIRS] as u16) << 16;
                }
            }
        }
    }

    /// What was written.
    #[inline(always)]
    pub fn of(words: &'a [u32], d_in: usize) -> Self {
        let blocks = d_in / BLOCK;
        let (pairs, others) = words.as_chunks::<ROWS>().0.split_at(blocks * PAIRS);
        let (scales, sums) = others.split_at(blocks);
        Self { pairs, scales, sums }
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
