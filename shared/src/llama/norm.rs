//! `RMSNorm` (Zhang & Sennrich, arXiv 1910.07467).

use burn::tensor::{Device, Tensor, TensorData};

use super::beside;
use crate::weights::TensorBytes;

/// `y = x / sqrt(mean(x²) + eps) * gain`, over the last dimension.
#[derive(Clone)]
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
        let mean_square = x.clone().square().mean_dim(1);
        let scale = (mean_square + self.eps).sqrt().recip();
        let gain = beside(&x, &self.gain);
        x * scale * gain
    }
}
