//! Rotary embedding (Su et al., arXiv 2104.09864) in place, a pair a unit.

use cubecl::prelude::*;

/// Turns the pairs of `x [tokens, heads, 2 half]` by angles `[tokens, half]`: neighbours if `interleaved`, else the numbers
/// of both halves; `back` turns them back.
#[cube(launch_unchecked)]
pub fn rotate(
    x: &mut Tensor<f32>,
    cos: &Tensor<f32>,
    sin: &Tensor<f32>,
    pairs: u32,
    #[comptime] heads: usize,
    #[comptime] half: usize,
    #[comptime] interleaved: bool,
    #[comptime] back: bool,
) {
    let pair = ABSOLUTE_POS;
    if pair >= pairs as usize {
        terminate!();
    }
    let i = pair % half;
    let row = pair / half;
    let angle = row / heads * half + i;
    let mut one = row * half * 2 + i;
    let mut other = one + half;
    if comptime![interleaved] {
        one += i;
        other = one + 1;
    }
    let a = x[one];
    let b = x[other];
    if comptime![back] {
        x[one] = a * cos[angle] + b * sin[angle];
        x[other] = b * cos[angle] - a * sin[angle];
    } else {
        x[one] = a * cos[angle] - b * sin[angle];
        x[other] = a * sin[angle] + b * cos[angle];
    }
}
