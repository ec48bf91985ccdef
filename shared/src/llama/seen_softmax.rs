//! Softmax of attention scores over the keys that are seen; the others get weight 0.
//!
//! On a CPU this is one pass that never touches what is not seen, with its own gradient: Burn's chain of
//! scale, mask and softmax took as long as all products of a block. Other devices get that chain.

use burn::tensor::{Bool, Tensor, TensorData, activation::softmax};

use super::sight::Sight;
use crate::{
    host::{HostOp, Primitive, apply, floats, tensor},
    lanes::{exp, largest, sum},
    quant::is_cpu,
};

/// `softmax(scale * scores)` over what each query sees.
///
/// # Shapes
/// - scores, output: `[n, group * queries, keys]`; row `g * queries + q` belongs to query q
/// - sights: `queries`
pub(super) fn seen_softmax(scores: Tensor<3>, scale: f32, sights: &[Sight]) -> Tensor<3> {
    if is_cpu(&scores.device()) {
        apply(SeenSoftmax { scale, sights: sights.to_vec() }, [scores])
    } else {
        chain(scores, scale, sights)
    }
}

/// The same in Burn's operations.
fn chain(scores: Tensor<3>, scale: f32, sights: &[Sight]) -> Tensor<3> {
    let [n, rows, keys] = scores.dims();
    let queries = sights.len();
    let mut hidden = vec![true; queries * keys];
    for (row, sight) in hidden.chunks_exact_mut(keys).zip(sights) {
        sight.ranges().into_iter().for_each(|range| row[range].fill(false));
    }
    let hidden = Tensor::<3, Bool>::from_data(TensorData::new(hidden, [1, queries, keys]), &scores.device());
    let scores = (scores * scale).reshape([n * rows / queries, queries, keys]);
    softmax(scores.mask_fill(hidden, f32::NEG_INFINITY), 2).reshape([n, rows, keys])
}

/// The softmax on a CPU.
#[derive(Clone, Debug)]
struct SeenSoftmax {
    scale: f32,
    sights: Vec<Sight>,
}

impl HostOp<1> for SeenSoftmax {
    type Saved = Primitive;

    #[inline(always)]
    fn forward(&self, [scores]: [Primitive; 1]) -> (Primitive, Primitive) {
        let (mut values, shape) = floats(scores);
        let keys = shape[2];
        for (row, sight) in values.chunks_exact_mut(keys).zip(self.sights.iter().cycle()) {
            let ranges = sight.ranges();
            let max =
                ranges.iter().map(|range| largest(&row[range.clone()])).fold(f32::NEG_INFINITY, f32::max);
            let mut total = 0.0;
            for range in ranges.clone() {
                row[range.clone()].iter_mut().for_each(|value| *value = exp((*value - max) * self.scale));
                total += sum(&row[range]);
            }
            let share = total.recip();
            for range in ranges.clone() {
                row[range].iter_mut().for_each(|value| *value *= share);
            }
            let [first, second] = ranges;
            row[first.end..second.start].fill(0.0);
            row[second.end..].fill(0.0);
        }
        let weights = tensor(values, shape);
        (weights.clone(), weights)
    }

    /// `g = scale * w * (g - Σ w g)` where seen, else 0.
    #[cfg(feature = "train")]
    #[inline(always)]
    fn backward(&self, weights: Primitive, gradient: Primitive) -> [Primitive; 1] {
        let (mut gradient, shape) = floats(gradient);
        let keys = shape[2];
        let rows = gradient.chunks_exact_mut(keys).zip(crate::host::slice(&weights).chunks_exact(keys));
        for ((gradient, weights), sight) in rows.zip(self.sights.iter().cycle()) {
            let ranges = sight.ranges();
            let mean: f32 = ranges
                .iter()
                .map(|range| crate::lanes::dot(&gradient[range.clone()], &weights[range.clone()]))
                .sum();
            for range in ranges.clone() {
                for (g, w) in gradient[range.clone()].iter_mut().zip(&weights[range]) {
                    *g = self.scale * w * (*g - mean);
                }
            }
            let [first, second] = ranges;
            gradient[first.end..second.start].fill(0.0);
            gradient[second.end..].fill(0.0);
        }
        [tensor(gradient, shape)]
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use super::{
        super::sight::{Branch, Layout},
        *,
    };

    #[test]
    fn one_pass_equals_the_chain_and_so_does_its_gradient() {
        let branch = |seen, length| Branch { seen, ids: vec![0; length] };
        let sights = Layout::new(vec![0; 3], vec![branch(3, 2), branch(1, 1)]).sights();
        crate::host::tests::same(
            [[2, 2 * 6, 6]],
            |[scores]| seen_softmax(scores, 0.5, &sights),
            |[scores]| chain(scores, 0.5, &sights),
        );
    }
}
