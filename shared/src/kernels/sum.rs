//! A sum of two tensors without gaps between rows.

use cubecl::prelude::*;

/// `out = a + b`, all of `vectors` vectors.
#[cube(launch_unchecked)]
pub fn sum<N: Size>(
    a: &Tensor<Vector<f32, N>>,
    b: &Tensor<Vector<f32, N>>,
    out: &mut Tensor<Vector<f32, N>>,
    vectors: u32,
) {
    if ABSOLUTE_POS >= vectors as usize {
        terminate!();
    }
    out[ABSOLUTE_POS] = a[ABSOLUTE_POS] + b[ABSOLUTE_POS];
}
