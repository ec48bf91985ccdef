//! The verbalizer: from the logits of a vocabulary to scores of candidates (paper section 3.2.2).
//!
//! Candidate n carries the index letter n (A–T). Its score is the logit of the token that *follows the
//! prompt's last character* when the answer is that letter. Which token that is depends on the tokenizer
//! and on the place: Llama 2 has "A" = 29909 after a newline but encodes a lone "A" as "▁A" = 319, and
//! the reference reads the wrong one. So the ids are derived from `prompt + letter` and checked.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::CANDIDATES;

/// The index letter of candidate `n` (0 is `A`).
pub fn letter(n: usize) -> char {
    debug_assert!(n < CANDIDATES, "candidate {n} has no index letter");
    (b'A' + n as u8) as char
}

/// The token ids of the index letters A–T at the place where the ranker answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Verbalizer {
    label_ids: Vec<u32>,
}

/// Why a tokenizer cannot serve as a verbalizer.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum VerbalizerError {
    /// The letter changes how the prompt before it is tokenized.
    #[error(
        "index letter {letter} merges with the end of the prompt: this tokenizer cannot answer with letters here"
    )]
    MergesWithPrompt {
        /// The letter that merges.
        letter: char,
    },
    /// The letter takes more or less than one token.
    #[error("index letter {letter} takes {tokens} tokens after the prompt, must be exactly 1")]
    NotOneToken {
        /// The letter.
        letter: char,
        /// How many tokens it takes.
        tokens: usize,
    },
    /// Two letters share a token, for example the unknown token.
    #[error("index letters {first} and {second} share token {id}")]
    Shared {
        /// Earlier letter.
        first: char,
        /// Later letter.
        second: char,
        /// The token both map to.
        id: u32,
    },
}

impl Verbalizer {
    /// Derives the twenty label ids by encoding `prompt` with and without each letter.
    ///
    /// `encode` is the tokenizer. Fails unless the letters are twenty distinct single tokens that leave
    /// the prompt's own tokens untouched.
    pub fn derive(prompt: &str, mut encode: impl FnMut(&str) -> Vec<u32>) -> Result<Self, VerbalizerError> {
        let base = encode(prompt);
        let mut label_ids: Vec<u32> = Vec::with_capacity(CANDIDATES);
        for n in 0..CANDIDATES {
            let letter = letter(n);
            let ids = encode(&format!("{prompt}{letter}"));
            let Some(tail) = ids.strip_prefix(base.as_slice()) else {
                return Err(VerbalizerError::MergesWithPrompt { letter });
            };
            let &[id] = tail else {
                return Err(VerbalizerError::NotOneToken { letter, tokens: tail.len() });
            };
            if let Some(earlier) = label_ids.iter().position(|&other| other == id) {
                return Err(VerbalizerError::Shared { first: self::letter(earlier), second: letter, id });
            }
            label_ids.push(id);
        }
        Ok(Self { label_ids })
    }

    /// The label ids as the reference reads them: the last token of each letter alone. With Llama 2 these are not
    /// the tokens that training teaches; for comparisons with published numbers only.
    pub fn of_the_reference(mut encode: impl FnMut(&str) -> Vec<u32>) -> Result<Self, VerbalizerError> {
        let mut label_ids: Vec<u32> = Vec::with_capacity(CANDIDATES);
        for n in 0..CANDIDATES {
            let letter = letter(n);
            let ids = encode(&letter.to_string());
            let id = *ids.last().ok_or(VerbalizerError::NotOneToken { letter, tokens: 0 })?;
            label_ids.push(id);
        }
        Ok(Self { label_ids })
    }

    /// Token ids of A–T, in letter order.
    pub fn label_ids(&self) -> &[u32] {
        &self.label_ids
    }
}

/// Softmax over letter logits at a temperature above 0. The order never depends on the temperature.
pub fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    debug_assert!(temperature > 0.0, "temperature {temperature} must be above 0");
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f32> = logits.iter().map(|&logit| ((logit - max) / temperature).exp()).collect();
    let sum: f32 = exp.iter().sum();
    exp.into_iter().map(|e| e / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u32> {
        text.bytes().map(u32::from).collect()
    }

    #[test]
    fn byte_tokenizer_gives_twenty_distinct_labels() {
        let verbalizer = Verbalizer::derive("### Response:\n", bytes).unwrap();
        assert_eq!(verbalizer.label_ids(), (65..85).collect::<Vec<u32>>());
    }

    #[test]
    fn a_merging_tokenizer_is_refused() {
        // Merges a newline with a following letter, as some vocabularies do.
        let merging = |text: &str| {
            let mut ids = bytes(text);
            if let [.., b'\n', last] = *text.as_bytes() {
                ids.truncate(ids.len() - 2);
                ids.push(1000 + u32::from(last));
            }
            ids
        };
        assert_eq!(
            Verbalizer::derive("x\n", merging),
            Err(VerbalizerError::MergesWithPrompt { letter: 'A' })
        );
    }

    #[test]
    fn two_tokens_and_shared_tokens_are_refused() {
        let two = |text: &str| bytes(&text.replace('C', "cc"));
        assert_eq!(
            Verbalizer::derive("x", two),
            Err(VerbalizerError::NotOneToken { letter: 'C', tokens: 2 })
        );
        let unknown = |text: &str| bytes(&text.replace(['D', 'B'], "?"));
        assert_eq!(
            Verbalizer::derive("x", unknown),
            Err(VerbalizerError::Shared { first: 'B', second: 'D', id: 63 })
        );
    }

    #[test]
    fn softmax_sums_to_one_and_keeps_the_order() {
        let logits = [1.0, 3.0, 2.0, 800.0];
        for temperature in [0.1, 1.0, 10.0] {
            let p = softmax(&logits, temperature);
            assert!((p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(p[3] >= p[1] && p[1] >= p[2] && p[2] >= p[0]);
        }
    }
}
