//! Operations written by hand for tensors in host memory: their numbers in and out, and their place among
//! what autodiff knows. Burn's chains of small operations walk over memory once for each of them.

use std::fmt::Debug;

use burn::{
    backend::{Flex, tensor::FloatTensor},
    tensor::{Tensor, TensorData},
};

use crate::lanes::vectorized;

/// A tensor in host memory, without autodiff.
pub(crate) type Primitive = FloatTensor<Flex>;

/// An operation for the CPU, with its gradient. Both ways should be inlined always: then their loops are compiled for each
/// kind of vector unit, and the one at hand runs.
pub(crate) trait HostOp<const N: usize>: Clone + Debug + Send + Sync + 'static {
    /// What the way back needs.
    type Saved: Clone + Debug + Send + 'static;

    /// The output, and what the way back needs.
    fn forward(&self, inputs: [Primitive; N]) -> (Primitive, Self::Saved);

    /// Gradients of the inputs from that of the output.
    #[cfg(feature = "train")]
    fn backward(&self, saved: Self::Saved, gradient: Primitive) -> [Primitive; N];
}

/// Applies an operation to tensors that are all in host memory and all with autodiff or all without.
///
/// # Panics
/// If they are not.
pub(crate) fn apply<O: HostOp<N>, const N: usize, const D: usize>(
    operation: O,
    inputs: [Tensor<D>; N],
) -> Tensor<D> {
    #[cfg(feature = "train")]
    if inputs[0].device().is_autodiff() {
        return tracked::apply(operation, inputs);
    }
    let inputs = inputs.map(|input| input.try_into_primitive::<Flex>().expect("a tensor in host memory"));
    Tensor::from_primitive::<Flex>(
        vectorized(
            #[inline(always)]
            || operation.forward(inputs),
        )
        .0,
    )
}

/// The numbers of a tensor, row-major, and its shape; `None` if it is not of 32-bit floats.
pub(crate) fn numbers(tensor: Primitive) -> Option<(Vec<f32>, Vec<usize>)> {
    let contiguous = tensor.to_contiguous();
    // One copy: taking the data out of a tensor can make two, where its bytes are not aligned as wanted.
    Some((contiguous.as_slice::<f32>()?.to_vec(), contiguous.layout().shape().to_vec()))
}

/// The same for a tensor that is known to be of 32-bit floats.
pub(crate) fn floats(tensor: Primitive) -> (Vec<f32>, Vec<usize>) {
    numbers(tensor).expect("models compute in 32-bit floats")
}

/// The numbers of a contiguous tensor of 32-bit floats, where they lie.
pub(crate) fn slice(tensor: &Primitive) -> &[f32] {
    tensor.as_slice().expect("a contiguous tensor of 32-bit floats")
}

/// A constant of an operation, without a copy.
///
/// # Panics
/// If it is not in host memory, or has autodiff.
pub(crate) fn constant<const D: usize>(tensor: &Tensor<D>) -> Primitive {
    tensor.clone().try_into_primitive::<Flex>().expect("constants of models are in host memory")
}

/// The tensor of these numbers.
pub(crate) fn tensor(values: Vec<f32>, shape: Vec<usize>) -> Primitive {
    Primitive::from_data(TensorData::new(values, shape))
}

#[cfg(feature = "train")]
pub(crate) mod tracked {
    //! The same with autodiff.

    use burn::backend::{Autodiff, AutodiffBackend, Backend, tensor::FloatTensor};
    use burn_autodiff::{
        checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
        grads::Gradients,
        ops::{Backward, NodeGuard, Ops, OpsKind},
    };

    use super::{Flex, HostOp, Tensor, vectorized};

    /// The backend that records operations on host memory.
    pub(crate) type Tracked = Autodiff<Flex>;

    /// Records `operation`, whose parents are `nodes`, as what made `output`; its state is kept only where a
    /// way back will be asked for.
    pub(crate) fn record<B: Backend, O: Backward<B, N>, const N: usize>(
        operation: O,
        nodes: [NodeGuard; N],
        output: FloatTensor<B>,
        state: impl FnOnce(&FloatTensor<B>) -> O::State,
    ) -> FloatTensor<Autodiff<B>> {
        match operation.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => {
                let state = state(&output);
                preparation.finish(state, output)
            }
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }

    /// What autodiff records of a [`HostOp`].
    #[derive(Clone, Debug)]
    struct Recorded<O>(O);

    pub(super) fn apply<O: HostOp<N>, const N: usize, const D: usize>(
        operation: O,
        inputs: [Tensor<D>; N],
    ) -> Tensor<D> {
        let inputs =
            inputs.map(|input| input.try_into_primitive::<Tracked>().expect("a tensor in host memory"));
        let nodes = inputs.each_ref().map(FloatTensor::<Tracked>::node);
        let inputs = inputs.map(Tracked::inner);
        let (output, saved) = vectorized(
            #[inline(always)]
            || operation.forward(inputs),
        );
        Tensor::from_primitive::<Tracked>(record::<Flex, _, N>(Recorded(operation), nodes, output, |_| saved))
    }

    impl<O: HostOp<N>, const N: usize> Backward<Flex, N> for Recorded<O> {
        type State = O::Saved;

        fn backward(self, ops: Ops<O::Saved, N>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = grads.consume::<Flex>(&ops.node);
            let gradients = vectorized(
                #[inline(always)]
                || self.0.backward(ops.state, gradient),
            );
            for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
                if let Some(node) = parent {
                    grads.register::<Flex>(node.id, gradient);
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Numbers of both signs.
    pub(crate) fn wave<const D: usize>(shape: [usize; D], device: &burn::tensor::Device) -> Tensor<D> {
        let values = (0..shape.iter().product()).map(|n: usize| (n as f32 * 0.7).sin() * 3.0).collect();
        Tensor::from_data(TensorData::new::<f32, _>(values, shape), device)
    }

    /// Both ways of computing give the same outputs and gradients.
    #[cfg(feature = "train")]
    pub(crate) fn same<const N: usize, const D: usize>(
        shapes: [[usize; D]; N],
        one: impl Fn([Tensor<D>; N]) -> Tensor<D>,
        other: impl Fn([Tensor<D>; N]) -> Tensor<D>,
    ) {
        same_within(1e-5, shapes, one, other);
    }

    /// The same with another tolerance.
    #[cfg(feature = "train")]
    pub(crate) fn same_within<const N: usize, const D: usize>(
        tolerance: f32,
        shapes: [[usize; D]; N],
        one: impl Fn([Tensor<D>; N]) -> Tensor<D>,
        other: impl Fn([Tensor<D>; N]) -> Tensor<D>,
    ) {
        let device = burn::tensor::Device::flex().autodiff();
        let run = |operation: &dyn Fn([Tensor<D>; N]) -> Tensor<D>| {
            let mut shift = 0.0;
            let inputs = shapes.map(|shape| {
                shift += 0.3;
                (wave(shape, &device) + shift).require_grad()
            });
            let output = operation(inputs.clone());
            let weights = wave(output.dims(), &device).powi_scalar(2);
            let gradients = (output.clone() * weights).sum().backward();
            let of = |input: &Tensor<D>| input.grad(&gradients).expect("tracked").into_data();
            let mut all: Vec<TensorData> = inputs.iter().map(of).collect();
            all.push(output.into_data());
            all
        };
        for (found, expected) in run(&one).into_iter().zip(run(&other)) {
            for (a, b) in found.iter::<f32>().zip(expected.iter::<f32>()) {
                assert!((a - b).abs() < tolerance * (1.0 + b.abs()), "{a} {b}");
            }
        }
    }
}
