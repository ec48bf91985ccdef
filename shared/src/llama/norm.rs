//! `RMSNorm` (Zhang & Sennrich, arXiv 1910.07467).

use burn::tensor::{Device, Tensor, TensorData};
use tracing::trace_span;

use crate::{
    host::{HostOp, Primitive, apply, constant, floats, slice, tensor},
    lanes::dot,
    quant::is_cpu,
    weights::TensorBytes,
};

/// `y = x / sqrt(mean(x²) + eps) * gain`, over the last dimension.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    gain: Tensor<2>,
    eps: f64,
}

impl RmsNorm {
    /// Takes the gain `[d_model]` to the device.
    pub fn load(gain: &TensorBytes, eps: f64, device: &Device) -> Self {
        let d_model = gain.shape[1];
        let gain = Tensor::from_data(TensorData::new(gain.to_f32(), [1, d_model]), device);
        Self { gain, eps }
    }

    /// `[tokens, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let _part = trace_span!("norms").entered();
        if is_cpu(&x.device()) {
            return apply(OnePass(self.clone()), [x]);
        }
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        return crate::gpu::apply(super::rows_gpu::Norm { gain: self.gain.clone(), eps: self.eps }, [x]);
        #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
        unreachable!("tensors are in host memory where there is no GPU");
    }
}

/// The norm on a CPU.
#[derive(Clone, Debug)]
struct OnePass(RmsNorm);

impl OnePass {
    /// `1 / sqrt(mean(x²) + eps)` of a row.
    #[inline(always)]
    fn scale(&self, row: &[f32]) -> f32 {
        (dot(row, row) / row.len() as f32 + self.0.eps as f32).sqrt().recip()
    }
}

impl HostOp<1> for OnePass {
    type Saved = Primitive;

    #[inline(always)]
    fn forward(&self, [x]: [Primitive; 1]) -> (Primitive, Primitive) {
        let x = x.to_contiguous();
        let (mut values, shape) = floats(x.clone());
        let gain = constant(&self.0.gain);
        let gain = slice(&gain);
        for row in values.chunks_exact_mut(gain.len()) {
            let scale = self.scale(row);
            row.iter_mut().zip(gain).for_each(|(x, gain)| *x *= scale * gain);
        }
        (tensor(values, shape), x)
    }

    /// With `h = g * gain`: `scale * (h - x scale² mean(h x))`.
    #[cfg(feature = "train")]
    #[inline(always)]
    fn backward(&self, x: Primitive, gradient: Primitive) -> [Primitive; 1] {
        let (mut gradient, shape) = floats(gradient);
        let gain = constant(&self.0.gain);
        let gain = slice(&gain);
        let rows = slice(&x).chunks_exact(gain.len());
        for (row, x) in gradient.chunks_exact_mut(gain.len()).zip(rows) {
            let scale = self.scale(x);
            row.iter_mut().zip(gain).for_each(|(g, gain)| *g *= gain);
            let mean = dot(row, x) / x.len() as f32;
            let pull = scale * scale * mean;
            row.iter_mut().zip(x).for_each(|(h, x)| *h = scale * (*h - x * pull));
        }
        [tensor(gradient, shape)]
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use super::{super::beside, *};

    /// The norm in Burn's operations.
    fn chain(norm: &RmsNorm, x: Tensor<2>) -> Tensor<2> {
        let mean_square = x.clone().square().mean_dim(1);
        let scale = (mean_square + norm.eps).sqrt().recip();
        let gain = beside(&x, &norm.gain);
        x * scale * gain
    }

    #[test]
    fn one_pass_equals_the_chain_and_so_does_its_gradient() {
        let gain = crate::host::tests::wave([1, 6], &Device::flex());
        let norm = RmsNorm { gain, eps: 1e-5 };
        crate::host::tests::same([[4, 6]], |x| apply(OnePass(norm.clone()), x), |[x]| chain(&norm, x));
    }
}
