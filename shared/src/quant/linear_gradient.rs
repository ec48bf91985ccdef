//! The frozen product under autodiff: the gradient of its input is `dy W`, and the weight is expanded again
//! for it instead of being kept from the way forward.

use burn::{
    backend::{AutodiffBackend, Flex},
    tensor::Tensor,
};
use burn_autodiff::{
    checkpoint::base::Checkpointer,
    grads::Gradients,
    ops::{Backward, Ops},
};

use super::Linear;
use crate::host::tracked::{Tracked, record};

/// `x Wᵀ` with a W that is never trained.
#[derive(Debug)]
struct FrozenProduct;

/// As [`Linear::forward`], for an `x` with autodiff.
pub(super) fn forward(linear: &Linear, x: Tensor<2>) -> Tensor<2> {
    let Ok(x) = x.clone().try_into_primitive::<Tracked>() else {
        // On a GPU Burn's own product keeps the expanded weight until the way back.
        let weight = linear.expanded(&x.clone().inner().device());
        return x.matmul(Tensor::from_inner(weight.transpose()));
    };
    let node = x.node();
    let y = linear.forward(Tensor::from_primitive::<Flex>(Tracked::inner(x)));
    let y = y.try_into_primitive::<Flex>().unwrap_or_else(|_| unreachable!("the product stays on the CPU"));
    Tensor::from_primitive::<Tracked>(record(FrozenProduct, [node], y, |_| linear.clone()))
}

impl Backward<Flex, 1> for FrozenProduct {
    type State = Linear;

    fn backward(self, ops: Ops<Linear, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient: Tensor<2> = Tensor::from_primitive::<Flex>(grads.consume::<Flex>(&ops.node));
        let [x] = ops.parents;
        if let Some(node) = x {
            let weight = ops.state.expanded(&gradient.device());
            let Ok(gradient) = gradient.matmul(weight).try_into_primitive::<Flex>() else {
                unreachable!("the product stays on the CPU")
            };
            grads.register::<Flex>(node.id, gradient);
        }
    }
}
