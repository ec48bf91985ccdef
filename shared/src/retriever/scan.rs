//! The linear recurrence of LRURec in forms that agree: step by step, by recursive doubling (LRURec paper,
//! WSDM 2024, section 3.4) and in one pass on the CPU. One item at a time is [`super::StreamState`].
//!
//! `s_t = u_t + λ · s_{t-1} · [token_{t-1} is not padding]`: the state starts anew after every padding
//! position. So a padded row needs no other mask, and several sequences fit into one row when padding
//! stands between them.

use burn::tensor::{Int, Tensor};

use super::{complex::Complex, rows::Rows, scan_cpu};

/// How the recurrence over a whole sequence is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// One position after the other: as many dependent steps as positions. The definition.
    Sequential,
    /// Recursive doubling: log2(length) rounds, each over all positions at once.
    Parallel,
    /// What the device does best: on the CPU one pass ([`super::scan_cpu`]), elsewhere recursive doubling.
    Fastest,
}

impl Scan {
    /// States `s` for inputs `u`, real parts before imaginary ones on the last axis.
    ///
    /// # Shapes
    /// - u, output: `[rows, length, 2 state]`
    /// - lambda: `[state]`, the decay of each channel
    pub(super) fn run(self, u: Tensor<3>, lambda: Complex<1>, rows: &Rows) -> Tensor<3> {
        if self == Self::Fastest
            && let Some(states) = scan_cpu::scan(&u, &lambda.clone().pack(), &rows.after_padding())
        {
            return states;
        }
        let padding = rows.ids(&u.device()).equal_scalar(0).int(); // [rows, length]
        let (u, lambda) = (Complex::unpack(u), lambda.map(Tensor::unsqueeze::<3>));
        let states = match self {
            Self::Sequential => sequential(&u, &lambda, &padding),
            Self::Parallel | Self::Fastest => parallel(u, &lambda, padding),
        };
        states.pack()
    }
}

/// The recurrence as it is written. `lambda`: `[1, 1, state]`.
fn sequential(u: &Complex<3>, lambda: &Complex<3>, padding: &Tensor<2, Int>) -> Complex<3> {
    let length = u.re.dims()[1];
    let keep = padding.clone().float().neg().add_scalar(1.0).unsqueeze_dim::<3>(2); // [batch, length, 1]
    let mut state = u.narrow(1, 0, 1); // [batch, 1, state]
    let mut states = vec![state.clone()];
    for t in 1..length {
        let kept = state.scale(keep.clone().narrow(1, t - 1, 1));
        state = u.narrow(1, t, 1) + kept * lambda.clone();
        states.push(state.clone());
    }
    let (re, im) = states.into_iter().map(|state| (state.re, state.im)).unzip();
    Complex { re: Tensor::cat(re, 1), im: Tensor::cat(im, 1) }
}

/// Recursive doubling. In the round with segments of length 2h, the second half of each segment receives
/// the last state of the first half, times λ^1 .. λ^h, where no padding lies between. `lambda`: `[1, 1, state]`.
fn parallel(u: Complex<3>, lambda: &Complex<3>, padding: Tensor<2, Int>) -> Complex<3> {
    let [batch, length, state] = u.re.dims();
    let padded = length.next_power_of_two();
    // Zeros behind the end: nothing flows from right to left, so they change no state.
    let mut states = u.map(|part| extend(part, padded - length));
    // Paddings before each position: two positions share a state iff their counts are equal.
    let resets = padding.clone().cumsum(1) - padding; // [batch, length]
    let resets = extend(resets.unsqueeze_dim::<3>(2), padded - length); // [batch, padded, 1]

    let mut powers = lambda.clone(); // λ^1 ..= λ^half: [1, half, state]
    let mut half = 1;
    while half < padded {
        let segments = batch * padded / (2 * half);
        let segment = states.map(|part| part.reshape([segments, 2 * half, state]));
        let resets = resets.clone().reshape([segments, 2 * half, 1]);
        let boundary = resets.clone().narrow(1, half - 1, 1).expand([segments, half, 1]);
        let connected = resets.narrow(1, half, half).equal(boundary).float(); // [segments, half, 1]

        let first = segment.narrow(1, 0, half);
        let carry = powers.clone() * first.narrow(1, half - 1, 1); // [segments, half, state]
        let second = segment.narrow(1, half, half) + carry.scale(connected);
        states = Complex::cat(first, second, 1);

        half *= 2;
        if half < padded {
            let next = powers.clone() * powers.narrow(1, half / 2 - 1, 1);
            powers = Complex::cat(powers, next, 1);
        }
    }
    states.map(|part| part.reshape([batch, padded, state]).narrow(1, 0, length))
}

/// `tensor` with `extra` zero positions behind axis 1.
fn extend<K: burn::tensor::kind::Numeric>(tensor: Tensor<3, K>, extra: usize) -> Tensor<3, K> {
    if extra == 0 {
        return tensor;
    }
    let [batch, _, width] = tensor.dims();
    let zeros = Tensor::zeros([batch, extra, width], &tensor.device());
    Tensor::cat(vec![tensor, zeros], 1)
}
