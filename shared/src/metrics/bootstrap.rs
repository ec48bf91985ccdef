//! Bootstrap intervals over users (Efron 1979, percentile method).

use serde::{Deserialize, Serialize};

use super::{SplitMix64, mean};

/// A mean and the interval that holds 95 % of its bootstrap replicates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean over all users.
    pub mean: f64,
    /// 2.5 % quantile of the replicates.
    pub low: f64,
    /// 97.5 % quantile of the replicates.
    pub high: f64,
}

/// Interval of the mean of one value a user. The same seed gives the same interval everywhere.
pub fn bootstrap(values: &[f64], replicates: usize, seed: u64) -> Interval {
    let mean = mean(values);
    if values.is_empty() || replicates == 0 {
        return Interval { mean, low: mean, high: mean };
    }
    let mut rng = SplitMix64::new(seed);
    let mut means: Vec<f64> = (0..replicates)
        .map(|_| {
            let sum: f64 = (0..values.len()).map(|_| values[rng.below(values.len())]).sum();
            sum / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let quantile = |q: f64| means[((replicates - 1) as f64 * q).round() as usize];
    Interval { mean, low: quantile(0.025), high: quantile(0.975) }
}

/// Interval of the mean difference `a - b` of two systems measured on the same users.
///
/// Pairing removes what makes users differ from each other, so it resolves smaller differences than two
/// separate intervals do.
///
/// # Panics
/// If the two slices differ in length.
pub fn paired_bootstrap(a: &[f64], b: &[f64], replicates: usize, seed: u64) -> Interval {
    assert_eq!(a.len(), b.len(), "paired values must belong to the same users");
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    bootstrap(&differences, replicates, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_has_the_width_of_two_standard_errors() {
        // 610 users, 61 hits: the standard error is sqrt(.1 * .9 / 610) = .01215.
        let values: Vec<f64> = (0..610).map(|user| f64::from(u8::from(user % 10 == 0))).collect();
        let interval = bootstrap(&values, 2000, 42);
        assert!((interval.mean - 0.1).abs() < 1e-12);
        assert!((interval.high - interval.low - 2.0 * 1.96 * 0.01215).abs() < 0.004, "{interval:?}");
        assert!(interval.low < 0.1 && 0.1 < interval.high);
        assert_eq!(interval, bootstrap(&values, 2000, 42));
        assert_ne!(interval, bootstrap(&values, 2000, 43));
    }

    #[test]
    fn pairing_cancels_what_users_share() {
        let b: Vec<f64> = (0..200).map(|user| f64::from(user % 7)).collect();
        let a: Vec<f64> = b.iter().map(|value| value + 0.25).collect();
        let interval = paired_bootstrap(&a, &b, 200, 1);
        assert_eq!((interval.low, interval.mean, interval.high), (0.25, 0.25, 0.25));
    }

    #[test]
    fn no_users_give_an_empty_interval() {
        assert_eq!(bootstrap(&[], 100, 1), Interval { mean: 0.0, low: 0.0, high: 0.0 });
    }
}
