//! The correction of an adapter with a way back of its own, for training on a GPU.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are those of the tensors")]

use burn::tensor::Tensor;
use burn_cubecl::CubeBackend;
use cubecl::prelude::{CubeCount, CubeDim};

use crate::{
    dropout::Kept,
    gpu::{GpuOp, contiguous, cubes, room},
    kernels::{
        LANES,
        dropout::dropout,
        outer_sums::{NARROW, outer_sums},
    },
};

/// `scale x Aᵀ Bᵀ` of `x [tokens, d_in]`, of which some numbers are dropped, `a [rank, d_in]` and `b [d_out, rank]`.
#[derive(Clone, Debug)]
pub(super) struct Correction {
    pub scale: f64,
    /// Which numbers are kept, if not all.
    pub kept: Option<Kept>,
}

impl GpuOp<3, 2> for Correction {
    /// The inputs, and `x Aᵀ [tokens, rank]`.
    type Saved = [Tensor<2>; 4];

    fn forward(&self, [x, a, b]: [Tensor<2>; 3]) -> (Tensor<2>, Self::Saved) {
        let narrow = self.kept_of(x.clone()).matmul(a.clone().transpose());
        let scaled = b.clone().mul_scalar(self.scale);
        (narrow.clone().matmul(scaled.transpose()), [x, a, b, narrow])
    }

    fn backward(&self, [x, a, b, narrow]: Self::Saved, gradient: Tensor<2>) -> [Tensor<2>; 3] {
        let of_narrow = gradient.clone().matmul(b.mul_scalar(self.scale));
        let of_a = over_rows(of_narrow.clone(), self.kept_of(x), 1.0, false);
        let of_b = over_rows(narrow, gradient, self.scale, true);
        [self.kept_of(of_narrow.matmul(a)), of_a, of_b]
    }
}

impl Correction {
    /// What is kept of `x`, larger by what is dropped; the same places each time.
    fn kept_of(&self, x: Tensor<2>) -> Tensor<2> {
        let Some(Kept { share, seed }) = self.kept else { return x };
        let (shape, dim) = (x.dims(), CubeDim::new_1d(256));
        let count = (shape[0] * shape[1]) as u32;
        let x = contiguous(x);
        let out = room(&x, shape);
        unsafe {
            dropout::launch_unchecked(
                &out.client,
                cubes(count, dim),
                dim,
                x.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                count,
                seed as u32,
                (seed >> 32) as u32,
                (share * f64::from(u32::MAX)) as u32,
                (1.0 / share) as f32,
            );
        }
        Tensor::from_primitive::<CubeBackend>(out)
    }
}

/// Rows whose sum is made in one go: a product with few results and a long sum for each would leave most of a GPU without work.
const STRETCH: usize = 64;

/// `factor` times `narrowᵀ wide [rank, width]` of `narrow [rows, rank]` and `wide [rows, width]`, or if `upright` its transpose.
fn over_rows(narrow: Tensor<2>, wide: Tensor<2>, factor: f64, upright: bool) -> Tensor<2> {
    let ([rows, rank], [_, width]) = (narrow.dims(), wide.dims());
    if width % LANES != 0 {
        let (one, other) = if upright { (wide, narrow) } else { (narrow, wide) };
        return one.transpose().matmul(other).mul_scalar(factor);
    }
    let shape = if upright { [width, rank] } else { [rank, width] };
    let (stretches, dim) = (rows.div_ceil(STRETCH), CubeDim::new_1d(256));
    let [narrow, wide] = [narrow, wide].map(contiguous);
    let out = room(&narrow, [stretches, shape[0], shape[1]]);
    let across = (stretches * width / LANES) as u32;
    unsafe {
        outer_sums::launch_unchecked(
            &out.client,
            CubeCount::new_2d(across.div_ceil(dim.num_elems()), rank.div_ceil(NARROW) as u32),
            dim,
            LANES,
            narrow.into_tensor_arg(),
            wide.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            rows as u32,
            STRETCH as u32,
            stretches as u32,
            factor as f32,
            rank,
            width / LANES,
            upright,
        );
    }
    Tensor::<3>::from_primitive::<CubeBackend>(out).sum_dim(0).reshape(shape)
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{gpu, host::tests::wave};

    #[test]
    fn the_correction_equals_the_chain_and_so_do_its_gradients() {
        let Ok(device) = Device::wgpu_options().init() else { return };
        for kept in [None, Some(Kept { share: 0.7, seed: 0x1234_5678_9ABC_DEF0 })] {
            // Ranks below, at and above what a unit works on; a width that vectors do not fill.
            for [rows, d_in, rank, d_out] in [[521, 12, 3, 8], [64, 8, 8, 5], [130, 16, 11, 12]] {
                let correction = Correction { scale: 4.0, kept };
                let ones = Tensor::ones([rows, d_in], &device);
                let mask = correction.kept_of(ones).into_data();
                let run = |device: &Device, of: &dyn Fn([Tensor<2>; 3]) -> Tensor<2>| {
                    let device = device.clone().autodiff();
                    let shapes = [[rows, d_in], [rank, d_in], [d_out, rank]];
                    let inputs = shapes.map(|shape| wave(shape, &device).require_grad());
                    let output = of(inputs.clone());
                    let gradients = (output.clone() * wave(output.dims(), &device)).sum().backward();
                    let grads = inputs.map(|input| input.grad(&gradients).expect("tracked").into_data());
                    [output.into_data()].into_iter().chain(grads).collect::<Vec<_>>()
                };
                let found = run(&device, &|inputs| gpu::apply(correction.clone(), inputs));
                let chain = run(&Device::flex(), &|[x, a, b]| {
                    let x = x.clone() * Tensor::from_data(mask.clone(), &x.device());
                    x.matmul(a.transpose()).matmul(b.transpose()).mul_scalar(4.0)
                });
                for (found, expected) in found.into_iter().zip(chain) {
                    assert_eq!(found.shape(), expected.shape());
                    for (a, b) in found.iter::<f32>().zip(expected.iter::<f32>()) {
                        assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{rows} {rank}: {a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_seed_decides_what_is_kept() {
        let Ok(device) = Device::wgpu_options().init() else { return };
        let kept = |share, seed| -> Vec<f32> {
            let correction = Correction { scale: 1.0, kept: Some(Kept { share, seed }) };
            let ones = correction.kept_of(Tensor::ones([1000, 100], &device));
            ones.into_data().iter::<f32>().collect()
        };
        let some = kept(0.8, 7);
        let dropped = some.iter().filter(|&&number| number == 0.0).count() as f64 / 100_000.0;
        assert!((dropped - 0.2).abs() < 0.005, "{dropped}");
        assert!(some.iter().all(|&number| number == 0.0 || number == 1.25));
        assert_eq!(some, kept(0.8, 7));
        // Seeds that differ in either half agree about as much as chance would have it: .8² + .2².
        for other in [8, 7 | 1 << 32] {
            let other = kept(0.8, other);
            let same = some.iter().zip(&other).filter(|(a, b)| a == b).count() as f64 / 100_000.0;
            assert!((same - 0.68).abs() < 0.01, "{same}");
        }
        // Neighbours in a row and in a column, too.
        for step in [1, 100] {
            let same = some.iter().zip(&some[step..]).filter(|(a, b)| a == b).count() as f64 / 100_000.0;
            assert!((same - 0.68).abs() < 0.01, "{step}: {same}");
        }
    }
}
