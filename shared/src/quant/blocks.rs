//! Block formats: those of ggml (`ggml-common.h`, `ggml-quants.c`), where 32 numbers share a scale, and NF4.

use half::f16;

use super::nf4;

/// Numbers in a block of ggml's.
pub const BLOCK: usize = 32;

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Little-endian f32.
    F32,
    /// Little-endian f16.
    F16,
    /// f16 scale d, 16 bytes of nibbles q: `d * (q - 8)`. Low nibbles are numbers 0–15, high 16–31.
    Q4_0,
    /// f16 scale d, f16 minimum m, 16 bytes of nibbles q: `d * q + m`. Nibble order as `Q4_0`.
    Q4_1,
    /// f16 scale d, 32 signed bytes q: `d * q`.
    Q8_0,
    /// 64 4-bit codes of normal quantiles under an 8-bit maximum, which is a share of the row's f32 (`nf4`).
    Nf4,
}

/// Our own type number in GGUF files: ggml has no NF4, and its numbers are small.
const NF4: u32 = 0x4e46_3400;

/// The code of 4 bits that stands for zero.
const MIDDLE: u32 = 8;

/// The two codes of 4 bits in a byte, around zero, as the low and high 16 bits of a word.
#[inline(always)]
pub(super) fn nibble_pair(byte: u32) -> u32 {
    (byte & 15).wrapping_sub(MIDDLE) & 0xffff | (byte >> 4).wrapping_sub(MIDDLE) << 16
}

impl Format {
    /// The format of ggml's type number.
    pub fn from_ggml(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            8 => Self::Q8_0,
            NF4 => Self::Nf4,
            _ => return None,
        })
    }

    /// ggml's type number.
    pub fn to_ggml(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q8_0 => 8,
            Self::Nf4 => NF4,
        }
    }

    /// Numbers and bytes of the smallest unit.
    pub const fn unit(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 => (1, 2),
            Self::Q4_0 => (BLOCK, 18),
            Self::Q4_1 => (BLOCK, 20),
            Self::Q8_0 => (BLOCK, 34),
            Self::Nf4 => (nf4::BLOCK, nf4::BYTES),
        }
    }

    /// Bytes of a row before its units.
    const fn header(self) -> usize {
        match self {
            Self::Nf4 => nf4::HEADER,
            _ => 0,
        }
    }

    /// Bytes of a `[rows, cols]` tensor; `None` if a row is not whole blocks or the size overflows.
    pub fn bytes(self, rows: usize, cols: usize) -> Option<usize> {
        let (numbers, bytes) = self.unit();
        if !cols.is_multiple_of(numbers) {
            return None;
        }
        (cols / numbers).checked_mul(bytes)?.checked_add(self.header())?.checked_mul(rows)
    }

    /// Whether a block is whole numbers under one scale ([`Self::whole`]).
    pub(crate) fn is_whole(self) -> bool {
        matches!(self, Self::Q4_0 | Self::Q4_1 | Self::Q8_0)
    }

    /// Whether codes have 4 bits, around zero in a block of whole numbers, so that less is to be multiplied.
    pub(super) fn has_nibbles(self) -> bool {
        matches!(self, Self::Q4_0 | Self::Q4_1)
    }

    /// A block as `scale * codes + minimum`: scale, minimum, and the bytes of the codes.
    ///
    /// # Panics
    /// If a block is something else.
    #[inline(always)]
    pub(super) fn whole(self, block: &[u8]) -> (f32, f32, &[u8]) {
        let scale = f16_at(block, 0);
        match self {
            Self::Q4_0 => (scale, 0.0, &block[2..18]),
            Self::Q4_1 => (scale, f16_at(block, 2) + MIDDLE as f32 * scale, &block[4..20]),
            Self::Q8_0 => (scale, 0.0, &block[2..34]),
            _ => panic!("{self:?} is not of whole numbers"),
        }
    }

    /// Codes `i` and `i + 16` of a block of whole numbers as the low and high 16 bits of word `i`.
    #[inline(always)]
    pub(super) fn pairs(self, codes: &[u8]) -> [u32; BLOCK / 2] {
        // Loops, because maps of arrays become calls.
        let mut pairs = [0; BLOCK / 2];
        if self.has_nibbles() {
            for (place, &byte) in pairs.iter_mut().zip(codes) {
                *place = nibble_pair(byte.into());
            }
        } else {
            let (low, high) = codes.split_at(BLOCK / 2);
            for ((place, &low), &high) in pairs.iter_mut().zip(low).zip(high) {
                let code = |byte: u8| i32::from(byte as i8) as u32;
                *place = code(low) & 0xffff | code(high) << 16;
            }
        }
        pairs
    }

    /// Writes the numbers of a row from the one at `from` on to `out`, as many as it holds.
    ///
    /// # Panics
    /// Panics if these are not whole units of the row.
    #[inline(always)]
    pub fn dequantize(self, row: &[u8], from: usize, out: &mut [f32]) {
        let (numbers, unit) = self.unit();
        let whole = from.is_multiple_of(numbers) && out.len().is_multiple_of(numbers);
        let (first, units) = (from / numbers, out.len() / numbers);
        assert!(whole, "{} numbers from {from} on are not whole units of {self:?}", out.len());
        let start = self.header() + first * unit;
        let blocks = row[start..start + units * unit].chunks_exact(unit).zip(out.chunks_exact_mut(numbers));
        match self {
            Self::Nf4 => nf4::expand(row, first, out),
            Self::F32 => {
                for (block, out) in blocks {
                    out[0] = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
                }
            }
            Self::F16 => {
                for (block, out) in blocks {
                    out[0] = f16::from_le_bytes([block[0], block[1]]).to_f32();
                }
            }
            Self::Q4_0 => {
                for (block, out) in blocks {
                    let scale = f16_at(block, 0);
                    nibbles(&block[2..], scale, -8.0 * scale, out);
                }
            }
            Self::Q4_1 => {
                for (block, out) in blocks {
                    nibbles(&block[4..], f16_at(block, 0), f16_at(block, 2), out);
                }
            }
            Self::Q8_0 => {
                for (block, out) in blocks {
                    let scale = f16_at(block, 0);
                    for (out, &code) in out.iter_mut().zip(&block[2..]) {
                        *out = scale * f32::from(code as i8);
                    }
                }
            }
        }
    }
}

