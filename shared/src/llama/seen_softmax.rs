//! Softmax of attention scores over the keys that are seen; the others get weight 0.
//!
//! On a CPU this is one pass that never touches what is not seen, with its own gradient: Burn's chain of
//! scale, mask and softmax took as long as all products of a block. Other devices get that chain.

use burn::{
    backend::Flex,
    tensor::{Bool, Tensor, TensorData, activation::softmax},
};

use super::sight::Sight;
use crate::host::{Primitive, numbers, tensor};

/// `softmax(scale * scores)` over what each query sees.
///
/// # Shapes
/// - scores, output: `[n, group * queries, keys]`; row `g * queries + q` belongs to query q
/// - sights: `queries`
pub(super) fn seen_softmax(scores: Tensor<3>, scale: f32, sights: &[Sight]) -> Tensor<3> {
    #[cfg(feature = "train")]
    if let Some(weights) = gradient::seen_softmax(&scores, scale, sights) {
        return weights;
    }
    match scores.clone().try_into_primitive::<Flex>() {
        Ok(scores) => Tensor::from_primitive::<Flex>(forward(scores, scale, sights)),
        Err(_) => chain(scores, scale, sights),
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

fn forward(scores: Primitive, scale: f32, sights: &[Sight]) -> Primitive {
    let Some((mut values, shape)) = numbers(scores) else { unreachable!("scores are 32-bit floats") };
    let keys = shape[2];
    for (row, sight) in values.chunks_exact_mut(keys).zip(sights.iter().cycle()) {
        let [first, second] = sight.ranges();
        let seen = || first.clone().chain(second.clone());
        let max = seen().map(|key| row[key]).fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for range in [first.clone(), second.clone()] {
            for value in &mut row[range] {
                *value = ((*value - max) * scale).exp();
                sum += *value;
            }
        }
        let share = sum.recip();
        for range in [first.clone(), second.clone()] {
            row[range].iter_mut().for_each(|value| *value *= share);
        }
        row[first.end..second.start].fill(0.0);
        row[second.end..].fill(0.0);
    }
    tensor(values, shape)
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::AutodiffBackend;
    use burn_autodiff::{
        checkpoint::base::Checkpointer,
        grads::Gradients,
        ops::{Backward, Ops},
    };

    use super::{Flex, Primitive, Sight, Tensor, forward, numbers, tensor};
    use crate::host::tracked::{Tracked, record};

    /// The softmax as one operation that autodiff knows.
    #[derive(Debug)]
    struct SeenSoftmax;

    /// What the way back needs.
    #[derive(Clone, Debug)]
    struct State {
        weights: Primitive,
        scale: f32,
        sights: Vec<Sight>,
    }

    pub(super) fn seen_softmax(scores: &Tensor<3>, scale: f32, sights: &[Sight]) -> Option<Tensor<3>> {
        let scores = scores.clone().try_into_primitive::<Tracked>().ok()?;
        let nodes = [scores.node()];
        let weights = forward(Tracked::inner(scores), scale, sights);
        let weights = record(SeenSoftmax, nodes, weights, |weights| State {
            weights: weights.clone(),
            scale,
            sights: sights.to_vec(),
        });
        Some(Tensor::from_primitive::<Tracked>(weights))
    }

    impl Backward<Flex, 1> for SeenSoftmax {
        type State = State;

        fn backward(self, ops: Ops<State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
            let State { weights, scale, sights } = ops.state;
            let gradient = numbers(grads.consume::<Flex>(&ops.node));
            let (Some((mut gradient, shape)), Some((weights, _))) = (gradient, numbers(weights)) else {
                unreachable!("weights and their gradients are 32-bit floats")
            };
            let keys = shape[2];
            let rows = gradient.chunks_exact_mut(keys).zip(weights.chunks_exact(keys));
            for ((gradient, weights), sight) in rows.zip(sights.iter().cycle()) {
                back(gradient, weights, scale, *sight);
            }
            let [scores] = ops.parents;
            if let Some(node) = scores {
                grads.register::<Flex>(node.id, tensor(gradient, shape));
            }
        }
    }

    /// `g = scale * w * (g - Σ w g)` where seen, else 0.
    fn back(gradient: &mut [f32], weights: &[f32], scale: f32, sight: Sight) {
        let ranges = sight.ranges();
        let mean: f32 = ranges
            .iter()
            .flat_map(|range| gradient[range.clone()].iter().zip(&weights[range.clone()]))
            .map(|(g, w)| g * w)
            .sum();
        for range in ranges.clone() {
            for (g, w) in gradient[range.clone()].iter_mut().zip(&weights[range]) {
                *g = scale * w * (*g - mean);
            }
        }
        let [first, second] = ranges;
        gradient[first.end..second.start].fill(0.0);
        gradient[second.end..].fill(0.0);
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use burn::tensor::Device;

    use super::{
        super::sight::{Branch, Layout},
        *,
    };

    fn wave(shape: [usize; 3], device: &Device) -> Tensor<3> {
        let values = (0..shape.iter().product()).map(|n: usize| (n as f32 * 0.7).sin() * 3.0).collect();
        Tensor::from_data(TensorData::new::<f32, _>(values, shape), device)
    }

    #[test]
    fn one_pass_equals_the_chain_and_so_does_its_gradient() {
        let device = Device::flex().autodiff();
        let branch = |seen, length| Branch { seen, ids: vec![0; length] };
        let sights = Layout::new(vec![0; 3], vec![branch(3, 2), branch(1, 1)]).sights();
        let run = |softmax: fn(Tensor<3>, f32, &[Sight]) -> Tensor<3>| {
            let scores = wave([2, 2 * 6, 6], &device).require_grad();
            let weights = softmax(scores.clone(), 0.5, &sights);
            let gradients = (weights.clone() * wave([2, 12, 6], &device).powi_scalar(2)).sum().backward();
            let gradient = scores.grad(&gradients).expect("tracked");
            (weights.into_data(), gradient.into_data())
        };
        let (weights, gradient) = run(seen_softmax);
        let (expected, expected_gradient) = run(chain);
        for (found, expected) in [(weights, expected), (gradient, expected_gradient)] {
            for (a, b) in found.iter::<f32>().zip(expected.iter::<f32>()) {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
        }
    }
}
