//! `RMSNorm` (Zhang and Sennrich, arXiv 1910.07467) in one dispatch, a row a cube: its units add what they found in workgroup
//! memory, which every adapter has.

use cubecl::prelude::*;

/// Numbers in a vector load.
pub const LANES: usize = 4;
/// Units that share a row.
pub const UNITS: usize = 64;

/// `out = x / sqrt(mean(x²) + eps) * gain`, all rows of `vectors` vectors.
#[cube(launch_unchecked)]
pub fn rms_norm<N: Size>(
    x: &Tensor<Vector<f32, N>>,
    gain: &Tensor<Vector<f32, N>>,
    out: &mut Tensor<Vector<f32, N>>,
    eps: f32,
    #[comptime] vectors: usize,
) {
    let first = CUBE_POS * vectors;
    let unit = UNIT_POS as usize;
    let mut squares = f32::new(0.0);
    #[unroll]
    for n in 0..comptime![vectors.div_ceil(UNITS)] {
        let i = unit + n * UNITS;
        if i < vectors {
            let square = x[first + i] * x[first + i];
            squares += square.extract(0usize)
                + square.extract(1usize)
                + square.extract(2usize)
                + square.extract(3usize);
        }
    }
    let mut parts = Shared::<[f32]>::new_slice(UNITS);
    parts[unit] = squares;
    sync_cube();
    let mut sum = f32::new(0.0);
    for n in 0..UNITS {
        sum += parts[n];
    }
    let count = comptime![(vectors * LANES) as f32];
    let scale = Vector::new(f32::inverse_sqrt(sum / count + eps));
    #[unroll]
    for n in 0..comptime![vectors.div_ceil(UNITS)] {
        let i = unit + n * UNITS;
        if i < vectors {
            out[first + i] = x[first + i] * scale * gain[i];
        }
    }
}
