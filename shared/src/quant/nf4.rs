//! 4-bit NormalFloat with double quantization (`QLoRA`, Dettmers et al. 2023, section 3).
//!
//! 64 numbers share an absolute maximum, which is itself stored in 8 bits as a share of the row's:
//! 4.125 bits a number and 4 bytes a row. Here the second level is a row's, so that every row can be read alone; in
//! the paper it belongs to 256 neighbouring blocks wherever rows end. 8-bit steps are even and begin at zero, the paper's
//! are floating and lie around the mean.

/// Numbers of a block.
pub(super) const BLOCK: usize = 64;
/// Bytes of a block: its maximum's code, then 32 bytes of nibbles, low ones numbers 0–31, high 32–63.
pub(super) const BYTES: usize = 1 + BLOCK / 2;
/// Bytes before the blocks of a row: what one step of the 8-bit codes is worth, f32.
pub(super) const HEADER: usize = 4;

/// What the codes stand for, in shares of the block's maximum: quantiles of the normal distribution, zero among them
/// (appendix E of the paper).
#[expect(clippy::excessive_precision, clippy::unreadable_literal, reason = "as the paper prints them")]
const LEVELS: [f32; 16] = [
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
];

/// The numbers of a row from the block `first` on.
#[inline(always)]
pub(super) fn expand(row: &[u8], first: usize, out: &mut [f32]) {
    let step = f32::from_le_bytes([row[0], row[1], row[2], row[3]]);
    let blocks = row[HEADER + first * BYTES..].chunks_exact(BYTES);
    for (block, out) in blocks.zip(out.chunks_exact_mut(BLOCK)) {
        let levels = LEVELS.map(|level| level * (step * f32::from(block[0])));
        let (low, high) = out.split_at_mut(BLOCK / 2);
        for ((&codes, low), high) in block[1..].iter().zip(low).zip(high) {
            *low = levels[usize::from(codes & 15)];
            *high = levels[usize::from(codes >> 4)];
        }
    }
}

/// Appends a row: each number gets the level nearest to it under the maximum that a reader will see.
pub(super) fn quantize(row: &[f32], out: &mut Vec<u8>) {
    let maximum = |block: &[f32]| block.iter().fold(0.0f32, |far, x| far.max(x.abs()));
    let step = maximum(row) / 255.0;
    out.extend(step.to_le_bytes());
    for block in row.chunks_exact(BLOCK) {
        let code = (maximum(block) / step).round() as u8; // 0 / 0 is no number, and 0.
        out.push(code);
        let maximum = step * f32::from(code);
        let (low, high) = block.split_at(BLOCK / 2);
        out.extend(
            low.iter().zip(high).map(|(&low, &high)| nearest(low / maximum) | nearest(high / maximum) << 4),
        );
    }
}

/// The level nearest to a share; the middle one for what is no number, as in a block of zeros.
fn nearest(share: f32) -> u8 {
    if share.is_nan() {
        return 7;
    }
    LEVELS.windows(2).take_while(|pair| share > f32::midpoint(pair[0], pair[1])).count() as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn back(row: &[f32]) -> Vec<f32> {
        let (mut bytes, mut out) = (Vec::new(), vec![0.0; row.len()]);
        quantize(row, &mut bytes);
        assert_eq!(bytes.len(), HEADER + row.len() / BLOCK * BYTES);
        expand(&bytes, 0, &mut out);
        out
    }

    #[test]
    fn a_hand_computed_row() {
        // Steps of 0.5; maxima of 4 and 2 steps; byte i holds number i and number i + 32.
        let mut row = 0.5f32.to_le_bytes().to_vec();
        for maximum in [4, 2] {
            row.push(maximum);
            row.extend((0..32u8).map(|i| if i < 16 { i | (15 - i) << 4 } else { 0x77 }));
        }
        let mut out = [9.0; 2 * BLOCK];
        expand(&row, 0, &mut out);
        assert_eq!((out[0], out[7], out[15], out[16], out[32], out[47]), (-2.0, 0.0, 2.0, 0.0, 2.0, -2.0));
        assert_eq!(out[BLOCK + 14], LEVELS[14]);
        let mut second = [9.0; BLOCK];
        expand(&row, 1, &mut second);
        assert_eq!(second, out[BLOCK..]);
    }

    #[test]
    fn levels_come_back() {
        let mut row: Vec<f32> = LEVELS.iter().cycle().take(BLOCK).map(|level| level * 510.0).collect();
        row.extend(LEVELS.iter().cycle().take(BLOCK).map(|level| level * 2.0));
        row.extend([0.0; BLOCK]);
        assert_eq!(back(&row), row);
        assert_eq!(back(&[0.0; BLOCK]), [0.0; BLOCK]);
    }

    proptest! {
        #[test]
        fn no_number_is_off_by_more_than_half_the_widest_gap(
            row in prop::collection::vec(-3.0f32..3.0, 3 * BLOCK),
        ) {
            let step = row.iter().fold(0.0f32, |far, x| far.max(x.abs())) / 255.0;
            let found = back(&row);
            for (row, found) in row.chunks(BLOCK).zip(found.chunks(BLOCK)) {
                let maximum = row.iter().fold(0.0f32, |far, x| far.max(x.abs()));
                // Half of the gap between the two lowest levels, and the rounding of the maximum to whole steps.
                let most = (maximum + step) * 0.152 + step;
                for (x, found) in row.iter().zip(found) {
                    prop_assert!((x - found).abs() <= most, "{x} {found}, maximum {maximum}");
                }
            }
        }
    }
}
