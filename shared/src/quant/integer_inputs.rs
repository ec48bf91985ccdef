//! Inputs of a product in 16-bit whole numbers, 32 under one scale: what [`super::integer_product`] and [`super::integer_row`]
//! multiply.

use std::mem::MaybeUninit;

use super::BLOCK;
use crate::lanes::{WHOLE, sum};

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

    /// Writes all of the words: rows, at most so many, and zeros for those that are missing.
    #[inline(always)]
    pub fn write(rows: &[f32], d_in: usize, words: &mut [MaybeUninit<u32>]) {
        // Whoever calls this takes them for written.
        assert_eq!(words.len(), Self::words(d_in), "words of {ROWS} rows of {d_in} numbers");
        let blocks = d_in / BLOCK;
        let (pairs, others) = words.as_chunks_mut::<ROWS>().0.split_at_mut(blocks * PAIRS);
        let (scales, sums) = others.split_at_mut(blocks);
        for r in 0..ROWS {
            let row = rows.get(r * d_in..(r + 1) * d_in).unwrap_or_default().as_chunks::<BLOCK>().0;
            for b in 0..blocks {
                let block = row.get(b).unwrap_or(&[0.0; BLOCK]);
                let (scale, whole) = whole(block);
                scales[b][r].write(scale.to_bits());
                sums[b][r].write(sum(block).to_bits());
                for (i, pair) in pairs[b * PAIRS..(b + 1) * PAIRS].iter_mut().enumerate() {
                    pair[r].write(u32::from(whole[i] as u16) | u32::from(whole[i + PAIRS] as u16) << 16);
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

/// A block in whole numbers, and what one is worth: no number if any of them is none, or infinite.
#[inline(always)]
fn whole(block: &[f32; BLOCK]) -> (f32, [i16; BLOCK]) {
    const MOST: f32 = 32_767.0;
    // Sizes are in the order of their bits, and the largest of whole numbers is found in vectors, that of floats is not.
    let (mut most, mut codes) = (0, [0; BLOCK]);
    for x in block {
        most = most.max(x.abs().to_bits());
    }
    let most = f32::from_bits(most);
    // A block of zeros has no scale, and needs none.
    let inverse = if most > f32::MIN_POSITIVE { MOST / most } else { 0.0 };
    // A loop, because a map of an array becomes a call.
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

    #[test]
    fn what_is_no_number_stays_none() {
        for wrong in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut block = [1.0; BLOCK];
            block[7] = wrong;
            let (scale, codes) = whole(&block);
            assert!(
                codes.iter().all(|&code| (scale * f32::from(code)).is_nan()),
                "{wrong}: {scale} {codes:?}"
            );
        }
    }

    #[test]
    #[allow(unsafe_code, reason = "reads words that were written")]
    fn rows_that_are_missing_are_zeros() {
        let (d_in, row) = (2 * BLOCK, [1.0; 2 * BLOCK]);
        let mut words = vec![MaybeUninit::new(u32::MAX); Inputs::<4>::words(d_in)];
        Inputs::<4>::write(&row, d_in, &mut words);
        // SAFETY: they were something before.
        let words: Vec<u32> = words.into_iter().map(|word| unsafe { word.assume_init() }).collect();
        let Inputs { pairs, scales, sums } = Inputs::<4>::of(&words, d_in);
        assert!(pairs.iter().all(|pair| *pair == [0x7fff_7fff, 0, 0, 0]), "{pairs:?}");
        let bits = |number: f32| [number.to_bits(), 0, 0, 0];
        assert_eq!(scales, [bits(1.0 / 32_767.0); 2]);
        assert_eq!(sums, [bits(32.0); 2]);
    }
}
