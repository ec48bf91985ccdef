//! The product of activations with `Q4_1` blocks on GPUs with workgroup memory worth its name.
//!
//! A cube fetches a block of inputs of its tokens and expands a block of weights of its outputs once for all its units; each unit
//! then takes numbers from there for its own results. While it multiplies, the next block is on its way. Neither f16 nor
//! subgroups are needed, and at most the 16 KiB of workgroup memory that every WebGPU adapter has.

use cubecl::prelude::*;

use super::{
    end::ended,
    q4_product::{WORDS, f16_bits},
};

/// Units of a cube along the outputs.
pub const ACROSS: usize = 8;
/// Vectors of four numbers in a block.
const VECTORS: usize = 8;

/// How a cube shares its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Units along the tokens, a multiple of 8.
    pub down: usize,
    /// Tokens of a unit's results, each [`Tile::down`] rows after the one before.
    pub tokens: usize,
    /// Outputs of a unit's results, a multiple of 4, each [`ACROSS`] rows after the one before.
    pub outputs: usize,
    /// Units that share the inputs of one result, a divisor of 8 and of [`Tile::tokens`]: work for more units than a small product
    /// has results.
    pub shares: usize,
}

impl Tile {
    /// Tokens and outputs of a cube.
    pub const fn size(&self) -> (usize, usize) {
        (self.down * self.tokens, ACROSS * self.outputs)
    }

    /// Units of a cube.
    #[cfg(test)]
    pub const fn units(&self) -> usize {
        ACROSS * self.down * self.shares
    }

    /// Workgroup memory of a cube.
    #[cfg(test)]
    pub const fn bytes(&self) -> usize {
        (self.down * self.tokens + ACROSS * self.outputs) * VECTORS * 16
    }
}

