//! Products with small unquantized matrices.
//!
//! Off the CPU and without autodiff these are one small kernel: Burn's general product chooses its shape by timing, which is off in
//! a browser.
#![cfg_attr(
    any(feature = "wgpu", feature = "cuda"),
    allow(unsafe_code, reason = "the kernel launch skips bounds checks; the sizes are those of the tensors")
)]

use burn::tensor::Tensor;

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use super::is_cpu;

/// `x [tokens, d_in]` times the transposed `w [d_out, d_in]`: `[tokens, d_out]`.
pub(crate) fn times_transposed(x: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if has_kernel(&x) {
        return on_gpu::product(None, x, w, 1.0);
    }
    x.matmul(w.transpose())
}

/// `y [tokens, d_out]` and `scale` times that product; the kernel writes it in the place of `y`.
pub(crate) fn plus_times_transposed(y: Tensor<2>, x: Tensor<2>, w: Tensor<2>, scale: f64) -> Tensor<2> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if has_kernel(&x) {
        return on_gpu::product(Some(y), x, w, scale);
    }
    y + times_transposed(x, w) * scale
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn has_kernel(x: &Tensor<2>) -> bool {
    !is_cpu(&x.device()) && !x.device().is_autodiff()
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod on_gpu {
    use burn::tensor::Tensor;
    use burn_cubecl::CubeBackend;
    use cubecl::prelude::CubeDim;

    use crate::{
        gpu::{contiguous, cubes, exclusive, room},
        kernels::{LANES, dense_product::dense_product, end::End},
    };

    pub(super) fn product(y: Option<Tensor<2>>, x: Tensor<2>, w: Tensor<2>, scale: f64) -> Tensor<2> {
        let ([tokens, d_in], [d_out, _]) = (x.dims(), w.dims());
        let (x, w) = (contiguous(x), contiguous(w));
        let (out, end) = match y {
            Some(y) => (exclusive(y), End::Sum),
            None => (room(&x, [tokens, d_out]), End::Product),
        };
        let lanes = if d_in.is_multiple_of(LANES) { LANES } else { 1 };
        let dim = CubeDim::new_1d(64);
        unsafe {
            dense_product::launch_unchecked(
                &out.client,
                cubes((tokens * d_out) as u32, dim),
                dim,
                lanes,
                x.into_tensor_arg(),
                w.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                tokens as u32,
                d_out as u32,
                (d_in / lanes) as u32,
                scale as f32,
                end as u32,
                lanes,
            );
        }
        Tensor::from_primitive::<CubeBackend>(out)
    }
}
