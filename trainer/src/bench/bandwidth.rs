//! How fast this machine reads memory with all its threads: the floor of everything that reads a table once.

use std::hint::black_box;

use rayon::prelude::*;

use super::median_seconds;

/// Numbers a thread sums at a time.
const CHUNK: usize = 1 << 16;
/// Sums held at a time, so that additions do not wait for each other.
const LANES: usize = 64;

/// Bytes a second at which a table of so many numbers is read; larger than the caches, if the floor is to
/// be that of main memory.
///
/// # Errors
/// None in practice.
pub fn read_bandwidth(numbers: usize, repeats: usize) -> anyhow::Result<f64> {
    let table: Vec<f32> = (0..numbers).map(|n| n as f32).collect();
    let seconds = median_seconds(repeats, || {
        let sum: f32 = table.par_chunks(CHUNK).map(sum).sum();
        black_box(sum);
        Ok(())
    })?;
    Ok(4.0 * numbers as f64 / seconds)
}

fn sum(chunk: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for part in chunk.chunks_exact(LANES) {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += value;
        }
    }
    sums.iter().sum()
}