/// A finite f16. Without branches or calls, so that loops over blocks become vector instructions: shifting puts exponent and
/// fraction in place, the factor 2¹¹² corrects the exponent's bias (127 - 15), subnormal numbers included.
#[inline(always)]
fn f16_at(block: &[u8], at: usize) -> f32 {
    const BIAS: f32 = f32::from_bits((112 + 127) << 23);
    let bits = u32::from(u16::from_le_bytes([block[at], block[at + 1]]));
    f32::from_bits(f32::to_bits(f32::from_bits((bits & 0x7fff) << 13) * BIAS) | (bits & 0x8000) << 16)
}

#[inline(always)]
fn nibbles(codes: &[u8], scale: f32, min: f32, out: &mut [f32]) {
    let (low, high) = out.split_at_mut(BLOCK / 2);
    for ((&code, low), high) in codes.iter().zip(low).zip(high) {
        *low = scale * f32::from(code & 15) + min;
        *high = scale * f32::from(code >> 4) + min;
    }
}

/// `Q4_0` blocks as `Q4_1` blocks of the same numbers: the minimum is -8 scales, exact in f16.
#[cfg(any(feature = "wgpu", feature = "cuda", test))]
pub(crate) fn q4_0_to_q4_1(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 18 * 20);
    for block in bytes.chunks_exact(18) {
        let scale = f16::from_le_bytes([block[0], block[1]]);
        out.extend(scale.to_le_bytes());
        out.extend(f16::from_f32(-8.0 * scale.to_f32()).to_le_bytes());
        out.extend(&block[2..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(head: &[f32], codes: impl Iterator<Item = u8>) -> Vec<u8> {
        let mut bytes: Vec<u8> = head.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect();
        bytes.extend(codes);
        bytes
    }

    #[test]
    fn hand_computed_blocks() {
        let mut out = [0.0; BLOCK];
        // Byte i holds number i in its low nibble and number i + 16 in its high nibble.
        let codes = || (0..16u8).map(|i| i | ((15 - i) << 4));
        Format::Q4_0.dequantize(&block(&[0.5], codes()), 0, &mut out);
        assert_eq!((out[0], out[3], out[16], out[31]), (-4.0, -2.5, 3.5, -4.0));
        Format::Q4_1.dequantize(&block(&[0.5, -1.0], codes()), 0, &mut out);
        assert_eq!((out[0], out[3], out[16], out[31]), (-1.0, 0.5, 6.5, -1.0));
        Format::Q8_0.dequantize(&block(&[0.25], (0..32).map(|i: u8| i.wrapping_sub(4))), 0, &mut out);
        assert_eq!((out[0], out[4], out[31]), (-1.0, 0.0, 6.75));
    }

    #[test]
    fn every_finite_f16_is_read_exactly() {
        for bits in (0..=u16::MAX).filter(|&bits| f16::from_bits(bits).is_finite()) {
            let (found, expected) = (f16_at(&bits.to_le_bytes(), 0), f16::from_bits(bits).to_f32());
            assert_eq!(found.to_bits(), expected.to_bits(), "{bits:#x}");
        }
    }

    #[test]
    fn sizes_are_checked() {
        assert_eq!(Format::Q4_1.bytes(3, 64), Some(120));
        assert_eq!(Format::Q4_1.bytes(3, 65), None);
        assert_eq!(Format::F32.bytes(usize::MAX, 2), None);
        // 4.125 bits a number and 4 bytes a row.
        assert_eq!(Format::Nf4.bytes(3, 128), Some(3 * (4 + 66)));
        assert_eq!(Format::Nf4.bytes(3, 96), None);
    }

    #[test]
    fn blocks_in_whole_numbers_are_the_same_blocks() {
        let codes = || (0..32u8).map(|i| i.wrapping_mul(37));
        for (format, block) in [
            (Format::Q4_0, block(&[0.125], codes().take(16))),
            (Format::Q4_1, block(&[0.125, -0.75], codes().take(16))),
            (Format::Q8_0, block(&[0.25], codes())),
        ] {
            let mut expected = [0.0; BLOCK];
            format.dequantize(&block, 0, &mut expected);
            let (scale, minimum, codes) = format.whole(&block);
            let pairs = format.pairs(codes);
            let number = |code: u32| scale * f32::from(code as i16) + minimum;
            for (i, pair) in pairs.into_iter().enumerate() {
                assert_eq!(
                    (number(pair), number(pair >> 16)),
                    (expected[i], expected[i + 16]),
                    "{format:?} {i}"
                );
            }
        }
    }

    #[test]
    fn q4_0_becomes_q4_1_without_loss() {
        let q4_0 = block(&[0.123], (0..16).map(|i| i * 13));
        let (mut before, mut after) = ([0.0; BLOCK], [0.0; BLOCK]);
        Format::Q4_0.dequantize(&q4_0, 0, &mut before);
        Format::Q4_1.dequantize(&q4_0_to_q4_1(&q4_0), 0, &mut after);
        assert_eq!(before, after);
    }
}
