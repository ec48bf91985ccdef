//! The linear recurrent unit with its residual: the part of a block that looks back in time
//! (LRURec paper, WSDM 2024, section 3.2; unit after Orvieto et al., ICML 2023).

use burn::{
    module::{Module, Param},
    nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear},
    tensor::{Device, Int, Tensor, TensorData},
};

use super::{complex::Complex, config::RetrieverConfig, init::Init, scan::Scan};

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
            dropout: DropoutConfig::new(config.attn_dropout).init(),
            norm: LayerNormConfig::new(width).init(device),
        }
    }

    /// The unit over whole sequences.
    ///
    /// # Shapes
    /// - x, output: `[batch, length, d_model]`
    /// - padding: `[batch, length]`, 1 at padding positions, else 0
    pub(super) fn forward(&self, x: Tensor<3>, padding: Tensor<2, Int>, scan: Scan) -> Tensor<3> {
        let states = scan.run(self.input(x.clone()), self.lambda(), padding);
        self.output(states, x)
    }

    /// The unit for one more item: the state so far (`None` at the start) becomes the state after it.
    ///
    /// # Shapes
    /// - x, output: `[1, 1, d_model]`
    pub(super) fn step(&self, x: Tensor<3>, state: &mut Option<Complex<3>>) -> Tensor<3> {
        let input = self.input(x.clone()); // [1, 1, state]
        let next = match state.take() {
            Some(before) => input + before * self.lambda().map(Tensor::unsqueeze::<3>),
            None => input,
        };
        *state = Some(next.clone());
        self.output(next, x)
    }

    /// `u = γ (W_in x + b_in)`: `[batch, length, state]`.
    fn input(&self, x: Tensor<3>) -> Complex<3> {
        let gamma = self.log_gamma.val().exp().unsqueeze::<3>();
        Complex { re: self.in_re.forward(x.clone()), im: self.in_im.forward(x) }.scale(gamma)
    }

    /// `LayerNorm(Dropout(Re(W_out s + b_out)) + x)`: `[batch, length, d_model]`.
    fn output(&self, states: Complex<3>, x: Tensor<3>) -> Tensor<3> {
        let y = self.out_re.forward(states.re) - self.out_im.forward(states.im);
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
