//! Loops over many numbers that become vector instructions: compiled for each kind of vector unit, and reductions that go in
//! lanes, because the order of additions is part of a program's meaning and a sum in one lane waits for every step.

use std::array;

/// Lanes of a reduction: some vectors, so that one step does not wait for the one before.
const LANES: usize = 32;

/// Runs a computation compiled for the vector unit at hand. The closure, and what it calls, must be `#[inline(always)]`: what is
/// a function of its own is compiled for the oldest.
#[inline(always)]
pub(crate) fn vectorized<T>(compute: impl FnOnce() -> T) -> T {
    pulp::Arch::new().dispatch(compute)
}

/// Sum of products of as many numbers.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    merge(sums, |a, b| a + b) + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Sum.
#[inline(always)]
pub(crate) fn sum(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += chunk[lane];
        }
    }
    merge(sums, |a, b| a + b) + rest.iter().sum::<f32>()
}

/// The largest; negative infinity of none.
#[inline(always)]
pub(crate) fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    most[..rest.len()].copy_from_slice(rest);
    for chunk in chunks {
        for lane in 0..LANES {
            most[lane] = larger(chunk[lane], most[lane]);
        }
    }
    merge(most, larger)
}

/// One number of all lanes, halving them.
#[inline(always)]
fn merge(lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    // Written out: a loop over halves would keep the lanes in memory all the time.
    let half: [f32; 16] = array::from_fn(|n| join(lanes[n], lanes[n + 16]));
    let quarter: [f32; 8] = array::from_fn(|n| join(half[n], half[n + 8]));
    let [a, b, c, d] = array::from_fn(|n| join(quarter[n], quarter[n + 4]));
    join(join(a, c), join(b, d))
}

/// 1.5 · 2²³: a sum with it holds the nearest whole number in its last bits.
pub(crate) const WHOLE: f32 = 12_582_912.0;

/// eˣ to a few units in the last place, without a call or a branch, so that loops over it become vector
/// instructions (range reduction and polynomial of Cephes' `expf`). Below -87 it stays at 1.6e-38.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let n = shifted - WHOLE;
    let r = x - n * LN_2.0 - n * LN_2.1;
    let series = ((((1.987_569_1e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r
        + 1.666_666_6e-1)
        * r
        + 0.5;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(WHOLE.to_bits() as i32).wrapping_add(127);
    (series * r * r + r + 1.0) * f32::from_bits((exponent << 23) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_that_of_the_library() {
        for n in -8700..8800 {
            let x = n as f32 / 100.0;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 3e-7, "exp({x}) = {found}, not {expected}");
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37 && exp(f32::NAN).is_nan() && exp(0.0) == 1.0);
    }

    #[test]
    fn reductions_are_those_of_one_lane() {
        let values: Vec<f32> = (0..200).map(|n| (n as f32 * 0.7).sin() - 0.1).collect();
        for len in [0, 1, 31, 32, 33, 64, 200] {
            let (a, b) = (&values[..len], &values[200 - len..]);
            let product: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum();
            assert!((f64::from(dot(a, b)) - product).abs() < 1e-4, "{len}");
            let total: f64 = a.iter().copied().map(f64::from).sum();
            assert!((f64::from(sum(a)) - total).abs() < 1e-4, "{len}");
            let most = a.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(a), most, "{len}");
        }
    }
}
