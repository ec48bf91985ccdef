//! A weight in `Q4_1` blocks on a GPU.
//!
//! The blocks go to the device as they are; the kernel expands them while it multiplies, or another one before.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are checked before")]

use burn::tensor::{Device, Int, Tensor};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use cubecl::prelude::{CubeCount, CubeDim};

use super::BLOCK;
use crate::{
    gpu::{computes_widely, cube_numbers, cube_tensor, cubes, exclusive, numbers, room},
    kernels::{
        end::End,
        q4_expand::q4_expand,
        q4_product::{OUTPUTS, TOKENS, WORDS, q4_product},
        q4_tiles::{ACROSS, Tile, q4_tiles},
    },
};

/// Units of a cube along the outputs and along the tokens.
const CUBE: (usize, usize) = (16, 4);

/// How a GPU that computes widely shares a product among its units: 17 ms for the 575 tokens of a ranking on an H100 through Vulkan,
/// as other shapes took 17 to 24.
const TILE: Tile = Tile { down: 16, tokens: 4, outputs: 8, shares: 2 };

/// Whether products end in a gate or a sum. Not in a browser, whose engine has no more than 64 MiB for the longer kernel to be
/// compiled in.
pub(crate) const ENDS: bool = cfg!(not(target_arch = "wasm32"));

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
        assert_eq!(words.len(), d_out * d_in / BLOCK * WORDS, "blocks of a weight [{d_out}, {d_in}]");
        Self { words: numbers(words, device), d_out, d_in }
    }

    /// `x [tokens, d_in]` times the transposed weight: `[tokens, d_out]`.
    pub fn multiply(&self, x: Tensor<2>) -> Tensor<2> {
        let x = cube_tensor(x);
        let out = room(&x, [x.meta.shape()[0], self.d_out]);
        let tile = computes_widely(&x).then_some(TILE);
        self.product(x, out, End::Product, tile)
    }

    /// The same and `before`, `[tokens, d_out]`, joined as `end` says and written in the place of `before`.
    pub fn multiply_onto(&self, x: Tensor<2>, before: Tensor<2>, end: End) -> Tensor<2> {
        let x = cube_tensor(x);
        let tile = computes_widely(&x).then_some(TILE);
        self.product(x, exclusive(before), end, tile)
    }

    /// In tiles, or where there is none, a few results a unit.
    fn product(&self, x: CubeTensor, out: CubeTensor, end: End, tile: Option<Tile>) -> Tensor<2> {
        let x = into_contiguous(x);
        let tokens = x.meta.shape()[0];
        let words = cube_numbers(&self.words);
        let cubes = |(down, across): (usize, usize)| {
            CubeCount::new_2d(self.d_out.div_ceil(across) as u32, tokens.div_ceil(down) as u32)
        };
        let (client, [x, words, to]) =
            (out.client.clone(), [x, words, out.clone()].map(CubeTensor::into_tensor_arg));
        let (rows, d_out, blocks) = (tokens as u32, self.d_out as u32, (self.d_in / BLOCK) as u32);
        debug_assert!(ENDS || end == End::Product);
        let end = end as u32;
        // Sizes are checked in `upload` and `Linear::forward`; the kernels clamp rows at the ragged edge.
        if let Some(tile) = tile {
            let count = cubes(tile.size());
            let units = CubeDim::new_3d(ACROSS as u32, tile.down as u32, tile.shares as u32);
            unsafe {
                q4_tiles::launch_unchecked(
                    &client, count, units, 4, x, words, to, rows, d_out, blocks, end, ENDS, tile,
                );
            }
        } else {
            let (count, units) =
                (cubes((TOKENS * CUBE.1, OUTPUTS * CUBE.0)), CubeDim::new_2d(CUBE.0 as u32, CUBE.1 as u32));
            unsafe {
                q4_product::launch_unchecked(
                    &client, count, units, 4, x, words, to, rows, d_out, blocks, end, ENDS,
                );
            }
        }
        Tensor::from_primitive::<CubeBackend>(out)
    }

    /// The weight as numbers: `[d_out, d_in]`.
    #[cfg_attr(target_arch = "wasm32", allow(dead_code, reason = "a browser shows no units for matrices"))]
    pub fn expanded(&self) -> Tensor<2> {
        let words = cube_numbers(&self.words);
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
    use burn::tensor::{TensorData, activation::silu};

    use super::*;
    use crate::{
        host::tests::wave,
        quant::{
            Format,
            host_product::{product, tests::weight},
        },
    };

    #[test]
    fn gate_and_sum_are_the_end_of_a_product_and_nobody_elses_numbers_change() {
        let Ok(gpu) = Device::wgpu_options().init() else { return };
        let (cpu, shape) = (Device::flex(), [130, 64]);
        let weight = weight(Format::Q4_1, shape);
        // Gates far beyond what an exponential holds.
        let (x, gate) = (wave([9, 64], &cpu), wave([9, 130], &cpu).mul_scalar(200.0));
        let alone = product(&x, &weight);
        let ends = [(End::Gated, silu(gate.clone()) * alone.clone()), (End::Sum, gate.clone() + alone)];
        let on_gpu = Q4Weight::upload(weight.bytes(), shape, &gpu);
        for (tile, (end, expected)) in
            [None, Some(TILE)].into_iter().flat_map(|tile| ends.clone().map(|end| (tile, end)))
        {
            let there = Tensor::<2>::from_data(gate.to_data(), &gpu);
            let also = there.clone();
            let x = cube_tensor(Tensor::<2>::from_data(x.to_data(), &gpu));
            close(on_gpu.product(x, exclusive(there), end, tile), &expected.into_data());
            assert_eq!(also.into_data(), gate.to_data());
        }
    }

    #[test]
    fn tiles_of_every_shape_and_beyond_every_edge() {
        let Ok(gpu) = Device::wgpu_options().init() else { return };
        let tile = |down, tokens, outputs, shares| Tile { down, tokens, outputs, shares };
        for tile in [TILE, tile(8, 4, 4, 4), tile(8, 8, 4, 1), tile(16, 4, 4, 2)] {
            assert!(
                tile.bytes() <= 16 << 10 && tile.units() <= 256,
                "{tile:?} is more than every adapter has"
            );
            for (tokens, shape) in [(1, [3, 32]), (65, [64, 96]), (130, [77, 64])] {
                let weight = weight(Format::Q4_1, shape);
                let x = wave([tokens, shape[1]], &Device::flex());
                let expected = product(&x, &weight).into_data();
                let x = cube_tensor(Tensor::<2>::from_data(x.into_data(), &gpu));
                let out = room(&x, [tokens, shape[0]]);
                let on_gpu = Q4Weight::upload(weight.bytes(), shape, &gpu);
                close(on_gpu.product(x, out, End::Product, Some(tile)), &expected);
            }
        }
    }

    fn close(found: Tensor<2>, expected: &TensorData) {
        for (a, b) in found.into_data().iter::<f32>().zip(expected.iter::<f32>()) {
            assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{a} {b}");
        }
    }
}
