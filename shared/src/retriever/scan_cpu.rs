//! The recurrence on the CPU: one pass over the states forward, one back, with gradients written by hand.
//!
//! Recursive doubling makes log2(length) passes because a GPU must; a CPU needs one. Complex numbers are
//! packed: the last axis holds `state` real parts, then as many imaginary ones.

use burn::{backend::Flex, tensor::Tensor};

use crate::host::{Primitive, numbers, tensor};

/// States `s_t = u_t + λ s_{t-1}` of rows, starting anew where `starts` says so; `None` off the CPU.
///
/// # Shapes
/// - u, output: `[rows, length, 2 state]`
/// - lambda: `[2 state]`
/// - starts: `rows · length`
pub(super) fn scan(u: &Tensor<3>, lambda: &Tensor<1>, starts: &[bool]) -> Option<Tensor<3>> {
    #[cfg(feature = "train")]
    if let Some(states) = gradient::scan(u, lambda, starts) {
        return Some(states);
    }
    let u = u.clone().try_into_primitive::<Flex>().ok()?;
    let lambda = lambda.clone().try_into_primitive::<Flex>().ok()?;
    let states = forward(u, lambda, starts)?.0;
    Some(Tensor::from_primitive::<Flex>(states))
}

/// The states as a tensor, and the numbers of the decays.
fn forward(u: Primitive, lambda: Primitive, starts: &[bool]) -> Option<(Primitive, Vec<f32>)> {
    let (mut states, shape) = numbers(u)?;
    let (lambda, _) = numbers(lambda)?;
    run(&mut states, &lambda, starts);
    Some((tensor(states, shape), lambda))
}

/// Inputs become states.
fn run(states: &mut [f32], lambda: &[f32], starts: &[bool]) {
    let width = lambda.len();
    let (decay_re, decay_im) = lambda.split_at(width / 2);
    for (t, _) in starts.iter().enumerate().filter(|(_, starts)| !**starts) {
        let (before, here) = states.split_at_mut(t * width);
        let (last_re, last_im) = before[(t - 1) * width..].split_at(width / 2);
        let (re, im) = here[..width].split_at_mut(width / 2);
        for n in 0..width / 2 {
            re[n] += decay_re[n] * last_re[n] - decay_im[n] * last_im[n];
            im[n] += decay_re[n] * last_im[n] + decay_im[n] * last_re[n];
        }
    }
}

#[cfg(feature = "train")]
mod gradient {
    use burn::backend::AutodiffBackend;
    use burn_autodiff::{
        checkpoint::base::Checkpointer,
        grads::Gradients,
        ops::{Backward, Ops},
    };

    use super::{Flex, Primitive, Tensor, forward, numbers, tensor};
    use crate::host::tracked::{Tracked, record};

    /// The recurrence as one operation that autodiff knows.
    #[derive(Debug)]
    struct Recurrence;

    /// What the way back needs.
    #[derive(Clone, Debug)]
    struct State {
        states: Primitive,
        lambda: Vec<f32>,
        starts: Vec<bool>,
    }

    pub(super) fn scan(u: &Tensor<3>, lambda: &Tensor<1>, starts: &[bool]) -> Option<Tensor<3>> {
        let u = u.clone().try_into_primitive::<Tracked>().ok()?;
        let lambda = lambda.clone().try_into_primitive::<Tracked>().ok()?;
        let nodes = [u.node(), lambda.node()];
        let (states, lambda) = forward(Tracked::inner(u), Tracked::inner(lambda), starts)?;
        let states = record(Recurrence, nodes, states, |states| State {
            states: states.clone(),
            lambda,
            starts: starts.to_vec(),
        });
        Some(Tensor::from_primitive::<Tracked>(states))
    }

    impl Backward<Flex, 2> for Recurrence {
        type State = State;

        fn backward(self, ops: Ops<State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
            let State { states, lambda, starts } = ops.state;
            let gradient = numbers(grads.consume::<Flex>(&ops.node));
            let (Some((mut gradient, shape)), Some((states, _))) = (gradient, numbers(states)) else {
                unreachable!("the states are 32-bit floats, and so are their gradients")
            };
            let d_lambda = back(&mut gradient, &states, &lambda, &starts);
            let [u, decay] = ops.parents;
            if let Some(node) = u {
                grads.register::<Flex>(node.id, tensor(gradient, shape));
            }
            if let Some(node) = decay {
                let width = d_lambda.len();
                grads.register::<Flex>(node.id, tensor(d_lambda, vec![width]));
            }
        }
    }

    /// Gradients of the states become those of the inputs, `g_t += conj(λ) g_{t+1}`; gives those of the
    /// decays, the sum of `conj(s_{t-1}) g_t`.
    fn back(gradient: &mut [f32], states: &[f32], lambda: &[f32], starts: &[bool]) -> Vec<f32> {
        let width = lambda.len();
        let (decay_re, decay_im) = lambda.split_at(width / 2);
        let mut d_lambda = vec![0.0; width];
        let (d_re, d_im) = d_lambda.split_at_mut(width / 2);
        for (t, _) in starts.iter().enumerate().rev().filter(|(_, starts)| !**starts) {
            let (before, here) = gradient.split_at_mut(t * width);
            let (last_re, last_im) = before[(t - 1) * width..].split_at_mut(width / 2);
            let (re, im) = here[..width].split_at(width / 2);
            let (state_re, state_im) = states[(t - 1) * width..t * width].split_at(width / 2);
            for n in 0..width / 2 {
                last_re[n] += decay_re[n] * re[n] + decay_im[n] * im[n];
                last_im[n] += decay_re[n] * im[n] - decay_im[n] * re[n];
                d_re[n] += state_re[n] * re[n] + state_im[n] * im[n];
                d_im[n] += state_re[n] * im[n] - state_im[n] * re[n];
            }
        }
        d_lambda
    }
}
