//! Measurements of this machine at work, each beside the floor that the hardware sets.

mod bandwidth;
pub mod figure3;
mod parts;
mod product;
pub mod rank;
pub mod retrieve;

pub use bandwidth::read_bandwidth;
pub use product::product_speed;

use std::time::Instant;

/// Median time in seconds of `repeats` calls after one that is not counted.
pub fn median_seconds(repeats: usize, mut work: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    work()?;
    let mut times = Vec::with_capacity(repeats);
    for _ in 0..repeats.max(1) {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(median(times))
}

/// The middle of some times, at least one.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
