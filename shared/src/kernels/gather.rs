//! Sums of rows that lists name: rows are laid out anew with it, left empty, or brought back together.

use cubecl::prelude::*;

/// `out [rows, vectors]`: each row is `factor` times the sum of the rows of `x` that its list names, which are
/// `places[starts[row]..starts[row + 1]]`.
#[cube(launch_unchecked)]
pub fn gather<N: Size>(
    x: &Tensor<Vector<f32, N>>,
    starts: &Tensor<u32>,
    places: &Tensor<u32>,
    out: &mut Tensor<Vector<f32, N>>,
    rows: u32,
    factor: f32,
    #[comptime] vectors: usize,
) {
    let row = ABSOLUTE_POS / vectors;
    let lane = ABSOLUTE_POS % vectors;
    if row >= rows as usize {
        terminate!();
    }
    let mut sum = Vector::new(0.0f32);
    for n in starts[row]..starts[row + 1] {
        sum += x[places[n as usize] as usize * vectors + lane];
    }
    out[row * vectors + lane] = sum * Vector::new(factor);
}
