//! A linear layer whose weight stays quantized: `y = x Wᵀ` with W `[d_out, d_in]` in blocks.
//!
//! On the CPU the blocks are read where they lie in the file, a tile at a time: multiplied in whole numbers (`integer_product`)
//! or expanded (`host_product`), and row by row for a few tokens (`few_rows`). On a GPU blocks of `Q4_0` and `Q4_1` are uploaded and a
//! kernel expands them while it multiplies, or before units for matrices do; other formats become floats there.

use burn::tensor::{Device, Tensor, TensorData};
use tracing::trace_span;

#[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
use super::many_rows::many_rows;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use super::q4_weight::ENDS;
use super::{
    Format,
    few_rows::{FEW, few_rows},
    host_product::product,
    input::Input,
    integer_product,
};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use crate::gpu::matrix_units_pay;
use crate::{team, weights::TensorBytes};

/// A frozen linear layer without bias.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Weight,
    d_in: usize,
}

#[derive(Clone, Debug)]
enum Weight {
    /// Blocks in host memory, read in place, and where a team keeps them, too.
    Host(TensorBytes, Option<usize>),
    /// `Q4_1` blocks in device memory.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    Q4(super::q4_weight::Q4Weight),
    /// Floats `[d_in, d_out]`: files that come so, and on a GPU formats that no kernel reads.
    Dense(Tensor<2>),
}

impl Linear {
    /// Takes the weight `[d_out, d_in]` to the device.
    pub fn load(weight: TensorBytes, device: &Device) -> Self {
        let d_in = weight.shape[1];
        Self { weight: Weight::load(weight, device), d_in }
    }

    /// `[tokens, d_in]` to `[tokens, d_out]`.
    ///
    /// # Panics
    /// If the input is of another width.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.read(&Input::of(x))
    }

    /// The same of an input that other layers read, too.
    ///
    /// # Panics
    /// If the input is of another width.
    pub fn read(&self, input: &Input) -> Tensor<2> {
        let [tokens, d_in] = input.shape();
        assert_eq!(d_in, self.d_in, "the input's width");
        let _part = trace_span!("products").entered();
        #[cfg(feature = "train")]
        if input.is_tracked() {
            return super::linear_gradient::forward(self, input.numbers().clone());
        }
        match &self.weight {
            Weight::Host(blocks, _) if tokens <= FEW => few_rows(input.numbers(), blocks),
            Weight::Host(blocks, kept) => integer_product::product(input, blocks, *kept)
                .unwrap_or_else(|| product(input.numbers(), blocks)),
            #[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
            Weight::Q4(weight) if matrix_units_pay(input.numbers()) => {
                many_rows(input.numbers().clone(), weight.expanded().transpose())
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Weight::Q4(weight) => weight.multiply(input.numbers().clone()),
            Weight::Dense(weight) => input.numbers().clone().matmul(weight.clone()),
        }
    }

    /// The weight, if it is in blocks on a GPU and a kernel of ours may multiply `x` with it and end in a gate or a sum: there is no
    /// way back through those.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub(crate) fn on_gpu(&self, x: &Tensor<2>) -> Option<&super::q4_weight::Q4Weight> {
        match &self.weight {
            Weight::Q4(weight) if ENDS && !x.device().is_autodiff() && !matrix_units_pay(x) => Some(weight),
            _ => None,
        }
    }

    /// `[tokens, d_out]` times the weight itself: `[tokens, d_in]`, the way back. Without autodiff.
    #[cfg(feature = "train")]
    pub(super) fn back(&self, y: Tensor<2>) -> Tensor<2> {
        match &self.weight {
            Weight::Host(blocks, _) => super::host_product::product_back(&y, blocks),
            #[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
            Weight::Q4(weight) => many_rows(y, weight.expanded()),
            Weight::Dense(weight) => y.matmul(weight.clone().transpose()),
        }
    }

    /// The weight as numbers, `[d_out, d_in]`, on a device without autodiff.
    #[cfg(test)]
    pub(super) fn expanded(&self, device: &Device) -> Tensor<2> {
        match &self.weight {
            Weight::Host(blocks, _) => {
                Tensor::from_data(TensorData::new(blocks.to_f32(), blocks.shape), device)
            }
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            Weight::Q4(weight) => weight.expanded(),
            Weight::Dense(weight) => weight.clone().transpose(),
        }
    }
}

impl Weight {
    fn load(weight: TensorBytes, device: &Device) -> Self {
        let quantized = !matches!(weight.format, Format::F32 | Format::F16);
        if quantized && is_cpu(device) {
            let kept = team::keep(weight.format, weight.bytes());
            return Self::Host(weight, kept);
        }
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        match weight.format {
            Format::Q4_1 => {
                return Self::Q4(super::q4_weight::Q4Weight::upload(weight.bytes(), weight.shape, device));
            }
            Format::Q4_0 => {
                let blocks = super::blocks::q4_0_to_q4_1(weight.bytes());
                return Self::Q4(super::q4_weight::Q4Weight::upload(&blocks, weight.shape, device));
            }
            _ => {}
        }
        let dense = TensorData::new(weight.to_f32(), weight.shape);
        Self::Dense(Tensor::<2>::from_data(dense, device).transpose())
    }
}

/// The device whose tensors live in host memory.
pub(crate) fn cpu() -> Device {
    Device::flex()
}

/// Whether tensors of this device live in host memory.
pub(crate) fn is_cpu(device: &Device) -> bool {
    // Autodiff wraps a device without moving it, and equality ignores the wrapping.
    *device == cpu()
}
