//! Whether a device computes what it should. Some adapters compile every kernel and still give wrong numbers, only for some
//! shapes or lengths; so the model's own first blocks are run on the device and compared with the CPU.

use crate::{
    llama::{Branch, Layout, Llama, LlamaConfig},
    quant::cpu,
    ranker::{RankerError, read},
    weights::{TensorSource, WeightError},
};

/// Blocks that are run: the first for all tokens, the last for what is read.
const BLOCKS: usize = 2;
/// Tokens of the prefix: more than any tile or workgroup holds.
const TOKENS: usize = 150;
/// Largest distance of a number from the CPU's, as a share of the largest number.
const TOLERANCE: f32 = 0.02;

/// A question with a known answer.
pub(crate) struct SelfTest {
    layout: Layout,
    expected: Vec<f32>,
}

impl SelfTest {
    /// Computes the answer on the CPU.
    ///
    /// # Errors
    /// Weights that make no model.
    pub fn prepare(config: &LlamaConfig, source: &dyn TensorSource) -> Result<Self, WeightError> {
        let config = LlamaConfig { n_layers: config.n_layers.min(BLOCKS), ..config.clone() };
        let token = |n: usize| (n * 97 % config.n_vocab) as u32;
        let tokens = TOKENS.min(config.max_len / 2);
        let ids: Vec<u32> = (0..tokens).map(token).collect();
        let branch = |seen, own: usize| Branch { seen, ids: (0..own).map(|n| token(n + seen)).collect() };
        let layout = Layout::new(ids, vec![branch(tokens, 9), branch(tokens / 2, 3)]);
        let llama = Llama::load(config, source, &cpu())?;
        let expected = llama.hidden(std::slice::from_ref(&layout), None).into_data();
        Ok(Self { layout, expected: expected.iter::<f32>().collect() })
    }

    /// Asks the device.
    ///
    /// # Errors
    /// [`RankerError::WrongNumbers`], or a device that fails.
    pub async fn run(&self, llama: &Llama) -> Result<(), RankerError> {
        let hidden = llama.first_blocks(BLOCKS).hidden(std::slice::from_ref(&self.layout), None);
        self.judge(&read(hidden).await?)
    }

    fn judge(&self, found: &[f32]) -> Result<(), RankerError> {
        let largest = self.expected.iter().fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
        let distances = found.iter().zip(&self.expected).map(|(a, b)| (a - b).abs() / largest);
        // A NaN is no number, and so infinitely far off.
        let worst =
            distances.fold(0.0, |worst: f32, x| if x.is_nan() { f32::INFINITY } else { worst.max(x) });
        if worst > TOLERANCE || found.len() != self.expected.len() {
            return Err(RankerError::WrongNumbers { percent: worst * 100.0 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_off_or_no_number_is_wrong() {
        let test = SelfTest { layout: Layout::prompt(&[0]), expected: vec![1.0, -4.0] };
        assert!(test.judge(&[1.05, -4.0]).is_ok());
        let percent = |found: &[f32]| match test.judge(found) {
            Err(RankerError::WrongNumbers { percent }) => percent,
            other => panic!("{other:?}"),
        };
        assert!((percent(&[2.0, -4.0]) - 25.0).abs() < 1e-3);
        assert!(percent(&[1.0, f32::NAN]).is_infinite());
        assert!(test.judge(&[1.0]).is_err());
    }
}
