//! The linear recurrent unit with its residual: the part of a block that looks back in time
//! (LRURec paper, WSDM 2024, section 3.2; unit after Orvieto et al., ICML 2023).

use burn::{
    module::{Module, Param},
    nn::{LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Tensor, TensorData, module::linear},
};

use super::{complex::Complex, config::RetrieverConfig, init::Init, rows::Rows, scan::Scan};
use crate::dropout::Dropout;

/// State channels decay with |λ| between these at the start of training.
const RING: (f64, f64) = (0.8, 0.99);

/// Linear recurrent unit: `LayerNorm(Dropout(y) + x)`, where `y = Re(W_out s + b_out)` and
/// `s_t = γ (W_in x_t + b_in) + λ s_{t-1}` with complex `W`, `b_in` and a diagonal `λ`.
///
/// The residual is the reference's identity "D"; without it the unit trains far worse.
#[derive(Module, Debug)]
pub struct Lru {
    /// `λ = exp(-e^{log_nu} + i e^{log_theta})`: `[state]`.
    log_nu: Param<Tensor<1>>,
    log_theta: Param<Tensor<1>>,
    /// Input gain `γ = e^{log_gamma}`: `[state]`.
    log_gamma: Param<Tensor<1>>,
    in_re: Linear,
    in_im: Linear,
    /// The imaginary part of `b_out` never reaches a score, so there is none.
    out_re: Linear,
    out_im: Linear,
    dropout: Dropout,
    norm: LayerNorm,
}

impl Lru {
    /// A unit whose decays lie on a ring close to 1 and whose other weights are small.
    pub(super) fn new(config: &RetrieverConfig, init: &mut Init, device: &Device) -> Self {
        let (width, state) = (config.d_model, config.d_state());
        let mut ring = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..state {
            for (values, value) in ring.iter_mut().zip(init.ring(RING)) {
                values.push(value);
            }
        }
        let [log_nu, log_theta, log_gamma] =
            ring.map(|values| Param::from_data(TensorData::new(values, [state]), device));
        Self {
            log_nu,
            log_theta,
            log_gamma,
            in_re: init.linear(width, state, true, device),
            in_im: init.linear(width, state, true, device),
            out_re: init.linear(state, width, true, device),
            out_im: init.linear(state, width, false, device),
            dropout: Dropout::new(config.attn_dropout),
            norm: LayerNormConfig::new(width).init(device),
        }
    }

    /// The unit over whole sequences.
    ///
    /// # Shapes
    /// - x, output: `[rows, length, d_model]`
    pub(super) fn forward(&self, x: Tensor<3>, rows: &Rows, scan: Scan) -> Tensor<3> {
        let states = scan.run(self.input(x.clone()), self.lambda(), rows);
        self.output(states, x)
    }

    /// The unit for one more item: the state so far (`None` at the start) becomes the state after it.
    ///
    /// # Shapes
    /// - x, output: `[1, 1, d_model]`
    pub(super) fn step(&self, x: Tensor<3>, state: &mut Option<Complex<3>>) -> Tensor<3> {
        let input = Complex::unpack(self.input(x.clone())); // [1, 1, state]
        let next = match state.take() {
            Some(before) => input + before * self.lambda().map(Tensor::unsqueeze::<3>),
            None => input,
        };
        *state = Some(next.clone());
        self.output(next.pack(), x)
    }

    /// `u = γ (W_in x + b_in)`, real parts before imaginary ones: `[rows, length, 2 state]`.
    ///
    /// Both parts come from one product, and γ is taken into the small weights.
    fn input(&self, x: Tensor<3>) -> Tensor<3> {
        let gamma = self.log_gamma.val().exp();
        let gamma = Tensor::cat(vec![gamma.clone(), gamma], 0); // [2 state]
        let weight = Tensor::cat(vec![self.in_re.weight.val(), self.in_im.weight.val()], 1);
        let biases =
            [&self.in_re, &self.in_im].into_iter().filter_map(|part| Some(part.bias.as_ref()?.val()));
        let bias = Tensor::cat(biases.collect(), 0) * gamma.clone();
        linear(x, weight * gamma.unsqueeze::<2>(), Some(bias))
    }

    /// `LayerNorm(Dropout(Re(W_out s + b_out)) + x)`: `[rows, length, d_model]`.
    fn output(&self, states: Tensor<3>, x: Tensor<3>) -> Tensor<3> {
        let weight = Tensor::cat(vec![self.out_re.weight.val(), self.out_im.weight.val().neg()], 0);
        let y = linear(states, weight, self.out_re.bias.as_ref().map(Param::val));
        self.norm.forward(self.dropout.forward(y) + x)
    }

    /// The decay of each channel: `[state]`.
    fn lambda(&self) -> Complex<1> {
        let magnitude = self.log_nu.val().exp().neg().exp();
        let angle = self.log_theta.val().exp();
        Complex { re: magnitude.clone() * angle.clone().cos(), im: magnitude * angle.sin() }
    }

    /// Gradients of the decays and gains, for tests.
    #[cfg(all(test, feature = "train"))]
    pub(super) fn ring_gradients(&self, gradients: &burn::tensor::Gradients) -> [Tensor<1>; 3] {
        [&self.log_nu, &self.log_theta, &self.log_gamma]
            .map(|ring| ring.val().grad(gradients).expect("the decays are trained"))
    }
}
