//! The frozen product under autodiff: the gradient of its input is `dy W`, and the weight is expanded again
//! for it instead of being kept from the way forward.

use burn::{backend::Flex, tensor::Tensor};

use super::{Linear, is_cpu};
use crate::host::{HostOp, Primitive, apply};

/// As [`Linear::forward`], for an `x` with autodiff.
pub(super) fn forward(linear: &Linear, x: Tensor<2>) -> Tensor<2> {
    if is_cpu(&x.device()) {
        return apply(FrozenProduct(linear.clone()), [x]);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return crate::gpu::apply(FrozenProduct(linear.clone()), [x]);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    unreachable!("tensors are in host memory where there is no GPU");
}

/// `x Wᵀ` with a W that is never trained.
#[derive(Clone, Debug)]
struct FrozenProduct(Linear);

impl HostOp<1> for FrozenProduct {
    type Saved = ();

    fn forward(&self, [x]: [Primitive; 1]) -> (Primitive, ()) {
        (product(x, |x| self.0.forward(x)), ())
    }

    fn backward(&self, (): (), gradient: Primitive) -> [Primitive; 1] {
        [product(gradient, |dy| self.0.back(dy))]
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
impl crate::gpu::GpuOp<1, 2> for FrozenProduct {
    type Saved = ();

    fn forward(&self, [x]: [Tensor<2>; 1]) -> (Tensor<2>, ()) {
        (self.0.forward(x), ())
    }

    fn backward(&self, (): (), gradient: Tensor<2>) -> [Tensor<2>; 1] {
        [self.0.back(gradient)]
    }
}

/// A product in Burn's operations.
fn product(x: Primitive, multiply: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Primitive {
    let y = multiply(Tensor::from_primitive::<Flex>(x));
    y.try_into_primitive::<Flex>().expect("the product stays on the CPU")
}
