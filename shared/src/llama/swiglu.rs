//! The gate of `SwiGLU` (Shazeer, arXiv 2002.05202): `silu(gate) * up`, on a CPU in one pass, on a GPU natively by the product itself, or in a kernel where Burn's
//! product came before or a way back is needed.

use burn::tensor::Tensor;
use tracing::trace_span;

use crate::{
    host::{HostOp, Primitive, apply, slice, tensor},
    lanes::exp,
    quant::{Input, Linear, is_cpu},
};

/// `silu(gate) * up(x)`, `[tokens, d_ff]`; on a GPU the product writes it in the place of the gate. Not in a browser, where
/// compiling a second kernel of this size would take megabytes of the engine's memory.
pub(super) fn gated(up: &Linear, x: &Input, gate: Tensor<2>) -> Tensor<2> {
    #[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
    if let Some(weight) = up.on_gpu(x.numbers()) {
        return weight.multiply_gated(x.numbers().clone(), gate);
    }
    swiglu(gate, up.read(x))
}

/// `gate / (1 + exp(-gate)) * up`, all of one shape.
fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    let _part = trace_span!("gate").entered();
    if is_cpu(&gate.device()) {
        return apply(SwiGlu, [gate, up]);
    }
    #[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
    return crate::gpu::apply(super::rows_gpu::Gate, [gate, up]);
    #[cfg(not(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32"))))]
    return burn::tensor::activation::silu(gate) * up;
}

#[derive(Clone, Debug)]
struct SwiGlu;

/// The logistic function.
#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

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

    #[cfg(feature = "train")]
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
}
