//! Norm, rotation and gate on a GPU: launches the kernels.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are those of the tensors")]

use burn::tensor::Tensor;
use burn_cubecl::CubeBackend;
use cubecl::prelude::{CubeCount, CubeDim};

use super::config::RopePairs;
#[cfg(feature = "train")]
use crate::kernels::{rms_norm::rms_norm_back, swiglu::swiglu_back};
use crate::{
    gpu::{GpuOp, contiguous, cubes, exclusive, room},
    kernels::{
        LANES,
        rms_norm::{UNITS, rms_norm},
        rotate::rotate,
        swiglu::swiglu,
    },
};

/// [`super::norm::RmsNorm`] of `x [tokens, d_model]`; `d_model` must be a multiple of 4.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    /// `[1, d_model]`
    pub gain: Tensor<2>,
    pub eps: f64,
}

impl GpuOp<1, 2> for Norm {
    type Saved = Tensor<2>;

    fn forward(&self, [x]: [Tensor<2>; 1]) -> (Tensor<2>, Tensor<2>) {
        let [tokens, d_model] = x.dims();
        assert_eq!(d_model % LANES, 0, "d_model {d_model} must be a multiple of {LANES}");
        let (saved, x, gain) = (x.clone(), contiguous(x), contiguous(self.gain.clone()));
        let out = room(&x, [tokens, d_model]);
        unsafe {
            rms_norm::launch_unchecked(
                &out.client,
                CubeCount::new_1d(tokens as u32),
                CubeDim::new_1d(UNITS as u32),
                LANES,
                x.into_tensor_arg(),
                gain.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                self.eps as f32,
                d_model / LANES,
            );
        }
        (Tensor::from_primitive::<CubeBackend>(out), saved)
    }

    #[cfg(feature = "train")]
    fn backward(&self, x: Tensor<2>, gradient: Tensor<2>) -> [Tensor<2>; 1] {
        let [tokens, d_model] = x.dims();
        let [x, gain, gradient] = [x, self.gain.clone(), gradient].map(contiguous);
        let out = room(&x, [tokens, d_model]);
        unsafe {
            rms_norm_back::launch_unchecked(
                &out.client,
                CubeCount::new_1d(tokens as u32),
                CubeDim::new_1d(UNITS as u32),
                LANES,
                x.into_tensor_arg(),
                gain.into_tensor_arg(),
                gradient.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                self.eps as f32,
                d_model / LANES,
            );
        }
        [Tensor::from_primitive::<CubeBackend>(out)]
    }
}

/// Heads `x [tokens, n, d_head]` turned by angles whose cosines and sines are `[tokens, 1, d_head / 2]`, in place.
#[derive(Clone, Debug)]
pub(super) struct Rotation {
    pub cos: Tensor<3>,
    pub sin: Tensor<3>,
    pub pairs: RopePairs,
}

impl Rotation {
    fn turn(&self, x: Tensor<3>, back: bool) -> Tensor<3> {
        let [tokens, heads, d_head] = x.dims();
        let half = d_head / 2;
        let (x, units, dim) = (exclusive(x), (tokens * heads * half) as u32, CubeDim::new_1d(64));
        unsafe {
            rotate::launch_unchecked(
                &x.client,
                cubes(units, dim),
                dim,
                x.clone().into_tensor_arg(),
                contiguous(self.cos.clone()).into_tensor_arg(),
                contiguous(self.sin.clone()).into_tensor_arg(),
                units,
                heads,
                half,
                self.pairs == RopePairs::Interleaved,
                back,
            );
        }
        Tensor::from_primitive::<CubeBackend>(x)
    }
}

impl GpuOp<1, 3> for Rotation {
    type Saved = ();

    fn forward(&self, [x]: [Tensor<3>; 1]) -> (Tensor<3>, ()) {
        (self.turn(x, false), ())
    }

    #[cfg(feature = "train")]
    fn backward(&self, (): (), gradient: Tensor<3>) -> [Tensor<3>; 1] {
        [self.turn(gradient, true)]
    }
}

