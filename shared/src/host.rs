//! Operations written by hand for tensors in host memory: their numbers in and out, and their place among
//! what autodiff knows.

use burn::{
    backend::{Flex, tensor::FloatTensor},
    tensor::TensorData,
};

/// A tensor in host memory, without autodiff.
pub(crate) type Primitive = FloatTensor<Flex>;

/// The numbers of a tensor, row-major, and its shape; `None` if it is not of 32-bit floats.
pub(crate) fn numbers(tensor: Primitive) -> Option<(Vec<f32>, Vec<usize>)> {
    let data = tensor.to_contiguous().into_data();
    let shape = data.shape().to_vec();
    Some((data.try_into_vec::<f32>().ok()?, shape))
}

/// The tensor of these numbers.
pub(crate) fn tensor(values: Vec<f32>, shape: Vec<usize>) -> Primitive {
    Primitive::from_data(TensorData::new(values, shape))
}

#[cfg(feature = "train")]
pub(crate) mod tracked {
    //! The same with autodiff.

    use burn::backend::{Autodiff, tensor::FloatTensor};
    use burn_autodiff::{
        checkpoint::strategy::NoCheckpointing,
        ops::{Backward, NodeGuard, OpsKind},
    };

    use super::{Flex, Primitive};

    /// A backend that records operations on host memory.
    pub(crate) type Tracked = Autodiff<Flex>;

    /// Records `operation`, whose parents are `nodes`, as what made `output`; its state is kept only where a
    /// way back will be asked for.
    pub(crate) fn record<O: Backward<Flex, N>, const N: usize>(
        operation: O,
        nodes: [NodeGuard; N],
        output: Primitive,
        state: impl FnOnce(&Primitive) -> O::State,
    ) -> FloatTensor<Tracked> {
        match operation.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(preparation) => {
                let state = state(&output);
                preparation.finish(state, output)
            }
            OpsKind::UnTracked(preparation) => preparation.finish(output),
        }
    }
}
