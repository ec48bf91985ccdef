//! The gate of `SwiGLU` (Shazeer, arXiv 2002.05202): `silu(gate) * up`, on a CPU where the next product reads it, on a GPU by the
//! product itself, or in a kernel in a browser and where Burn's product came before or a way back is needed.

use burn::tensor::Tensor;
use tracing::trace_span;

#[cfg(feature = "train")]
use crate::host::{HostOp, Primitive, apply, tensor};
#[cfg(any(feature = "wgpu", feature = "cuda"))]
use crate::kernels::end::End;
use crate::{
    host::{constant, slice},
    lanes::{exp, vectorized},
    quant::{Input, Linear, is_cpu},
};

/// `silu(gate) * up(x)`, `[tokens, d_ff]`; on a CPU made where it is read, on a GPU natively the product writes it in the
/// place of the gate.
pub(super) fn gated(up: &Linear, x: &Input, gate: Tensor<2>) -> Input {
    if is_cpu(&gate.device()) && !gate.device().is_autodiff() {
        return made_where_read(gate, up.read(x));
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    if let Some(weight) = up.on_gpu(x.numbers()) {
        return Input::of(weight.multiply_onto(x.numbers().clone(), gate, End::Gated));
    }
    Input::of(swiglu(gate, up.read(x)))
}

/// The gate in host memory.
fn made_where_read(gate: Tensor<2>, up: Tensor<2>) -> Input {
    let shape = gate.dims();
    let [gate, up] = [gate, up].map(|half| constant(&half).to_contiguous());
    Input::made(shape, move |rows, out| {
        let numbers = rows.start * shape[1]..rows.end * shape[1];
        let (gate, up) = (&slice(&gate)[numbers.clone()], &slice(&up)[numbers]);
        vectorized(
            #[inline(always)]
            || {
                for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                    *out = gate * sigmoid(*gate) * up;
                }
            },
        );
    })
}

/// `gate / (1 + exp(-gate)) * up`, all of one shape.
fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let _part = trace_span!("gate").entered();
    #[cfg(feature = "train")]
    if is_cpu(&gate.device()) {
        return apply(SwiGlu, [gate, up]);
    }
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return crate::gpu::apply(super::rows_gpu::Gate, [gate, up]);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    return burn::tensor::activation::silu(gate) * up;
}

/// The logistic function.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(feature = "train")]
#[derive(Clone, Debug)]
struct SwiGlu;

#[cfg(feature = "train")]
impl HostOp<2> for SwiGlu {
    type Saved = [Primitive; 2];

    #[inline(always)]
    fn forward(&self, inputs: [Primitive; 2]) -> (Primitive, Self::Saved) {
        let [gate, up] = inputs.map(|input| input.to_contiguous());
        let gated = slice(&gate).iter().zip(slice(&up)).map(
            #[inline(always)]
            |(g, u)| g * sigmoid(*g) * u,
        );
        let gated = gated.collect();
        (tensor(gated, gate.layout().shape().to_vec()), [gate, up])
    }

    #[inline(always)]
    fn backward(&self, [gate, up]: Self::Saved, gradient: Primitive) -> [Primitive; 2] {
        let (mut d_up, shape) = crate::host::floats(gradient);
        let mut d_gate = vec![0.0; d_up.len()];
        for (((d, out), &g), &u) in d_up.iter_mut().zip(&mut d_gate).zip(slice(&gate)).zip(slice(&up)) {
            let (share, back) = (sigmoid(g), *d);
            *d = back * g * share;
            *out = back * u * share * (1.0 + g * (1.0 - share));
        }
        [tensor(d_gate, shape.clone()), tensor(d_up, shape)]
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use super::*;

    #[test]
    fn one_pass_equals_the_chain_and_so_do_its_gradients() {
        let chain = |[gate, up]: [Tensor<2>; 2]| burn::tensor::activation::silu(gate) * up;
        crate::host::tests::same([[3, 5], [3, 5]], |inputs| apply(SwiGlu, inputs), chain);
    }

    #[test]
    fn made_where_it_is_read_it_is_the_same() {
        let [gate, up] = [0.0, 1.5].map(|by| crate::host::tests::wave([9, 35], &crate::quant::cpu()) + by);
        let expected: Vec<f32> = swiglu(gate.clone(), up.clone()).into_data().try_to_vec().unwrap();
        let made = made_where_read(gate, up).numbers().to_data();
        for (found, expected) in made.iter::<f32>().zip(expected) {
            assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{found}, not {expected}");
        }
    }
}
