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
    // On a GPU Burn's own product keeps the expanded weight until the way back.
    let weight = linear.expanded(&x.clone().inner().device());
    x.matmul(Tensor::from_inner(weight.transpose()))
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

/// A product in Burn's operations.
fn product(x: Primitive, multiply: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Primitive {
    let y = multiply(Tensor::from_primitive::<Flex>(x));
    y.try_into_primitive::<Flex>().expect("the product stays on the CPU")
}