/// One tile of `out [tokens, outputs]` from `x [tokens, inputs] · wᵀ` and, if there are `ends`, [`super::end::End`]. A cube is
/// [`ACROSS`] × [`Tile::down`] × [`Tile::shares`] units.
#[cube(launch_unchecked)]
pub fn q4_tiles<N: Size>(
    x: &Tensor<Vector<f32, N>>,
    words: &Tensor<u32>,
    out: &mut Tensor<f32>,
    tokens: u32,
    outputs: u32,
    blocks: u32,
    end: u32,
    #[comptime] ends: bool,
    #[comptime] tile: Tile,
) {
    let tile_tokens = comptime![tile.down * tile.tokens];
    let tile_outputs = comptime![ACROSS * tile.outputs];
    let units = comptime![ACROSS * tile.down * tile.shares];
    let tokens = tokens as usize;
    let blocks = blocks as usize;
    let outputs = outputs as usize;
    let first_output = CUBE_POS_X as usize * tile_outputs;
    let first_token = CUBE_POS_Y as usize * tile_tokens;
    let unit = UNIT_POS as usize;
    let across = UNIT_POS_X as usize;
    let down = UNIT_POS_Y as usize;
    let share = UNIT_POS_Z as usize;

    // Inputs, then weights: a row is a block, its vectors in an order that sends neighbouring rows to different banks.
    let weights = comptime![tile_tokens * VECTORS];
    let mut near = Shared::<[Vector<f32, N>]>::new_slice(comptime![(tile_tokens + tile_outputs) * VECTORS]);

    let mut sums = Array::<f32>::new(comptime![tile.tokens * tile.outputs]);
    #[unroll]
    for i in 0..comptime![tile.tokens * tile.outputs] {
        sums[i] = 0.0f32;
    }

    // What a unit fetches of each block.
    let inputs = comptime![tile_tokens * VECTORS / units];
    let code_words = comptime![tile_outputs * 4];
    let codes_each = comptime![code_words.div_ceil(units)];
    let mut fetched = Array::<Vector<f32, N>>::new(inputs);
    let mut codes = Array::<u32>::new(codes_each);
    let mut heads = Array::<u32>::new(codes_each);
    #[unroll]
    for i in 0..inputs {
        let n = unit + i * units;
        let token = min(first_token + n / VECTORS, tokens - 1);
        fetched[i] = x[token * blocks * VECTORS + n % VECTORS];
    }
    #[unroll]
    for i in 0..codes_each {
        let n = unit + i * units;
        let row = min(first_output + n / 4, outputs - 1);
        heads[i] = words[row * blocks * WORDS];
        codes[i] = words[row * blocks * WORDS + 1 + n % 4];
    }

    for block in 0..blocks {
        #[unroll]
        for i in 0..inputs {
            let n = unit + i * units;
            let row = n / VECTORS;
            near[row * VECTORS + ((n % VECTORS) ^ (row % 8))] = fetched[i];
        }
        #[unroll]
        for i in 0..codes_each {
            let n = unit + i * units;
            if n < code_words {
                let row = n / 4;
                let place = weights + row * VECTORS;
                let swap = row % 8;
                let scale = f16_bits(heads[i] & 0xffff);
                let least = f16_bits(heads[i] >> 16);
                // Word w holds numbers 4w..4w+4 in its low nibbles and 16 more in its high nibbles.
                let mut low = Vector::<f32, N>::new(least);
                let mut high = Vector::<f32, N>::new(least);
                #[unroll]
                for b in 0..4usize {
                    let shift = comptime![b as u32 * 8];
                    low.insert(b, f32::cast_from((codes[i] >> shift) & 15) * scale + least);
                    high.insert(b, f32::cast_from((codes[i] >> (shift + 4)) & 15) * scale + least);
                }
                near[place + ((n % 4) ^ swap)] = low;
                near[place + ((n % 4 + 4) ^ swap)] = high;
            }
        }
        sync_cube();

        // After the last block this fetches it again, for nothing.
        let next = min(block + 1, blocks - 1);
        #[unroll]
        for i in 0..inputs {
            let n = unit + i * units;
            let token = min(first_token + n / VECTORS, tokens - 1);
            fetched[i] = x[(token * blocks + next) * VECTORS + n % VECTORS];
        }
        #[unroll]
        for i in 0..codes_each {
            let n = unit + i * units;
            let row = min(first_output + n / 4, outputs - 1);
            heads[i] = words[(row * blocks + next) * WORDS];
            codes[i] = words[(row * blocks + next) * WORDS + 1 + n % 4];
        }

        #[unroll]
        for k in 0..comptime![VECTORS / tile.shares] {
            let vector = share * comptime![VECTORS / tile.shares] + k;
            let mut mine = Array::<Vector<f32, N>>::new(tile.tokens);
            #[unroll]
            for t in 0..tile.tokens {
                mine[t] = near[(down + t * tile.down) * VECTORS + (vector ^ (down % 8))];
            }
            #[unroll]
            for o in 0..tile.outputs {
                let weight = near[weights + (across + o * ACROSS) * VECTORS + (vector ^ across)];
                #[unroll]
                for t in 0..tile.tokens {
                    #[unroll]
                    for i in 0..4usize {
                        sums[t * tile.outputs + o] =
                            fma(mine[t].extract(i), weight.extract(i), sums[t * tile.outputs + o]);
                    }
                }
            }
        }
        sync_cube();
    }

    // The shares of a result meet in the first one's registers.
    let vectors = comptime![tile.tokens * tile.outputs / 4];
    let place = down * ACROSS + across;
    #[unroll]
    for other in 1..tile.shares {
        if share == other {
            #[unroll]
            for i in 0..vectors {
                let mut part = Vector::<f32, N>::new(0.0f32);
                #[unroll]
                for b in 0..4usize {
                    part.insert(b, sums[i * 4 + b]);
                }
                near[i * comptime![ACROSS * tile.down] + place] = part;
            }
        }
        sync_cube();
        if share == 0 {
            #[unroll]
            for i in 0..vectors {
                let part = near[i * comptime![ACROSS * tile.down] + place];
                #[unroll]
                for b in 0..4usize {
                    sums[i * 4 + b] += part.extract(b);
                }
            }
        }
        sync_cube();
    }

    if share == 0 {
        #[unroll]
        for t in 0..tile.tokens {
            #[unroll]
            for o in 0..tile.outputs {
                let token = first_token + down + t * tile.down;
                let output = first_output + across + o * ACROSS;
                if token < tokens && output < outputs {
                    let at = token * outputs + output;
                    ended(sums[t * tile.outputs + o], out, at, end, ends);
                }
            }
        }
    }
}
