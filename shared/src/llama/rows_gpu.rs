//! Norm and rotation on a GPU: launches the kernels.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are those of the tensors")]

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, ops::numeric::empty_device_contiguous_dtype};
use cubecl::prelude::{CubeCount, CubeDim};

use super::config::RopePairs;
use crate::{
    kernels::{
        rms_norm::{LANES, UNITS, rms_norm},
        rotate::rotate,
    },
    quant::{cube_tensor, cubes, exclusive},
};

/// [`super::norm::RmsNorm`] of `x [tokens, d_model]` with a gain `[1, d_model]`.
///
/// # Panics
/// Panics if `d_model` is no multiple of 4.
pub(super) fn norm(x: Tensor<2>, gain: &Tensor<2>, eps: f64) -> Tensor<2> {
    let [tokens, d_model] = x.dims();
    assert_eq!(d_model % LANES, 0, "d_model {d_model} must be a multiple of {LANES}");
    let (x, gain) = (into_contiguous(cube_tensor(x)), into_contiguous(cube_tensor(gain.clone())));
    let shape = [tokens, d_model].into();
    let out = empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape, DType::F32);
    unsafe {
        rms_norm::launch_unchecked(
            &out.client,
            CubeCount::new_1d(tokens as u32),
            CubeDim::new_1d(UNITS as u32),
            LANES,
            x.into_tensor_arg(),
            gain.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            eps as f32,
            d_model / LANES,
        );
    }
    Tensor::from_primitive::<CubeBackend>(out)
}

/// Heads `x [tokens, n, d_head]` turned by angles whose cosines and sines are `[tokens, 1, d_head / 2]`, in place.
pub(super) fn rotated(x: Tensor<3>, cos: &Tensor<3>, sin: &Tensor<3>, pairs: RopePairs) -> Tensor<3> {
    let [tokens, heads, d_head] = x.dims();
    let half = d_head / 2;
    let (x, units, dim) = (exclusive(x), (tokens * heads * half) as u32, CubeDim::new_1d(64));
    let table = |table: &Tensor<3>| into_contiguous(cube_tensor(table.clone()));
    unsafe {
        rotate::launch_unchecked(
            &x.client,
            cubes(units, dim),
            dim,
            x.clone().into_tensor_arg(),
            table(cos).into_tensor_arg(),
            table(sin).into_tensor_arg(),
            units,
            heads,
            half,
            pairs == RopePairs::Interleaved,
        );
    }
    Tensor::from_primitive::<CubeBackend>(x)
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use burn::tensor::Device;

    use super::{
        super::{config::LlamaConfig, norm::RmsNorm, rope::Rope},
        *,
    };
    use crate::{host::tests::wave, quant::Format, weights::TensorBytes};

    fn close<const D: usize>(found: Tensor<D>, expected: Tensor<D>) {
        for (a, b) in found.into_data().iter::<f32>().zip(expected.into_data().iter::<f32>()) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn a_norm_of_more_vectors_than_a_cube_has_units() {
        let Ok(gpu) = Device::wgpu_options().init() else { return };
        let (cpu, d_model) = (Device::flex(), LANES * (UNITS + 1));
        let gain: Vec<u8> = (0..d_model).flat_map(|n| (n as f32 / 100.0).to_le_bytes()).collect();
        let all = 0..gain.len();
        let gain = TensorBytes::new(gain.into(), all, Format::F32, [1, d_model]);
        let x = wave([5, d_model], &cpu);
        let on = |device: &Device| {
            RmsNorm::load(&gain, 1e-5, device).forward(Tensor::from_data(x.to_data(), device))
        };
        close(on(&gpu), on(&cpu));
    }

    #[test]
    fn both_rotary_conventions_and_nobody_elses_numbers_change() {
        let Ok(gpu) = Device::wgpu_options().init() else { return };
        for rope_pairs in [RopePairs::Interleaved, RopePairs::HalfSplit] {
            let config = LlamaConfig {
                n_vocab: 1,
                d_model: 12,
                n_layers: 1,
                n_heads: 3,
                n_kv_heads: 3,
                d_head: 4,
                d_ff: 4,
                max_len: 99,
                rope_theta: 100.0,
                rope_pairs,
                norm_eps: 1e-5,
            };
            let x = wave([50, 3, 4], &Device::flex());
            let on = |device: &Device, x| Rope::new(&config, 7..57, device).apply(x);
            let there: Tensor<3> = Tensor::from_data(x.to_data(), &gpu);
            close(on(&gpu, there.clone()), on(&Device::flex(), x.clone()));
            assert_eq!(there.into_data(), x.into_data());
        }
    }
}
