//! `Q4_1` blocks as numbers, for the way back through a frozen product.

use cubecl::prelude::*;

use super::q4_product::{WORDS, f16_bits};

/// One word of codes, eight numbers of `out [rows, 32 blocks]`, a unit.
#[cube(launch_unchecked)]
pub fn q4_expand(words: &Tensor<u32>, out: &mut Tensor<f32>, all_blocks: u32) {
    let block = ABSOLUTE_POS / 4;
    let w = ABSOLUTE_POS % 4;
    if block >= all_blocks as usize {
        terminate!();
    }
    let head = words[block * WORDS];
    let scale = f16_bits(head & 0xffff);
    let least = f16_bits(head >> 16);
    let codes = words[block * WORDS + 1 + w];
    let first = block * 32 + w * 4;
    #[unroll]
    for i in 0..4usize {
        let shift = comptime![i as u32 * 8];
        out[first + i] = f32::cast_from((codes >> shift) & 15) * scale + least;
        out[first + 16 + i] = f32::cast_from((codes >> (shift + 4)) & 15) * scale + least;
    }
}
