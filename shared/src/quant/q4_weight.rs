//! A weight in `Q4_1` blocks on a GPU.
//!
//! The blocks go to the device as they are; the kernel expands them while it multiplies, or another one before.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are checked before")]

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::{CubeCount, CubeDim};

use super::BLOCK;
#[cfg(not(target_arch = "wasm32"))]
use crate::gpu::exclusive;
use crate::{
    gpu::{cube_tensor, cubes, room},
    kernels::{
        q4_expand::q4_expand,
        q4_product::{OUTPUTS, TOKENS, WORDS, q4_product},
    },
};

/// Units of a cube along the outputs and along the tokens.
const CUBE: (u32, u32) = (16, 4);

/// A weight `[d_out, d_in]` as blocks in device memory.
#[derive(Clone, Debug)]
pub struct Q4Weight {
    /// `[d_out * d_in / 32 * 5]` words of 32 bits.
    words: Tensor<1, Int>,
    d_out: usize,
    d_in: usize,
}

impl Q4Weight {
    /// Uploads `Q4_1` blocks unchanged.
    pub fn upload(blocks: &[u8], [d_out, d_in]: [usize; 2], device: &Device) -> Self {
        let words: Vec<u32> = blocks
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        debug_assert_eq!(words.len(), d_out * d_in / BLOCK * WORDS);
        let len = words.len();
        let words = Tensor::from_data(TensorData::new(words, [len]), (device, DType::U32));
        Self { words, d_out, d_in }
    }

    /// `x [tokens, d_in]` times the transposed weight: `[tokens, d_out]`.
    pub fn multiply(&self, x: Tensor<2>) -> Tensor<2> {
        let x = cube_tensor(x);
        let out = room(&x, [x.meta.shape()[0], self.d_out]);
        self.product(x, out, false)
    }

    /// The same times `silu(gate)`, `[tokens, d_out]`, in whose place it is written.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn multiply_gated(&self, x: Tensor<2>, gate: Tensor<2>) -> Tensor<2> {
        self.product(cube_tensor(x), exclusive(gate), true)
    }

    fn product(&self, x: CubeTensor, out: CubeTensor, gated: bool) -> Tensor<2> {
        let x = into_contiguous(x);
        let tokens = x.meta.shape()[0];
        let words = self
            .words
            .clone()
            .try_into_primitive::<CubeBackend>()
            .expect("the weight was uploaded to a CubeCL device");
        let count = CubeCount::new_2d(
            (self.d_out.div_ceil(OUTPUTS) as u32).div_ceil(CUBE.0),
            (tokens.div_ceil(TOKENS) as u32).div_ceil(CUBE.1),
        );
        // Sizes are checked in `load` and `forward`; the kernel clamps rows at the ragged edge.
        unsafe {
            q4_product::launch_unchecked(
                &out.client,
                count,
                CubeDim::new_2d(CUBE.0, CUBE.1),
                4,
                x.clone().into_tensor_arg(),
                words.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                tokens as u32,
                self.d_out as u32,
                self.d_in / BLOCK,
                gated,
            );
        }
        Tensor::from_primitive::<CubeBackend>(out)
    }

    /// The weight as numbers: `[d_out, d_in]`.
    pub fn expanded(&self) -> Tensor<2> {
        let words = self
            .words
            .clone()
            .try_into_primitive::<CubeBackend>()
            .expect("the weight was uploaded to a CubeCL device");
        let out = room(&words, [self.d_out, self.d_in]);
        let blocks = (self.d_out * self.d_in / BLOCK) as u32;
        let dim = CubeDim::new_1d(256);
        unsafe {
            q4_expand::launch_unchecked(
                &out.client,
                cubes(blocks * 4, dim),
                dim,
                words.into_tensor_arg(),
                out.clone().into_tensor_arg(),
                blocks,
            );
        }
        Tensor::from_primitive::<CubeBackend>(out)
    }
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use burn::tensor::activation::silu;

    use super::*;
    use crate::{
        host::tests::wave,
        quant::{
            Format,
            host_product::{product, tests::weight},
        },
    };

    #[test]
    fn the_gate_is_the_end_of_a_product_and_nobody_elses_numbers_change() {
        let Ok(gpu) = Device::wgpu_options().init() else { return };
        let (cpu, shape) = (Device::flex(), [130, 64]);
        let weight = weight(Format::Q4_1, shape);
        // Gates far beyond what an exponential holds.
        let (x, gate) = (wave([9, 64], &cpu), wave([9, 130], &cpu).mul_scalar(200.0));
        let expected = (silu(gate.clone()) * product(&x, &weight)).into_data();
        let there = Tensor::from_data(gate.to_data(), &gpu);
        let also = there.clone();
        let on_gpu = Q4Weight::upload(weight.bytes(), shape, &gpu);
        let found = on_gpu.multiply_gated(Tensor::from_data(x.into_data(), &gpu), there).into_data();
        for (a, b) in found.iter::<f32>().zip(expected.iter::<f32>()) {
            assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{a} {b}");
        }
        assert_eq!(also.into_data(), gate.into_data());
    }
}
