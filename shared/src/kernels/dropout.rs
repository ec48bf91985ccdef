//! Dropout (Srivastava et al., JMLR 2014) that a seed alone decides: drawn again on the way back instead of kept.

use cubecl::prelude::*;

/// `out` is `factor` times those of the `count` numbers of `x` for which a hash of place and seed is below `bar`, else 0.
#[cube(launch_unchecked)]
pub fn dropout(
    x: &Tensor<f32>,
    out: &mut Tensor<f32>,
    count: u32,
    seed: u32,
    more_seed: u32,
    bar: u32,
    factor: f32,
) {
    if ABSOLUTE_POS >= count as usize {
        terminate!();
    }
    let bits = mixed(mixed(ABSOLUTE_POS as u32 ^ seed) ^ more_seed);
    let mut kept = f32::new(0.0);
    if bits < bar {
        kept = x[ABSOLUTE_POS] * factor;
    }
    out[ABSOLUTE_POS] = kept;
}

/// A bijection in which every bit hangs on every other (the end of MurmurHash3).
#[cube]
fn mixed(bits: u32) -> u32 {
    let bits = (bits ^ (bits >> 16)) * 0x85EB_CA6B;
    let bits = (bits ^ (bits >> 13)) * 0xC2B2_AE35;
    bits ^ (bits >> 16)
}