/// The gate of `SwiGLU`: `silu(gate) * up`.
#[derive(Clone, Debug)]
pub(super) struct Gate;

impl GpuOp<2, 2> for Gate {
    type Saved = [Tensor<2>; 2];

    fn forward(&self, inputs: [Tensor<2>; 2]) -> (Tensor<2>, Self::Saved) {
        let ([tokens, d_ff], dim) = (inputs[0].dims(), CubeDim::new_1d(256));
        let count = (tokens * d_ff) as u32;
        let [gate, up] = inputs.clone().map(contiguous);
        let out = room(&gate, [tokens, d_ff]);
        unsafe {
            swiglu::launch_unchecked(
                &out.client,
                cubes(count, dim),
                dim,
                gate.into_tensor_arg(),
                up.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                count,
            );
        }
        (Tensor::from_primitive::<CubeBackend>(out), inputs)
    }

    #[cfg(feature = "train")]
    fn backward(&self, inputs: Self::Saved, gradient: Tensor<2>) -> [Tensor<2>; 2] {
        let ([tokens, d_ff], dim) = (inputs[0].dims(), CubeDim::new_1d(256));
        let count = (tokens * d_ff) as u32;
        let ([gate, up], of_up) = (inputs.map(contiguous), exclusive(gradient));
        let of_gate = room(&gate, [tokens, d_ff]);
        unsafe {
            swiglu_back::launch_unchecked(
                &of_gate.client,
                cubes(count, dim),
                dim,
                gate.into_tensor_arg(),
                up.into_tensor_arg(),
                of_up.clone().into_tensor_arg(),
                of_gate.clone().into_tensor_arg(),
                count,
            );
        }
        [of_gate, of_up].map(Tensor::from_primitive::<CubeBackend>)
    }
}

#[cfg(all(test, feature = "wgpu", feature = "train"))]
mod tests {
    use burn::tensor::Device;

    use super::{
        super::{config::LlamaConfig, norm::RmsNorm, rope::Rope},
        *,
    };
    use crate::{host::tests::wave, quant::Format, weights::TensorBytes};

    /// On a GPU an operation gives what it gives on the CPU, with its gradient.
    fn same<const D: usize>(gpu: &Device, shape: [usize; D], of: impl Fn(&Device, Tensor<D>) -> Tensor<D>) {
        let run = |device: &Device| {
            let x = wave(shape, &device.clone().autodiff()).require_grad();
            let output = of(device, x.clone());
            let gradients = (output.clone() * wave(output.dims(), &output.device())).sum().backward();
            [output.into_data(), x.grad(&gradients).expect("tracked").into_data()]
        };
        for (found, expected) in run(gpu).into_iter().zip(run(&Device::flex())) {
            for (a, b) in found.iter::<f32>().zip(expected.iter::<f32>()) {
                assert!((a - b).abs() < 1e-4 * (1.0 + b.abs()), "{a} {b}");
            }
        }
    }

    #[test]
    fn a_norm_of_more_vectors_than_a_cube_has_units() {
        let Ok(gpu) = Device::wgpu_options().init() else { return };
        let d_model = LANES * (UNITS + 1);
        let gain: Vec<u8> = (0..d_model).flat_map(|n| (n as f32 / 100.0).to_le_bytes()).collect();
        let all = 0..gain.len();
        let gain = TensorBytes::new(gain.into(), all, Format::F32, [1, d_model]);
        same(&gpu, [5, d_model], |device, x| RmsNorm::load(&gain, 1e-5, device).forward(x));
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
            same(&gpu, [50, 3, 4], |device, x| Rope::new(&config, 7..57, device).apply(x));
            let x = wave([50, 3, 4], &gpu);
            Rope::new(&config, 7..57, &gpu).apply(x.clone());
            assert_eq!(x.into_data(), wave([50, 3, 4], &Device::flex()).into_data());
        }
    }
}
