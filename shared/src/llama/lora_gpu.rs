//! The correction of an adapter with a way back of its own, for training on a GPU.

use burn::tensor::Tensor;

use crate::gpu::GpuOp;

/// `scale x Aᵀ Bᵀ` of `x [tokens, d_in]`, `a [rank, d_in]` and `b [d_out, rank]`.
#[derive(Clone, Debug)]
pub(super) struct Correction {
    pub scale: f64,
}

impl GpuOp<3, 2> for Correction {
    /// The inputs, and `x Aᵀ [tokens, rank]`.
    type Saved = [Tensor<2>; 4];

    fn forward(&self, [x, a, b]: [Tensor<2>; 3]) -> (Tensor<2>, Self::Saved) {
        let narrow = x.clone().matmul(a.clone().transpose());
        let scaled = b.clone().mul_scalar(self.scale);
        (narrow.clone().matmul(scaled.transpose()), [x, a, b, narrow])
    }

    fn backward(&self, [x, a, b, narrow]: Self::Saved, gradient: Tensor<2>) -> [Tensor<2>; 3] {
        let of_narrow = gradient.clone().matmul(b.mul_scalar(self.scale));
        let of_a = over_rows(of_narrow.clone(), x);
        let of_b = over_rows(gradient, narrow).mul_scalar(self.scale);
        [of_narrow.matmul(a), of_a, of_b]
    }
}

/// Sums that run at the same time: a product with few results and a long sum for each would leave most of a GPU without work.
const STRETCHES: usize = 64;

/// `yᵀ x` of `y [rows, m]` and `x [rows, n]`.
fn over_rows(y: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
    let ([rows, m], [_, n]) = (y.dims(), x.dims());
    // Whole vectors of rows; what does not fit is added.
    let each = rows / STRETCHES / 8 * 8;
    if each == 0 {
        return y.transpose().matmul(x);
    }
    let whole = each * STRETCHES;
    let stretches = |x: &Tensor<2>, width| x.clone().narrow(0, 0, whole).reshape([STRETCHES, each, width]);
    let sums = stretches(&y, m).swap_dims(1, 2).matmul(stretches(&x, n));
    let sum = sums.sum_dim(0).reshape([m, n]);
    if whole == rows {
        return sum;
    }
    let rest = |x: Tensor<2>| x.narrow(0, whole, rows - whole);
    sum + rest(y).transpose().matmul(rest(x))
}

#[cfg(all(test, feature = "wgpu"))]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{gpu, host::tests::wave};

    #[test]
    fn the_correction_equals_the_chain_and_so_do_its_gradients() {
        let Ok(device) = Device::wgpu_options().init() else { return };
        let run = |device: &Device, of: &dyn Fn([Tensor<2>; 3]) -> Tensor<2>| {
            let device = device.clone().autodiff();
            let inputs = [[521, 12], [3, 12], [5, 3]].map(|shape| wave(shape, &device).require_grad());
            let output = of(inputs.clone());
            let gradients = (output.clone() * wave(output.dims(), &device)).sum().backward();
            let grads = inputs.map(|input| input.grad(&gradients).expect("tracked").into_data());
            [output.into_data()].into_iter().chain(grads).collect::<Vec<_>>()
        };
        let found = run(&device, &|inputs| gpu::apply(Correction { scale: 4.0 }, inputs));
        let chain =
            run(&Device::flex(), &|[x, a, b]| x.matmul(a.transpose()).matmul(b.transpose()).mul_scalar(4.0));
        for (found, expected) in found.into_iter().zip(chain) {
            for (a, b) in found.iter::<f32>().zip(expected.iter::<f32>()) {
                assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{a} {b}");
            }
        }
    }
}
