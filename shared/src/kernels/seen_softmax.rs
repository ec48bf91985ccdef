//! The softmax over what a query sees, and its way back, each in one pass and in place: a row a cube, whose units add what they
//! found in workgroup memory.

use cubecl::prelude::*;

/// Units that share a row.
pub const UNITS: usize = 64;

/// Softmax of `scores [layouts, heads, queries, keys]` over the keys that `sights [layouts, queries, 4]` names: first key and
/// number of one stretch, first key and number of another. Others get nothing.
#[cube(launch_unchecked)]
pub fn seen_softmax(
    scores: &mut Tensor<f32>,
    sights: &Tensor<u32>,
    rows: u32,
    heads: u32,
    queries: u32,
    keys: u32,
) {
    let row = CUBE_POS;
    if row >= rows as usize {
        terminate!();
    }
    let heads = heads as usize;
    let queries = queries as usize;
    let keys = keys as usize;
    let unit = UNIT_POS as usize;
    let sight = (row / (heads * queries) * queries + row % queries) * 4;
    let shared = sights[sight] as usize;
    let shared_end = shared + sights[sight + 1] as usize;
    let own = sights[sight + 2] as usize;
    let own_end = own + sights[sight + 3] as usize;
    let first = row * keys;

    let mut parts = Shared::<[f32]>::new_slice(UNITS);
    let mut largest = f32::new(-1.0e30);
    let mut key = unit;
    while key < keys {
        if (key >= shared && key < shared_end) || (key >= own && key < own_end) {
            largest = max(largest, scores[first + key]);
        }
        key += UNITS;
    }
    parts[unit] = largest;
    sync_cube();
    for n in 0..UNITS {
        largest = max(largest, parts[n]);
    }
    // The workgroup memory may be given to the sum's parts next.
    sync_cube();

    let mut sum = f32::new(0.0);
    key = unit;
    while key < keys {
        let mut share = f32::new(0.0);
        if (key >= shared && key < shared_end) || (key >= own && key < own_end) {
            share = (scores[first + key] - largest).exp();
        }
        scores[first + key] = share;
        sum += share;
        key += UNITS;
    }
    let total = sum_of_units(sum);
    key = unit;
    while key < keys {
        // A query sees its largest score, so its total is 1 at least; a place without a query sees nothing.
        scores[first + key] /= max(total, 1.0f32);
        key += UNITS;
    }
}

/// The gradient of the scores in the place of that of the weights, both `[rows, keys]`: `w (g - sum(w g))`.
#[cube(launch_unchecked)]
pub fn softmax_back(weights: &Tensor<f32>, gradient: &mut Tensor<f32>, rows: u32, keys: u32) {
    let row = CUBE_POS;
    if row >= rows as usize {
        terminate!();
    }
    let keys = keys as usize;
    let unit = UNIT_POS as usize;
    let first = row * keys;
    let mut sum = f32::new(0.0);
    let mut key = unit;
    while key < keys {
        sum += weights[first + key] * gradient[first + key];
        key += UNITS;
    }
    let total = sum_of_units(sum);
    key = unit;
    while key < keys {
        gradient[first + key] = weights[first + key] * (gradient[first + key] - total);
        key += UNITS;
    }
}

/// The sum of what the units of a cube found.
#[cube]
fn sum_of_units(own: f32) -> f32 {
    let mut parts = Shared::<[f32]>::new_slice(UNITS);
    parts[UNIT_POS as usize] = own;
    sync_cube();
    let mut total = f32::new(0.0);
    for n in 0..UNITS {
        total += parts[n];
    }
    total
}
