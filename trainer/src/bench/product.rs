//! How fast a device multiplies matrices: the floor of everything that is mostly products.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};

/// Products of which the fastest counts, at least; fewer on a device that takes longer than [`LONG`] for them.
const TRIES: usize = 20;
/// A slow device tries twice and then for this long.
const LONG: Duration = Duration::from_secs(3);
/// Rows, width and outputs of the product: large enough for full speed, small enough for caches.
const SHAPE: [usize; 3] = [512, 1024, 1024];

/// Multiplications and additions a second of a product of 32-bit floats with all threads, in the fastest of some tries.
///
/// # Errors
/// A device that fails.
pub fn product_speed(device: &Device, repeats: usize) -> anyhow::Result<f64> {
    let [rows, width, outputs] = SHAPE;
    let random = |shape| Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), device);
    let (x, w) = (random([rows, width]), random([width, outputs]));
    let (mut fastest, begin) = (f64::INFINITY, Instant::now());
    // The first one, which compiles, is not the fastest.
    for tried in 0..=repeats.max(TRIES) {
        if tried > 2 && begin.elapsed() > LONG {
            break;
        }
        let start = Instant::now();
        let y = x.clone().matmul(w.clone());
        // One number read back: a GPU has finished then.
        y.narrow(0, 0, 1).narrow(1, 0, 1).try_into_vec_as::<f32>()?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(2.0 * (rows * width * outputs) as f64 / fastest)
}
