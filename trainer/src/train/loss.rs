//! Losses: softmax cross entropy over the whole catalogue without keeping the logits, and SASRec's binary one.
//!
//! The logits of one batch are larger than everything else in the model together. So gradients are
//! written down by hand, a block of rows at a time, and handed to autodiff as a sum of products that has
//! exactly these gradients.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData, activation::log_sigmoid};

/// Rows whose logits are held at a time; a few hundred fit the CPU's cache.
const ROWS: usize = 256;

/// Mean cross entropy of `labels` under `softmax(hidden · embeddingᵀ + bias)`.
///
/// Gives the loss and a scalar whose backward pass yields the loss' gradients; the scalar's own value means
/// nothing.
///
/// # Shapes
/// - hidden: `[rows, d_model]`, one row a label, at least one
/// - embedding: `[vocabulary, d_model]`, bias, if there is one: `[vocabulary]`
pub fn tied_cross_entropy(
    hidden: Tensor<2>,
    embedding: Tensor<2>,
    bias: Option<Tensor<1>>,
    labels: &[i32],
) -> (f32, Tensor<1>) {
    let rows = labels.len() as f32;
    // A bias is one more column of the embedding, met by a one in every hidden state.
    let (hidden, embedding) = match bias {
        None => (hidden, embedding),
        Some(bias) => {
            let one = Tensor::ones([labels.len(), 1], &hidden.device());
            (Tensor::cat(vec![hidden, one], 1), Tensor::cat(vec![embedding, bias.unsqueeze_dim::<2>(1)], 1))
        }
    };
    let (x, e) = (hidden.clone().inner(), embedding.clone().inner());
    let transposed = e.clone().transpose();
    let tame = largest_logit(&x, &e) < TAME;
    let mut losses = Vec::new();
    let mut d_x = Vec::new();
    let mut d_e = e.zeros_like();
    for (n, labels) in labels.chunks(ROWS).enumerate() {
        let x = x.clone().narrow(0, n * ROWS, labels.len()); // [rows, width]
        let targets =
            Tensor::<1, Int>::from_data(TensorData::new(labels.to_vec(), [labels.len()]), &x.device());
        let target_rows = e.clone().select(0, targets.clone()); // [rows, width]
        let target_logits = (x.clone() * target_rows.clone()).sum_dim(1); // [rows, 1]

        let logits = x.clone().matmul(transposed.clone()); // [rows, vocabulary]
        let (exp, shift) = if tame {
            (logits.exp(), None)
        } else {
            let max = logits.clone().max_dim(1); // [rows, 1]
            ((logits - max.clone()).exp(), Some(max))
        };
        let sum = exp.clone().sum_dim(1); // [rows, 1]
        let log_sum = match shift {
            Some(max) => sum.clone().log() + max,
            None => sum.clone().log(),
        };
        losses.push((log_sum - target_logits).sum());

        // d loss / d logits = (exp / sum - one-hot) / rows; the division is done where it is small.
        let scale = (sum * rows).recip(); // [rows, 1]
        d_x.push(exp.clone().matmul(e.clone()) * scale.clone() - target_rows / rows);
        d_e = d_e + exp.transpose().matmul(x.clone() * scale);
        d_e = d_e.select_assign(0, targets, x / -rows, IndexingUpdateOp::Add);
    }
    let loss: f32 = Tensor::cat(losses, 0).sum().into_scalar();
    let d_x = Tensor::cat(d_x, 0);
    let scalar = (hidden * Tensor::from_inner(d_x)).sum() + (embedding * Tensor::from_inner(d_e)).sum();
    (loss / rows, scalar)
}

/// Logits below this size need no shift before the exponential: sums stay far from the ends of an f32.
const TAME: f32 = 40.0;

/// No product of a row of `x` with a row of `e` is larger (Cauchy-Schwarz).
fn largest_logit(x: &Tensor<2>, e: &Tensor<2>) -> f32 {
    let longest = |rows: &Tensor<2>| -> f32 { rows.clone().square().sum_dim(1).max().sqrt().into_scalar() };
    longest(x) * longest(e)
}

