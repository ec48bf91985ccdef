//! Sums of rows: the residual stream, and a product with its correction.

use burn::tensor::Tensor;

#[cfg(any(feature = "wgpu", feature = "cuda"))]
use crate::kernels::end::End;
use crate::quant::{Input, Linear};

/// `a [rows, width]` and a layer's product with `input`; on a GPU the product writes it in the place of `a`.
pub(super) fn plus_product(a: Tensor<2>, layer: &Linear, input: &Input) -> Tensor<2> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if let Some(weight) = layer.on_gpu(input.numbers()) {
        return weight.multiply_onto(input.numbers().clone(), a, End::Sum);
    }
    sum(a, layer.read(input))
}

/// `a + b`, both `[rows, width]`.
pub(super) fn sum(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    #[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
    if !crate::quant::is_cpu(&a.device()) && a.dims()[1].is_multiple_of(on_gpu::LANES) {
        return crate::gpu::apply(on_gpu::Sum, [a, b]);
    }
    a + b
}

#[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
mod on_gpu {
    //! Burn leaves gaps between the rows of its sums on some GPUs, and what reads them copies them first.
    #![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are those of the tensors")]

    use burn::tensor::Tensor;
    use burn_cubecl::CubeBackend;
    use cubecl::prelude::CubeDim;

    pub(super) use crate::kernels::LANES;
    use crate::{
        gpu::{GpuOp, contiguous, cubes, room},
        kernels::sum::sum,
    };

    #[derive(Clone, Debug)]
    pub(super) struct Sum;

    impl GpuOp<2, 2> for Sum {
        type Saved = ();

        fn forward(&self, inputs: [Tensor<2>; 2]) -> (Tensor<2>, ()) {
            let (shape, dim) = (inputs[0].dims(), CubeDim::new_1d(256));
            let vectors = (shape[0] * shape[1] / LANES) as u32;
            let [a, b] = inputs.map(contiguous);
            let out = room(&a, shape);
            unsafe {
                sum::launch_unchecked(
                    &out.client,
                    cubes(vectors, dim),
                    dim,
                    LANES,
                    a.into_tensor_arg(),
                    b.into_tensor_arg(),
                    out.clone().into_tensor_arg(),
                    vectors,
                );
            }
            (Tensor::from_primitive::<CubeBackend>(out), ())
        }

        #[cfg(feature = "train")]
        fn backward(&self, (): (), gradient: Tensor<2>) -> [Tensor<2>; 2] {
            [gradient.clone(), gradient]
        }
    }

    #[cfg(all(test, feature = "wgpu", feature = "train"))]
    mod tests {
        use burn::tensor::Device;

        use super::super::sum;
        use crate::host::tests::wave;

        #[test]
        fn a_sum_and_its_gradients_equal_the_cpus() {
            let Ok(gpu) = Device::wgpu_options().init() else { return };
            let run = |device: &Device| {
                let device = device.clone().autodiff();
                let [a, b] = [0.5, -2.0].map(|by| wave([70, 12], &device).mul_scalar(by).require_grad());
                let output = sum(a.clone(), b.clone());
                let gradients = (output.clone() * wave(output.dims(), &device)).sum().backward();
                let grads = [a, b].map(|input| input.grad(&gradients).expect("tracked").into_data());
                [output.into_data()].into_iter().chain(grads).collect::<Vec<_>>()
            };
            assert_eq!(run(&gpu), run(&Device::flex()));
        }
    }
}
