//! Rotary position embedding (Su et al., arXiv 2104.09864), in both conventions.

use burn::tensor::{Device, Int, Tensor, TensorData};
use tracing::trace_span;

use super::config::{LlamaConfig, RopePairs};
use crate::{
    host::{HostOp, Primitive, apply, constant, floats, slice, tensor},
    quant::is_cpu,
};

/// Cosines and sines of each token's position.
#[derive(Clone, Debug)]
pub struct Rope {
    pairs: RopePairs,
    /// `[tokens, 1, d_head / 2]`
    cos: Tensor<3>,
    /// `[tokens, 1, d_head / 2]`
    sin: Tensor<3>,
}

impl Rope {
    /// Tables for tokens at these positions.
    pub fn new(config: &LlamaConfig, positions: impl Iterator<Item = usize>, device: &Device) -> Self {
        let half = config.d_head / 2;
        // Angles in f64: at position 8,000 an f32 product is off by more than the logits' tolerance.
        let angles = positions.flat_map(|position| {
            (0..half).map(move |i| {
                position as f64 * config.rope_theta.powf(-2.0 * i as f64 / config.d_head as f64)
            })
        });
        let (cos, sin): (Vec<f32>, Vec<f32>) =
            angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
        let tokens = cos.len() / half;
        let table = |values| Tensor::from_data(TensorData::new(values, [tokens, 1, half]), device);
        Self { pairs: config.rope_pairs, cos: table(cos), sin: table(sin) }
    }

    /// The tables of some of the tokens.
    #[must_use]
    pub fn select(&self, rows: &Tensor<1, Int>) -> Self {
        let table = |table: &Tensor<3>| table.clone().select(0, rows.clone());
        Self { pairs: self.pairs, cos: table(&self.cos), sin: table(&self.sin) }
    }

    /// Rotates heads `[tokens, n, d_head]`.
    pub fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let _part = trace_span!("rotation").entered();
        if is_cpu(&x.device()) {
            return apply(InPlace(self.clone()), [x]);
        }
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        return crate::gpu::apply(
            super::rows_gpu::Rotation { cos: self.cos.clone(), sin: self.sin.clone(), pairs: self.pairs },
            [x],
        );
        #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
        unreachable!("tensors are in host memory where there is no GPU");
    }
}

/// The rotation on a CPU.
#[derive(Clone, Debug)]
struct InPlace(Rope);

impl InPlace {
    /// Turns every pair by its angle, or back.
    #[inline(always)]
    fn turn(&self, x: Primitive, back: bool) -> Primitive {
        let Rope { pairs, cos, sin } = &self.0;
        let (mut values, shape) = floats(x);
        let half = shape[2] / 2;
        let (cos, sin) = (constant(cos), constant(sin));
        let sign = if back { -1.0 } else { 1.0 };
        let angles = slice(&cos).chunks_exact(half).zip(slice(&sin).chunks_exact(half));
        for (token, (cos, sin)) in values.chunks_exact_mut(shape[1] * shape[2]).zip(angles) {
            for head in token.chunks_exact_mut(shape[2]) {
                match pairs {
                    RopePairs::Interleaved => {
                        for (pair, (cos, sin)) in head.chunks_exact_mut(2).zip(cos.iter().zip(sin)) {
                            let (a, b, sin) = (pair[0], pair[1], sign * sin);
                            (pair[0], pair[1]) = (a * cos - b * sin, a * sin + b * cos);
                        }
                    }
                    RopePairs::HalfSplit => {
                        let (one, other) = head.split_at_mut(half);
                        for ((a, b), (cos, sin)) in one.iter_mut().zip(other).zip(cos.iter().zip(sin)) {
                            let sin = sign * sin;
                            (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                        }
                    }
                }
            }
        }
        tensor(values, shape)
    }
}

impl HostOp<1> for InPlace {
    type Saved = ();

    #[inline(always)]
    fn forward(&self, [x]: [Primitive; 1]) -> (Primitive, ()) {
        (self.turn(x, false), ())
    }

    #[cfg(feature = "train")]
    #[inline(always)]
    fn backward(&self, (): (), gradient: Primitive) -> [Primitive; 1] {
        [self.turn(gradient, true)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(rope_pairs: RopePairs) -> LlamaConfig {
        LlamaConfig {
            n_vocab: 1,
            d_model: 4,
            n_layers: 1,
            n_heads: 1,
            n_kv_heads: 1,
            d_head: 4,
            d_ff: 4,
            max_len: 8,
            rope_theta: 100.0,
            rope_pairs,
            norm_eps: 1e-5,
        }
    }

    /// Rotates `[1, 2, 3, 4]` at position 1: angles 1 and 0.1.
    fn rotated(pairs: RopePairs) -> Vec<f32> {
        let device = Device::flex();
        let x = Tensor::<3>::from_data(TensorData::new(vec![1.0f32, 2.0, 3.0, 4.0], [1, 1, 4]), &device);
        Rope::new(&config(pairs), 1..2, &device).apply(x).into_data().try_to_vec().unwrap()
    }

    /// The rotation in Burn's operations.
    #[cfg(feature = "train")]
    fn chain(rope: &Rope, x: Tensor<3>) -> Tensor<3> {
        let [tokens, n, d_head] = x.dims();
        let half = d_head / 2;
        let [cos, sin] = [&rope.cos, &rope.sin].map(|table| super::super::beside(&x, table));
        let turned = |a: Tensor<3>, b: Tensor<3>| {
            [a.clone() * cos.clone() - b.clone() * sin.clone(), a * sin.clone() + b * cos.clone()]
        };
        match rope.pairs {
            RopePairs::Interleaved => {
                let pairs = x.reshape([tokens, n, half, 2]);
                let of = |at| pairs.clone().narrow(3, at, 1).reshape([tokens, n, half]);
                Tensor::stack::<4>(turned(of(0), of(1)).to_vec(), 3).reshape([tokens, n, d_head])
            }
            RopePairs::HalfSplit => {
                let of = |at| x.clone().narrow(2, at, half);
                Tensor::cat(turned(of(0), of(half)).to_vec(), 2)
            }
        }
    }

    #[cfg(feature = "train")]
    #[test]
    fn in_place_equals_the_chain_and_so_does_its_gradient() {
        for pairs in [RopePairs::Interleaved, RopePairs::HalfSplit] {
            let rope = Rope::new(&config(pairs), 3..8, &Device::flex());
            crate::host::tests::same([[5, 2, 4]], |x| apply(InPlace(rope.clone()), x), |[x]| chain(&rope, x));
        }
    }

    fn turn(a: f64, b: f64, angle: f64) -> (f32, f32) {
        ((a * angle.cos() - b * angle.sin()) as f32, (a * angle.sin() + b * angle.cos()) as f32)
    }

    #[test]
    fn both_conventions_by_hand() {
        let close = |found: Vec<f32>, expected: [f32; 4]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
        };
        let ((a, b), (c, d)) = (turn(1.0, 2.0, 1.0), turn(3.0, 4.0, 0.1));
        close(rotated(RopePairs::Interleaved), [a, b, c, d]);
        let ((a, c), (b, d)) = (turn(1.0, 3.0, 1.0), turn(2.0, 4.0, 0.1));
        close(rotated(RopePairs::HalfSplit), [a, b, c, d]);
    }
}
