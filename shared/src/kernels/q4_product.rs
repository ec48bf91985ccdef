//! The product of activations with `Q4_1` blocks.
//!
//! Every unit holds a tile of [`TOKENS`] × [`OUTPUTS`] results in registers and walks along the input
//! width, expanding each weight once for all its tokens. It needs neither f16 nor subgroups nor workgroup
//! memory, so it runs on every adapter. On a software adapter eight by eight results a unit are 1.4 times as fast as eight by four
//! (`llamarec bench rank --device wgpu`); large GPUs take
//! the kernel in `q4_tiles.rs`.

use cubecl::prelude::*;

use super::end::ended;

/// Tokens of a register tile.
pub const TOKENS: usize = 8;
/// Outputs of a register tile.
pub const OUTPUTS: usize = 8;
/// 32-bit words of a block: scale and minimum in one, 32 nibbles in four.
pub const WORDS: usize = 5;

/// One tile of `out [tokens, outputs]` from `x [tokens, inputs] · wᵀ` and, if there are `ends`, [`super::end::End`].
#[cube(launch_unchecked)]
pub fn q4_product<N: Size>(
    x: &Tensor<Vector<f32, N>>,
    words: &Tensor<u32>,
    out: &mut Tensor<f32>,
    tokens: u32,
    outputs: u32,
    blocks: u32,
    end: u32,
    #[comptime] ends: bool,
) {
    let blocks = blocks as usize;
    let outputs = outputs as usize;
    let tokens = tokens as usize;
    let first_output = ABSOLUTE_POS_X as usize * OUTPUTS;
    let first_token = ABSOLUTE_POS_Y as usize * TOKENS;
    if first_output >= outputs || first_token >= tokens {
        terminate!();
    }

    let mut sums = Array::<f32>::new(TOKENS * OUTPUTS);
    #[unroll]
    for i in 0..TOKENS * OUTPUTS {
        sums[i] = 0.0f32;
    }

    for block in 0..blocks {
        let mut scales = Array::<f32>::new(OUTPUTS);
        let mut mins = Array::<f32>::new(OUTPUTS);
        #[unroll]
        for o in 0..OUTPUTS {
            // Tiles at the edge repeat the last row instead of reading past it.
            let row = min(first_output + o, outputs - 1);
            let head = words[(row * blocks + block) * WORDS];
            scales[o] = f16_bits(head & 0xffff);
            mins[o] = f16_bits(head >> 16);
        }
        // Word w holds numbers 4w..4w+4 in its low nibbles and 16 more in its high nibbles.
        #[unroll]
        for w in 0..4usize {
            let mut low = Array::<Vector<f32, N>>::new(TOKENS);
            let mut high = Array::<Vector<f32, N>>::new(TOKENS);
            #[unroll]
            for t in 0..TOKENS {
                let token = min(first_token + t, tokens - 1);
                let at = (token * blocks + block) * 8 + w;
                low[t] = x[at];
                high[t] = x[at + 4];
            }
            #[unroll]
            for o in 0..OUTPUTS {
                let row = min(first_output + o, outputs - 1);
                let codes = words[(row * blocks + block) * WORDS + 1 + w];
                let scale = scales[o];
                let least = mins[o];
                #[unroll]
                for i in 0..4usize {
                    let shift = comptime![i as u32 * 8];
                    let a = f32::cast_from((codes >> shift) & 15) * scale + least;
                    let b = f32::cast_from((codes >> (shift + 4)) & 15) * scale + least;
                    #[unroll]
                    for t in 0..TOKENS {
                        sums[t * OUTPUTS + o] += low[t].extract(i) * a + high[t].extract(i) * b;
                    }
                }
            }
        }
    }

    #[unroll]
    for t in 0..TOKENS {
        #[unroll]
        for o in 0..OUTPUTS {
            if first_token + t < tokens && first_output + o < outputs {
                let at = (first_token + t) * outputs + first_output + o;
                ended(sums[t * OUTPUTS + o], out, at, end, ends);
            }
        }
    }
}

/// The f32 of an f16's bits, without the f16 feature: finite numbers, subnormal ones included.
#[cube]
pub(super) fn f16_bits(bits: u32) -> f32 {
    // Shifting puts exponent and fraction in place, the factor corrects the exponent's bias (127 - 15).
    let magnitude = f32::reinterpret((bits & 0x7fff) << 13) * 5.192_297e33f32;
    select(bits & 0x8000 == 0, magnitude, -magnitude)
}
