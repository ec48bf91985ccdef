//! `RMSNorm` (Zhang and Sennrich, arXiv 1910.07467) in one dispatch, a row a cube: its units add what they found in workgroup
//! memory, which every adapter has.

use cubecl::prelude::*;

use super::LANES;

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
            squares += lanes_sum::<N>(x[first + i] * x[first + i]);
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

/// The gradient of `x` from that of the output: with `h = gradient * gain` and `scale = 1 / sqrt(mean(x²) + eps)` it is
/// `scale (h - x scale² mean(h x))`.
#[cube(launch_unchecked)]
pub fn rms_norm_back<N: Size>(
    x: &Tensor<Vector<f32, N>>,
    gain: &Tensor<Vector<f32, N>>,
    gradient: &Tensor<Vector<f32, N>>,
    out: &mut Tensor<Vector<f32, N>>,
    eps: f32,
    #[comptime] vectors: usize,
) {
    let first = CUBE_POS * vectors;
    let unit = UNIT_POS as usize;
    let mut squares = Vector::new(0.0f32);
    let mut products = Vector::new(0.0f32);
    #[unroll]
    for n in 0..comptime![vectors.div_ceil(UNITS)] {
        let i = unit + n * UNITS;
        if i < vectors {
            squares += x[first + i] * x[first + i];
            products += x[first + i] * gradient[first + i] * gain[i];
        }
    }
    let mut square_parts = Shared::<[f32]>::new_slice(UNITS);
    let mut product_parts = Shared::<[f32]>::new_slice(UNITS);
    square_parts[unit] = lanes_sum::<N>(squares);
    product_parts[unit] = lanes_sum::<N>(products);
    sync_cube();
    let mut square = f32::new(0.0);
    let mut product = f32::new(0.0);
    for n in 0..UNITS {
        square += square_parts[n];
        product += product_parts[n];
    }
    let count = comptime![(vectors * LANES) as f32];
    let scale = f32::inverse_sqrt(square / count + eps);
    let pull = Vector::new(scale * scale * product / count);
    let scale = Vector::new(scale);
    #[unroll]
    for n in 0..comptime![vectors.div_ceil(UNITS)] {
        let i = unit + n * UNITS;
        if i < vectors {
            out[first + i] = scale * (gradient[first + i] * gain[i] - x[first + i] * pull);
        }
    }
}

/// The sum of a vector's [`LANES`].
#[cube]
pub(super) fn lanes_sum<N: Size>(x: Vector<f32, N>) -> f32 {
    x.extract(0usize) + x.extract(1usize) + x.extract(2usize) + x.extract(3usize)
}
