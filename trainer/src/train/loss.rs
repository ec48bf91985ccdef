//! Softmax cross entropy over the whole catalogue, without keeping the logits.
//!
//! The logits of one batch are larger than everything else in the model together. So gradients are
//! written down by hand, a block of rows at a time, and handed to autodiff as a sum of products that has
//! exactly these gradients.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

/// Rows whose logits are held at a time; a few hundred fit the CPU's cache.
const ROWS: usize = 256;

/// Mean cross entropy of `labels` under `softmax(hidden · embeddingᵀ + bias)`.
///
/// Gives the loss and a scalar whose backward pass yields the loss' gradients; the scalar's own value means
/// nothing.
///
/// # Shapes
/// - hidden: `[rows, d_model]`, one row a label, at least one
/// - embedding: `[vocabulary, d_model]`, bias: `[vocabulary]`
pub fn tied_cross_entropy(
    hidden: Tensor<2>,
    embedding: Tensor<2>,
    bias: Tensor<1>,
    labels: &[i32],
) -> (f32, Tensor<1>) {
    let rows = labels.len() as f32;
    let (x, e, b) = (hidden.clone().inner(), embedding.clone().inner(), bias.clone().inner());
    let transposed = e.clone().transpose();
    let mut losses = Vec::new();
    let mut d_x = Vec::new();
    let mut d_e = e.zeros_like();
    let mut d_b = b.zeros_like();
    for (n, labels) in labels.chunks(ROWS).enumerate() {
        let x = x.clone().narrow(0, n * ROWS, labels.len()); // [rows, d_model]
        let targets =
            Tensor::<1, Int>::from_data(TensorData::new(labels.to_vec(), [labels.len()]), &x.device());

        let logits = x.clone().matmul(transposed.clone()) + b.clone().unsqueeze::<2>(); // [rows, vocabulary]
        let max = logits.clone().max_dim(1); // [rows, 1]
        let exp = (logits - max.clone()).exp();
        let sum = exp.clone().sum_dim(1); // [rows, 1]
        let target_rows = e.clone().select(0, targets.clone()); // [rows, d_model]
        let target_logits = (x.clone() * target_rows.clone()).sum_dim(1)
            + b.clone().select(0, targets.clone()).unsqueeze_dim::<2>(1); // [rows, 1]
        losses.push((sum.clone().log() + max - target_logits).sum());

        // d loss / d logits = (softmax - one-hot) / rows.
        let softmax = exp / (sum * rows); // [rows, vocabulary]
        d_x.push(softmax.clone().matmul(e.clone()) - target_rows / rows);
        d_e = d_e + softmax.clone().transpose().matmul(x.clone());
        d_e = d_e.select_assign(0, targets.clone(), x / -rows, IndexingUpdateOp::Add);
        d_b = d_b + softmax.sum_dim(0).squeeze_dim::<1>(0);
        let minus = Tensor::full([labels.len()], -rows.recip(), &d_b.device());
        d_b = d_b.select_assign(0, targets, minus, IndexingUpdateOp::Add);
    }
    let loss: f32 = Tensor::cat(losses, 0).sum().into_scalar();
    let d_x = Tensor::cat(d_x, 0);
    let scalar = (hidden * Tensor::from_inner(d_x)).sum()
        + (embedding * Tensor::from_inner(d_e)).sum()
        + (bias * Tensor::from_inner(d_b)).sum();
    (loss / rows, scalar)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, activation::log_softmax};

    use super::*;

    #[test]
    fn loss_and_gradients_equal_those_of_autodiff() {
        let device = Device::flex().autodiff();
        let waves = |shape: [usize; 2], speed: f32| {
            let values: Vec<f32> = (0..shape[0] * shape[1]).map(|n| (n as f32 * speed).sin() * 2.0).collect();
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

        let (loss, scalar) =
            tied_cross_entropy(hidden.clone(), embedding.clone(), bias.clone().squeeze_dim::<1>(0), &labels);
        let mut grads = scalar.backward();

        assert!((loss - expected.into_scalar::<f32>()).abs() < 1e-5);
        for parameter in [hidden, embedding, bias] {
            let actual = parameter.grad_remove(&mut grads).expect("a gradient");
            let expected = parameter.grad_remove(&mut expected_grads).expect("a gradient");
            let scale: f32 = expected.clone().abs().max().into_scalar();
            let difference: f32 = (actual - expected).abs().max().into_scalar();
            assert!(difference < 1e-5 * scale.max(1e-2), "{difference} of {scale}");
        }
    }
}