/// Binary cross entropy of each label against one negative (SASRec, equation 7): the mean over labels of
/// `-log σ(score of the label) - log(1 - σ(score of the negative))`.
///
/// Gives the loss, and the same as a scalar to go back from.
///
/// # Shapes
/// As in [`tied_cross_entropy`]; one negative a label.
pub fn binary_cross_entropy(
    hidden: Tensor<2>,
    embedding: Tensor<2>,
    bias: Option<Tensor<1>>,
    labels: &[i32],
    negatives: &[i32],
) -> (f32, Tensor<1>) {
    let score = |items: &[i32]| -> Tensor<1> {
        let items =
            Tensor::<1, Int>::from_data(TensorData::new(items.to_vec(), [items.len()]), &hidden.device());
        let rows = embedding.clone().select(0, items.clone()); // [labels, d_model]
        let scores = (hidden.clone() * rows).sum_dim(1).squeeze_dim::<1>(1);
        match &bias {
            Some(bias) => scores + bias.clone().select(0, items),
            None => scores,
        }
    };
    let loss = (log_sigmoid(score(labels)) + log_sigmoid(score(negatives).neg())).mean().neg();
    (loss.clone().inner().into_scalar(), loss)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, activation::log_softmax};

    use super::*;

    #[test]
    fn loss_and_gradients_equal_those_of_autodiff() {
        assert_equal_to_autodiff(2.0);
    }

    #[test]
    fn large_logits_are_no_trouble() {
        assert_equal_to_autodiff(12.0);
    }

    fn assert_equal_to_autodiff(size: f32) {
        let device = Device::flex().autodiff();
        let waves = |shape: [usize; 2], speed: f32| {
            let values: Vec<f32> =
                (0..shape[0] * shape[1]).map(|n| (n as f32 * speed).sin() * size).collect();
            Tensor::<2>::from_data(TensorData::new(values, shape), &device).require_grad()
        };
        let (rows, vocabulary) = (ROWS + 44, 30);
        let (hidden, embedding) = (waves([rows, 6], 0.7), waves([vocabulary, 6], 1.3));
        let bias = waves([1, vocabulary], 2.9);
        let labels: Vec<i32> = (0..rows).map(|row| (row * row % vocabulary) as i32).collect();

        let logits = hidden.clone().matmul(embedding.clone().transpose()) + bias.clone();
        let targets = TensorData::new(labels.clone(), [rows, 1]);
        let targets = Tensor::<2, Int>::from_data(targets, &device);
        let expected = log_softmax(logits, 1).gather(1, targets).mean().neg();
        let mut expected_grads = expected.backward();

        let (loss, scalar) = tied_cross_entropy(
            hidden.clone(),
            embedding.clone(),
            Some(bias.clone().squeeze_dim::<1>(0)),
            &labels,
        );
        let mut grads = scalar.backward();

        assert!((loss - expected.into_scalar::<f32>()).abs() < 1e-5 * size * size);
        for parameter in [hidden, embedding, bias] {
            let actual = parameter.grad_remove(&mut grads).expect("a gradient");
            let expected = parameter.grad_remove(&mut expected_grads).expect("a gradient");
            let scale: f32 = expected.clone().abs().max().into_scalar();
            let difference: f32 = (actual - expected).abs().max().into_scalar();
            assert!(difference < 1e-5 * scale.max(1e-2), "{difference} of {scale}");
        }
    }
    #[test]
    fn without_a_bias_the_loss_is_that_of_a_zero_bias() {
        let device = Device::flex().autodiff();
        let hidden = Tensor::<2>::from_floats([[0.3, -1.0], [2.0, 0.5]], &device);
        let embedding = Tensor::<2>::from_floats([[1.0, 0.0], [0.5, -0.5], [-1.0, 2.0]], &device);
        let zeros = Tensor::<1>::zeros([3], &device);
        let (without, _) = tied_cross_entropy(hidden.clone(), embedding.clone(), None, &[1, 2]);
        let (with, _) = tied_cross_entropy(hidden, embedding, Some(zeros), &[1, 2]);
        assert_eq!(without, with);
    }

    #[test]
    fn the_binary_loss_equals_its_formula() {
        let device = Device::flex().autodiff();
        let hidden = Tensor::<2>::from_floats([[0.3, -1.0], [2.0, 0.5]], &device);
        let embedding = Tensor::<2>::from_floats([[1.0, 0.0], [0.5, -0.5], [-1.0, 2.0]], &device);
        let (loss, scalar) = binary_cross_entropy(hidden, embedding, None, &[1, 2], &[2, 0]);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        // Scores: labels 0.65 and -1, negatives -2.3 and 2.
        let expected = -(sigmoid(0.65).ln()
            + (1.0 - sigmoid(-2.3)).ln()
            + sigmoid(-1.0).ln()
            + (1.0 - sigmoid(2.0)).ln())
            / 2.0;
        assert!((f64::from(loss) - expected).abs() < 1e-5, "{loss} {expected}");
        assert!((f64::from(scalar.into_scalar::<f32>()) - expected).abs() < 1e-5);
    }
}
