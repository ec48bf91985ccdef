//! What every launch of a kernel of ours needs, and operations with a way back of their own.
#![cfg_attr(not(feature = "train"), allow(dead_code, reason = "a way back is for training"))]

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_cubecl::{
    CubeBackend, kernel::into_contiguous, ops::numeric::empty_device_contiguous_dtype, tensor::CubeTensor,
};
use cubecl::{
    prelude::{CubeCount, CubeDim, Scalar},
    tf32,
};

/// Cubes for so many units: a dimension of the grid holds 65,535 of them.
pub(crate) fn cubes(units: u32, dim: CubeDim) -> CubeCount {
    a_cube_each(units.div_ceil(dim.num_elems()))
}

/// A cube for each row.
pub(crate) fn a_cube_each(rows: u32) -> CubeCount {
    CubeCount::new_2d(rows.min(32_768), rows.div_ceil(32_768))
}

/// The CubeCL tensor behind a tensor that is known to live on a CubeCL device.
pub(crate) fn cube_tensor<const D: usize>(x: Tensor<D>) -> CubeTensor {
    x.try_into_primitive::<CubeBackend>()
        .expect("GPU kernels get tensors of a CubeCL device without autodiff")
}

/// The same, row-major.
pub(crate) fn contiguous<const D: usize>(x: Tensor<D>) -> CubeTensor {
    into_contiguous(cube_tensor(x))
}

/// The same of a tensor whose numbers a kernel may change: nobody else has them, and none is left out.
pub(crate) fn exclusive<const D: usize>(x: Tensor<D>) -> CubeTensor {
    let x = contiguous(x);
    // A copy may have gaps between its rows.
    if x.can_mut() { x } else { into_contiguous(x.copy()) }
}

/// Numbers in a device's memory, for kernels to read.
pub(crate) fn numbers(numbers: Vec<u32>, device: &Device) -> Tensor<1, Int> {
    let count = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [count]), (device, DType::U32))
}

/// The CubeCL tensor behind [`numbers`].
pub(crate) fn cube_numbers(numbers: &Tensor<1, Int>) -> CubeTensor {
    numbers.clone().try_into_primitive::<CubeBackend>().expect("GPU kernels get numbers of a CubeCL device")
}

/// Room for numbers, where `x` is.
pub(crate) fn room<const D: usize>(x: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_device_contiguous_dtype(x.client.clone(), x.device.clone(), shape.into(), DType::F32)
}

/// Whether a GPU computes many numbers at once, as the width of its planes (subgroups) tells. Software adapters' planes are a CPU's
/// vectors, of 4 to 16 numbers; for them workgroup memory is a detour, and units that wait for one another are slow.
pub(crate) fn computes_widely(x: &CubeTensor) -> bool {
    x.client.properties().hardware.plane_size_max >= 32
}

/// Rows for which matrix units pay. For the 575 of one ranking our own kernels take 25 ms on an H100, Burn's products 29.
const MANY: usize = 1024;

/// Whether `x`, without autodiff, is on a GPU with units that multiply matrices of 32-bit floats and has so many rows that they
/// make up for writing quantized weights out in numbers, or scores of what is not seen. In a browser GPUs do not show such units.
pub(crate) fn matrix_units_pay<const D: usize>(x: &Tensor<D>) -> bool {
    if x.dims()[0] < MANY {
        return false;
    }
    let x = cube_tensor(x.clone());
    let mut units = x.client.properties().features.matmul.cmma.iter();
    units.any(|unit| unit.a_type == tf32::elem_type_native())
}

/// An operation in kernels or Burn's operations on tensors without autodiff, with its gradient. Autodiff's own way through a
/// chain of small operations launches each of them, and launching is what a training step on a large GPU waits for.
pub(crate) trait GpuOp<const N: usize, const D: usize>:
    Clone + std::fmt::Debug + Send + 'static
{
    /// What the way back needs.
    type Saved: Clone + std::fmt::Debug + Send + 'static;

    /// The output, and what the way back needs.
    fn forward(&self, inputs: [Tensor<D>; N]) -> (Tensor<D>, Self::Saved);

    /// Gradients of the inputs from that of the output.
    #[cfg(feature = "train")]
    fn backward(&self, saved: Self::Saved, gradient: Tensor<D>) -> [Tensor<D>; N];
}

/// Applies an operation to tensors that are all on a GPU, and all with autodiff or all without.
///
/// # Panics
/// If they are not.
pub(crate) fn apply<O: GpuOp<N, D>, const N: usize, const D: usize>(
    operation: O,
    inputs: [Tensor<D>; N],
) -> Tensor<D> {
    #[cfg(feature = "train")]
    if inputs[0].device().is_autodiff() {
        return tracked::apply(operation, inputs);
    }
    operation.forward(inputs).0
}

#[cfg(feature = "train")]
mod tracked {
    //! The same with autodiff.

    use burn::backend::{Autodiff, AutodiffBackend, tensor::FloatTensor};
    use burn_autodiff::{
        checkpoint::base::Checkpointer,
        grads::Gradients,
        ops::{Backward, Ops},
    };

    use super::{CubeBackend, GpuOp, Tensor, cube_tensor};
    use crate::host::tracked::record;

    type Tracked = Autodiff<CubeBackend>;

    /// What autodiff records of a [`GpuOp`].
    #[derive(Clone, Debug)]
    struct Recorded<O, const D: usize>(O);

    pub(super) fn apply<O: GpuOp<N, D>, const N: usize, const D: usize>(
        operation: O,
        inputs: [Tensor<D>; N],
    ) -> Tensor<D> {
        let inputs = inputs.map(|input| input.try_into_primitive::<Tracked>().expect("a tensor on a GPU"));
        let nodes = inputs.each_ref().map(FloatTensor::<Tracked>::node);
        let inputs = inputs.map(|input| Tensor::from_primitive::<CubeBackend>(Tracked::inner(input)));
        let (output, saved) = operation.forward(inputs);
        let recorded = Recorded::<O, D>(operation);
        Tensor::from_primitive::<Tracked>(record::<CubeBackend, _, N>(
            recorded,
            nodes,
            cube_tensor(output),
            |_| saved,
        ))
    }

    impl<O: GpuOp<N, D>, const N: usize, const D: usize> Backward<CubeBackend, N> for Recorded<O, D> {
        type State = O::Saved;

        fn backward(self, ops: Ops<O::Saved, N>, grads: &mut Gradients, _: &mut Checkpointer) {
            let gradient = Tensor::from_primitive::<CubeBackend>(grads.consume::<CubeBackend>(&ops.node));
            let gradients = self.0.backward(ops.state, gradient);
            for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
                if let Some(node) = parent {
                    grads.register::<CubeBackend>(node.id, cube_tensor(gradient));
                }
            }
        }
    }
}
