//! Dropout (Srivastava et al., JMLR 2014). Burn's own draws a number of 32 bits an element, which on a CPU
//! is a tenth of a training step; this draws 16 bits and scales in the same pass.

use burn::{
    backend::Flex,
    module::Module,
    tensor::{Distribution, Tensor, TensorData},
};

use crate::metrics::SplitMix64;

/// Zeroes each element with this probability and scales the others so that means stay; only on a device
/// that records gradients.
#[derive(Module, Debug)]
pub struct Dropout {
    probability: f64,
    #[module(skip)]
    seed: Option<u64>,
}

/// What dropout keeps where a seed alone decides it.
#[derive(Clone, Copy, Debug)]
#[cfg(any(feature = "wgpu", feature = "cuda"))]
#[cfg_attr(not(feature = "train"), allow(dead_code, reason = "nothing is dropped without training"))]
pub(crate) struct Kept {
    /// The share of the numbers.
    pub share: f64,
    /// Decides which.
    pub seed: u64,
}

impl Dropout {
    pub(crate) fn new(probability: f64) -> Self {
        Self { probability, seed: None }
    }

    /// From now on this seed alone decides what is dropped, where tensors are in host memory or an operation drops by itself.
    #[cfg(feature = "train")]
    pub(crate) fn seed(&mut self, seed: u64) {
        self.seed = Some(seed);
    }

    /// For an operation that drops by itself: what it keeps of `x`, unless that is all.
    #[cfg(all(any(feature = "wgpu", feature = "cuda"), feature = "train"))]
    pub(crate) fn kept<const D: usize>(&self, x: &Tensor<D>) -> Option<Kept> {
        let share = 1.0 - self.probability;
        (share < 1.0).then(|| Kept { share, seed: self.seed.unwrap_or_else(|| draw(x)) })
    }

    /// The same elements are dropped after the same `Device::seed`, or with the same seed of its own.
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.probability == 0.0 || !x.device().is_autodiff() {
            return x;
        }
        let keep = 1.0 - self.probability;
        let mask = if x.clone().inner().try_into_primitive::<Flex>().is_ok() {
            let mut random = SplitMix64::new(self.seed.unwrap_or_else(|| draw(&x)));
            let mask = mask(x.shape().num_elements(), keep, &mut random);
            Tensor::from_data(TensorData::new(mask, x.shape()), &x.device())
        } else {
            x.random_like(Distribution::Bernoulli(keep)).mul_scalar(1.0 / keep)
        };
        x * mask
    }
}

/// A seed from the device's own generator.
fn draw<const D: usize>(x: &Tensor<D>) -> u64 {
    let uniform = Tensor::<1>::random([4], Distribution::Uniform(0.0, 65_536.0), &x.device());
    uniform.into_data().iter::<f32>().fold(0, |seed, part| seed << 16 | part as u64)
}

/// `1 / keep` with the probability `keep`, else 0.
fn mask(count: usize, keep: f64, random: &mut SplitMix64) -> Vec<f32> {
    let bar = (keep * 65_536.0).round() as u64;
    let scale = (1.0 / keep) as f32;
    let mut mask = Vec::with_capacity(count.next_multiple_of(4));
    while mask.len() < count {
        let bits = random.next();
        mask.extend([0, 16, 32, 48].map(|shift| if bits >> shift & 0xFFFF < bar { scale } else { 0.0 }));
    }
    mask.truncate(count);
    mask
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn a_share_is_dropped_and_the_mean_stays() {
        let mask = mask(100_001, 0.7, &mut SplitMix64::new(1));
        assert_eq!(mask.len(), 100_001);
        let dropped = mask.iter().filter(|&&factor| factor == 0.0).count() as f64 / 100_001.0;
        let mean = mask.iter().sum::<f32>() / 100_001.0;
        assert!((dropped - 0.3).abs() < 0.01 && (mean - 1.0).abs() < 0.02, "{dropped} {mean}");
    }

    #[test]
    fn only_training_drops() {
        let dropout = Dropout::new(0.5);
        let ones = |device: &Device| Tensor::<2>::ones([50, 50], device);
        let sum: f32 = dropout.forward(ones(&Device::flex())).sum().into_scalar();
        assert_eq!(sum, 2500.0);
        let dropped = dropout.forward(ones(&Device::flex().autodiff()));
        let zeros = dropped.into_data().iter::<f32>().filter(|&value| value == 0.0).count();
        assert!((1000..1500).contains(&zeros), "{zeros}");
    }
}
