//! Sums over many rows of what two matrices have there, one of them narrow: the gradients of an adapter's matrices.

use cubecl::prelude::*;

use super::LANES;

/// Columns of the narrow matrix that a unit works on.
pub const NARROW: usize = 8;

/// `factor` times the sum over rows of `narrow [rows, rank]` times `wide [rows, vectors]`, for each stretch of `each` rows: `out
/// [stretches, rank, wide]`, or if `upright` `[stretches, wide, rank]`. A unit has a vector of the wide one and, by the cube's
/// second place, [`NARROW`] columns of the narrow one.
#[cube(launch_unchecked)]
pub fn outer_sums<N: Size>(
    narrow: &Tensor<f32>,
    wide: &Tensor<Vector<f32, N>>,
    out: &mut Tensor<f32>,
    rows: u32,
    each: u32,
    stretches: u32,
    factor: f32,
    #[comptime] rank: usize,
    #[comptime] vectors: usize,
    #[comptime] upright: bool,
) {
    let unit = (CUBE_POS_X * CUBE_DIM_X + UNIT_POS_X) as usize;
    let stretch = unit / vectors;
    let vector = unit % vectors;
    let column = CUBE_POS_Y as usize * NARROW;
    if stretch >= stretches as usize {
        terminate!();
    }
    let mut sums = Array::<Vector<f32, N>>::new(NARROW);
    #[unroll]
    for n in 0..NARROW {
        sums[n] = Vector::new(0.0f32);
    }
    let first = stretch as u32 * each;
    for row in first..min(first + each, rows) {
        let x = wide[row as usize * vectors + vector];
        #[unroll]
        for n in 0..NARROW {
            // Beyond the last column the last is read again and not written.
            sums[n] += x * Vector::new(narrow[row as usize * rank + min(column + n, rank - 1)]);
        }
    }
    let from = stretch * comptime![rank * vectors * LANES];
    #[unroll]
    for n in 0..NARROW {
        if column + n < rank {
            #[unroll]
            for lane in 0..LANES {
                let place = vector * LANES + lane;
                let mut to = from + (column + n) * comptime![vectors * LANES] + place;
                if comptime![upright] {
                    to = from + place * rank + column + n;
                }
                out[to] = sums[n].extract(lane) * factor;
            }
        }
    }
}
