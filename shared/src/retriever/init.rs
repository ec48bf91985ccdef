//! How weights start, reproducible on every platform.

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Device, Tensor, TensorData},
};

use crate::metrics::SplitMix64;

/// Standard deviation of all weights and biases but norms and decays.
const STD: f64 = 0.02;

/// Draws starting values, one stream a model.
pub(super) struct Init(SplitMix64);

impl Init {
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix64::new(seed))
    }

    /// Uniform in (0, 1).
    fn uniform(&mut self) -> f64 {
        self.0.unit() + 0.5 / (1_u64 << 53) as f64
    }

    /// Normal with deviation 0.02, cut at two deviations by rejection.
    fn weight(&mut self) -> f32 {
        loop {
            // Box-Muller.
            let radius = (-2.0 * self.uniform().ln()).sqrt();
            let z = radius * (std::f64::consts::TAU * self.uniform()).cos();
            if z.abs() <= 2.0 {
                return (z * STD) as f32;
            }
        }
    }

    /// A parameter of this shape.
    pub(super) fn param<const D: usize>(&mut self, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| self.weight()).collect();
        Param::from_data(TensorData::new(values, shape), device)
    }

    /// A linear layer; unlike elsewhere, its bias starts random too.
    pub(super) fn linear(&mut self, input: usize, output: usize, bias: bool, device: &Device) -> Linear {
        Linear {
            weight: self.param([input, output], device),
            bias: bias.then(|| self.param([output], device)),
        }
    }

    /// `(log ν, log θ, log γ)` of one channel: `λ` uniform on the ring between the two radii, any angle,
    /// and `γ = sqrt(1 - |λ|²)`, which keeps the state's variance at the input's.
    pub(super) fn ring(&mut self, (min, max): (f64, f64)) -> [f32; 3] {
        let squared = self.uniform() * (max * max - min * min) + min * min;
        let nu = -0.5 * squared.ln();
        let theta = std::f64::consts::TAU * self.uniform();
        let gamma = (1.0 - (-2.0 * nu).exp()).sqrt();
        [nu.ln() as f32, theta.ln() as f32, gamma.ln() as f32]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_a_truncated_normal() {
        let mut init = Init::new(3);
        let values: Vec<f64> = (0..20_000).map(|_| f64::from(init.weight())).collect();
        let mean = values.iter().sum::<f64>() / 20_000.0;
        let deviation = (values.iter().map(|v| v * v).sum::<f64>() / 20_000.0).sqrt();
        assert!(values.iter().all(|v| v.abs() <= 0.04 + 1e-9));
        assert!(mean.abs() < 5e-4, "{mean}");
        // A normal cut at two deviations keeps 0.8796 of its deviation.
        assert!((deviation / STD - 0.8796).abs() < 0.015, "{deviation}");
    }

    #[test]
    fn decays_start_on_the_ring() {
        let mut init = Init::new(4);
        for _ in 0..1000 {
            let [log_nu, log_theta, log_gamma] = init.ring((0.8, 0.99)).map(f64::from);
            let magnitude = (-log_nu.exp()).exp();
            assert!((0.8 - 1e-6..=0.99 + 1e-6).contains(&magnitude));
            assert!((0.0..=std::f64::consts::TAU + 1e-6).contains(&log_theta.exp()));
            assert!((log_gamma.exp().powi(2) + magnitude * magnitude - 1.0).abs() < 1e-5);
        }
    }
}
