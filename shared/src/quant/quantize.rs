//! Numbers as blocks: the way back of [`Format::dequantize`], with ggml's choice of scales
//! (`ggml-quants.c`, the reference quantizers).

use half::f16;

use super::{BLOCK, Format, nf4};

impl Format {
    /// Appends the rows of a matrix with so many columns in this format to `out`.
    ///
    /// # Panics
    /// Panics if the rows are not whole blocks ([`Format::unit`]).
    pub fn quantize(self, values: &[f32], cols: usize, out: &mut Vec<u8>) {
        let bytes = self.bytes(values.len() / cols, cols).filter(|_| values.len().is_multiple_of(cols));
        let Some(bytes) = bytes else {
            panic!("{} numbers in rows of {cols} are not whole blocks", values.len());
        };
        out.reserve(bytes);
        for row in values.chunks_exact(cols) {
            self.quantize_row(row, out);
        }
    }

    fn quantize_row(self, row: &[f32], out: &mut Vec<u8>) {
        if self == Self::Nf4 {
            return nf4::quantize(row, out);
        }
        for block in row.chunks_exact(self.unit().0) {
            match self {
                Self::Nf4 => unreachable!("a row of it is more than its blocks"),
                Self::F32 => out.extend(block[0].to_le_bytes()),
                Self::F16 => out.extend(f16::from_f32(block[0]).to_le_bytes()),
                Self::Q4_0 => q4_0(block, out),
                Self::Q4_1 => q4_1(block, out),
                Self::Q8_0 => q8_0(block, out),
            }
        }
    }
}

/// The number farthest from zero gets code 0, which stands for -8 scales.
fn q4_0(block: &[f32], out: &mut Vec<u8>) {
    let farthest = block.iter().copied().fold(0.0f32, |far, x| if x.abs() > far.abs() { x } else { far });
    let scale = stored(farthest / -8.0, out);
    nibbles(block, |x| x / scale + 8.0, out);
}

/// The least number gets code 0, the largest 15.
fn q4_1(block: &[f32], out: &mut Vec<u8>) {
    let least = block.iter().copied().fold(f32::INFINITY, f32::min);
    let largest = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scale = stored((largest - least) / 15.0, out);
    let least = stored(least, out);
    nibbles(block, |x| (x - least) / scale, out);
}

fn q8_0(block: &[f32], out: &mut Vec<u8>) {
    let farthest = block.iter().fold(0.0f32, |far, x| far.max(x.abs()));
    let scale = stored(farthest / 127.0, out);
    out.extend(block.iter().map(|x| (x / scale).round().clamp(-127.0, 127.0) as i8 as u8));
}

/// Writes an f16 and gives the number that a reader will see, so that codes are chosen for that one.
fn stored(x: f32, out: &mut Vec<u8>) -> f32 {
    let x = f16::from_f32(x.clamp(-65_504.0, 65_504.0));
    out.extend(x.to_le_bytes());
    x.to_f32()
}

/// Codes 0 to 15, number i in the low and number i + 16 in the high half of byte i. A scale of zero makes codes
/// of NaN, which become 0.
fn nibbles(block: &[f32], code: impl Fn(f32) -> f32, out: &mut Vec<u8>) {
    let code = |x: f32| code(x).round().clamp(0.0, 15.0) as u8;
    let (low, high) = block.split_at(BLOCK / 2);
    out.extend(low.iter().zip(high).map(|(&low, &high)| code(low) | (code(high) << 4)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn back(format: Format, values: &[f32]) -> Vec<f32> {
        let (mut bytes, mut out) = (Vec::new(), vec![0.0; values.len()]);
        format.quantize(values, values.len(), &mut bytes);
        format.dequantize(&bytes, 0, &mut out);
        out
    }

    #[test]
    fn numbers_on_the_grid_come_back() {
        let values: Vec<f32> = (0..64u8).map(|n| f32::from(n % 16) * 0.5 - 4.0).collect();
        assert_eq!(back(Format::Q4_1, &values), values);
        assert_eq!(back(Format::Q4_0, &values), values);
        let values: Vec<f32> = (0..32u8).map(|n| f32::from(n) * 4.0 + 3.0).collect();
        assert_eq!(back(Format::Q8_0, &values), values);
        for format in [Format::Q4_0, Format::Q4_1, Format::Q8_0, Format::F16] {
            assert_eq!(back(format, &[0.0; BLOCK]), [0.0; BLOCK]);
        }
    }

    proptest! {
        #[test]
        fn no_number_is_off_by_more_than_half_a_step(values in prop::collection::vec(-3.0f32..3.0, BLOCK)) {
            let largest = values.iter().fold(0.0f32, |far, x| far.max(x.abs()));
            let (low, high) = values.iter().fold((9.0f32, -9.0f32), |(low, high), &x| (low.min(x), high.max(x)));
            // Half a step, the rounding of scale and minimum to f16, and for Q4_0 the code that is not there: +8.
            for (format, step) in [
                (Format::Q4_0, 2.0 * largest / 8.0),
                (Format::Q4_1, (high - low) / 15.0),
                (Format::Q8_0, largest / 127.0),
                (Format::F16, largest / 1024.0),
            ] {
                for (x, found) in values.iter().zip(back(format, &values)) {
                    prop_assert!((x - found).abs() <= step * 0.5 + largest * 0.002, "{format:?}: {x} {found}");
                }
            }
        }
    }
}
