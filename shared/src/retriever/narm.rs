//! NARM (Li et al., CIKM 2017, arXiv 1711.04725): a gated recurrent unit over the history, and attention
//! over its states for what the history is mainly about.

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::{
        Device, Tensor,
        activation::{sigmoid, tanh},
    },
};

use super::{
    config::RetrieverConfig,
    embedding::Embedding,
    init::Init,
    rows::{Rows, Sight},
};
use crate::dropout::Dropout;

/// Embedding, recurrent unit, attention, and a bilinear map to the same embedding; no score bias.
#[derive(Module, Debug)]
pub struct Narm {
    embedding: Embedding,
    dropout: Dropout,
    /// Reset, update and candidate gates, one behind the other: `d_model → 3 state`, `state → 3 state`.
    from_input: Linear,
    from_state: Linear,
    /// `A1`, `A2` and `v` of the paper's equation 8.
    attend_last: Linear,
    attend_each: Linear,
    attend_sum: Param<Tensor<1>>,
    state_dropout: Dropout,
    /// `B` of the paper's equation 9: `2 state → d_model`.
    decoder: Linear,
}

/// Number of real parameters.
pub(super) fn parameters(config: &RetrieverConfig) -> u128 {
    let (d, h) = (config.d_model as u128, config.d_state() as u128);
    let unit = 3 * h * d + 3 * h * h + 6 * h;
    config.vocabulary() as u128 * d + unit + 2 * h * h + h + 2 * h * d
}

impl Narm {
    pub(super) fn new(config: &RetrieverConfig, init: &mut Init, device: &Device) -> Self {
        let (width, state) = (config.d_model, config.d_state());
        Self {
            embedding: Embedding::new(config.vocabulary(), width, init, device),
            dropout: Dropout::new(config.dropout),
            from_input: init.linear(width, 3 * state, true, device),
            from_state: init.linear(state, 3 * state, true, device),
            attend_last: init.linear(state, state, false, device),
            attend_each: init.linear(state, state, false, device),
            attend_sum: init.param([state], device),
            state_dropout: Dropout::new(config.attn_dropout),
            decoder: init.linear(2 * state, width, false, device),
        }
    }

    /// Hidden states: `[rows, row_len, d_model]`.
    pub(super) fn forward(&self, rows: &Rows) -> Tensor<3> {
        let device = self.embedding.device();
        let x = self.dropout.forward(self.embedding.forward(rows.ids(&device)));
        let states = self.recur(x, rows.goes_on(&device)); // [rows, length, state]
        let main = self.attend(states.clone(), rows);
        self.decoder.forward(self.state_dropout.forward(Tensor::cat(vec![states, main], 2)))
    }

    /// The unit's state at every place. `goes_on`: `[rows, length]`, 0 where the state starts anew.
    fn recur(&self, x: Tensor<3>, goes_on: Tensor<2>) -> Tensor<3> {
        let [rows, length, _] = x.dims();
        let inputs = self.from_input.forward(x); // [rows, length, 3 state]
        let size = inputs.dims()[2] / 3;
        let mut state = Tensor::<2>::zeros([rows, size], &inputs.device());
        let mut states = Vec::with_capacity(length);
        for t in 0..length {
            state = state * goes_on.clone().narrow(1, t, 1);
            let input = inputs.clone().narrow(1, t, 1).squeeze_dim::<2>(1);
            let recurrent = self.from_state.forward(state.clone());
            let gates =
                sigmoid(input.clone().narrow(1, 0, 2 * size) + recurrent.clone().narrow(1, 0, 2 * size));
            let (reset, update) = (gates.clone().narrow(1, 0, size), gates.narrow(1, size, size));
            let candidate =
                tanh(input.narrow(1, 2 * size, size) + reset * recurrent.narrow(1, 2 * size, size));
            state = candidate.clone() + update * (state - candidate);
            states.push(state.clone());
        }
        Tensor::stack(states, 1)
    }

    /// Sum of all states up to each place, weighted by how well they fit the state there; the weights are no
    /// softmax. Input and output: `[rows, length, state]`.
    fn attend(&self, states: Tensor<3>, rows: &Rows) -> Tensor<3> {
        let last = self.attend_last.forward(states.clone()).unsqueeze_dim::<4>(2);
        let each = self.attend_each.forward(states.clone()).unsqueeze_dim::<4>(1);
        let sum = self.attend_sum.val().unsqueeze::<4>();
        let weights = (sigmoid(last + each) * sum).sum_dim(3).squeeze_dim::<3>(3); // [rows, length, length]
        let hidden = rows.hidden(Sight::Causal, &states.device());
        weights.mask_fill(hidden, 0.0).matmul(states)
    }

    /// The tied embedding: `[vocabulary, d_model]`; there is no score bias.
    pub(super) fn output_layer(&self) -> (Tensor<2>, Option<Tensor<1>>) {
        (self.embedding.table.val(), None)
    }
}
