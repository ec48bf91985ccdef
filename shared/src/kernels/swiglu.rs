//! The gate of `SwiGLU` (Shazeer, arXiv 2002.05202) and its way back, a number a unit.

use cubecl::prelude::*;

/// `out = silu(gate) * up`.
#[cube(launch_unchecked)]
pub fn swiglu(gate: &Tensor<f32>, up: &Tensor<f32>, out: &mut Tensor<f32>, count: u32) {
    if ABSOLUTE_POS >= count as usize {
        terminate!();
    }
    out[ABSOLUTE_POS] = silu(gate[ABSOLUTE_POS]) * up[ABSOLUTE_POS];
}

/// The gradients of both from `gradient`, which takes that of `up`.
#[cube(launch_unchecked)]
pub fn swiglu_back(
    gate: &Tensor<f32>,
    up: &Tensor<f32>,
    gradient: &mut Tensor<f32>,
    of_gate: &mut Tensor<f32>,
    count: u32,
) {
    if ABSOLUTE_POS >= count as usize {
        terminate!();
    }
    let g = gate[ABSOLUTE_POS];
    let share = logistic(g);
    let back = gradient[ABSOLUTE_POS];
    of_gate[ABSOLUTE_POS] = back * up[ABSOLUTE_POS] * share * (1.0f32 + g * (1.0f32 - share));
    gradient[ABSOLUTE_POS] = back * g * share;
}

/// What a gate lets pass of 1.
#[cube]
pub(super) fn silu(gate: f32) -> f32 {
    gate * logistic(gate)
}

#[cube]
fn logistic(x: f32) -> f32 {
    // Bounded, because not every adapter knows infinity.
    1.0f32 / (1.0f32 + (min(-x, 80.0f32)).exp())
}
