//! Products with small unquantized matrices.
#![cfg_attr(
    any(feature = "wgpu", feature = "cuda"),
    allow(unsafe_code, reason = "the kernel launch skips bounds checks; the sizes are those of the tensors")
)]

use burn::tensor::Tensor;

use super::is_cpu;

/// `x [tokens, d_in]` times the transposed `w [d_out, d_in]`: `[tokens, d_out]`.
///
/// Off the CPU and without autodiff this is one small kernel: Burn's general product chooses its shape by
/// timing, which is off in a browser.
pub(crate) fn times_transposed(x: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    if is_cpu(&x.device()) || x.device().is_autodiff() {
        return x.matmul(w.transpose());
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return on_gpu(x, w);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    x.matmul(w.transpose())
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn on_gpu(x: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    use burn_cubecl::CubeBackend;
    use cubecl::prelude::CubeDim;

    use crate::{
        gpu::{contiguous, cubes, room},
        kernels::dense_product::dense_product,
    };

    let ([tokens, d_in], [d_out, _]) = (x.dims(), w.dims());
    let (x, w) = (contiguous(x), contiguous(w));
    let out = room(&x, [tokens, d_out]);
    let dim = CubeDim::new_1d(64);
    unsafe {
        dense_product::launch_unchecked(
            &out.client,
            cubes((tokens * d_out) as u32, dim),
            dim,
            x.into_tensor_arg(),
            w.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            tokens as u32,
            d_out as u32,
            d_in as u32,
        );
    }
    Tensor::from_primitive::<CubeBackend>(out)
}
