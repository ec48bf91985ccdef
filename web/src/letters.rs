//! The verbalizer as the lesson draws it: bars of the letters, of the vocabulary, and the formula with numbers.

use shared::{
    trace::{RankerTrace, Trace},
    verbalizer::softmax,
};

/// One index letter.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterBar {
    /// The letter.
    pub letter: char,
    /// The candidate's place in the retriever's order, from 0.
    pub place: usize,
    /// Its title.
    pub title: String,
    /// The logit of the letter's token, or the candidate's score.
    pub logit: f32,
    /// Softmax over the letters.
    pub probability: f32,
    /// Its share of the largest probability: the length of the bar.
    pub bar: f32,
}

/// The letters of a record in their order, at a temperature. Asked film by film, a candidate's score stands for its letter's
/// logit. Empty if no ranker ran.
pub fn letter_bars(trace: &Trace, temperature: f32) -> Vec<LetterBar> {
    let logits = match (&trace.ranker, &trace.pointwise) {
        (Some(ranker), _) => &ranker.letter_logits,
        (None, Some(ranker)) => &ranker.scores,
        (None, None) => return Vec::new(),
    };
    let read = logits.iter().zip(shares(logits, temperature));
    trace
        .by_letter()
        .into_iter()
        .zip(read)
        .map(|(place, (&logit, (probability, bar)))| {
            let candidate = &trace.candidates[place];
            LetterBar {
                letter: candidate.letter,
                place,
                title: candidate.title.clone(),
                logit,
                probability,
                bar,
            }
        })
        .collect()
}

/// Softmax at a temperature, and each one's share of the largest: the length of its bar.
pub fn shares(logits: &[f32], temperature: f32) -> Vec<(f32, f32)> {
    let probabilities = softmax(logits, temperature);
    let most = probabilities.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    probabilities.into_iter().map(|probability| (probability, probability / most)).collect()
}

/// One token of the whole vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenBar {
    /// Its text, blanks and ends of line visible.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// Its logit.
    pub logit: f32,
    /// Its probability over the whole vocabulary; unknown in records that do not say what lies on the letters.
    pub probability: Option<f32>,
    /// Its share of the largest probability here.
    pub bar: f32,
    /// Whether it is an index letter of a candidate.
    pub is_letter: bool,
}

/// The likeliest tokens of the whole vocabulary, best first.
pub fn token_bars(ranker: &RankerTrace) -> Vec<TokenBar> {
    let best = ranker.top.first().map_or(0.0, |entry| entry.logit);
    let total = ranker.letter_mass.map(|mass| log_total(&ranker.letter_logits, mass));
    ranker
        .top
        .iter()
        .map(|entry| TokenBar {
            token: visible(&entry.token),
            id: entry.id,
            logit: entry.logit,
            probability: total.map(|total| (f64::from(entry.logit) - total).exp() as f32),
            bar: (entry.logit - best).exp(),
            is_letter: ranker.label_ids.contains(&entry.id),
        })
        .collect()
}

/// Logarithm of the sum of e to all logits of the vocabulary, from the share of it that lies on the letters.
fn log_total(letters: &[f32], mass: f32) -> f64 {
    let sum: f64 = letters.iter().map(|&logit| f64::from(logit).exp()).sum();
    sum.ln() - f64::from(mass).ln()
}

/// A token's text with blanks and ends of line that can be seen.
pub fn visible(token: &str) -> String {
    token.replace(' ', "␣").replace('\n', "⏎").replace('\t', "⇥")
}

/// The numbers of one letter's softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Formula {
    /// The letter.
    pub letter: char,
    /// Its logit.
    pub logit: f32,
    /// The temperature.
    pub temperature: f32,
    /// e to the logit over the temperature, less the largest logit over the temperature: what keeps numbers small.
    pub share: f32,
    /// The sum of that of all letters.
    pub sum: f32,
    /// The quotient.
    pub probability: f32,
    /// The largest logit.
    pub largest: f32,
}

/// The formula of the letter at this place of [`letter_bars`].
pub fn formula(bars: &[LetterBar], n: usize, temperature: f32) -> Option<Formula> {
    let LetterBar { letter, logit, probability, .. } = *bars.get(n)?;
    let largest = bars.iter().map(|bar| bar.logit).fold(f32::NEG_INFINITY, f32::max);
    let share = |logit: f32| ((logit - largest) / temperature).exp();
    let sum = bars.iter().map(|bar| share(bar.logit)).sum();
    Some(Formula { letter, logit, temperature, share: share(logit), sum, probability, largest })
}

#[cfg(test)]
pub(crate) mod tests {
    use shared::{
        catalog::ItemId,
        prompt::Prompt,
        ranking::{Ordering, Ranked},
        trace::{Asking, Candidate, HistoryItem, Provenance, TRACE_VERSION, Timings, VocabularyEntry},
    };

    use super::*;

    /// Three candidates that stand in the prompt as third, first, second; all letters hold a fifth of the probability.
    pub(crate) fn trace() -> Trace {
        let titles = ["Heat (1995)", "Toy Story (1995)", "Fargo (1996)"];
        let letters = ['B', 'C', 'A'];
        let logits = vec![1.0_f32, 3.0, 2.0];
        let mass = 0.2;
        let total: f32 = logits.iter().map(|logit| logit.exp()).sum::<f32>() / mass;
        let entry = |id, token: &str, logit| VocabularyEntry { id, token: token.to_owned(), logit };
        Trace {
            version: TRACE_VERSION,
            history: vec![HistoryItem { item: ItemId(9), title: "Alien (1979)".to_owned() }],
            asking: Asking { letters: true, untuned: false, order: vec![2, 0, 1] },
            candidates: titles
                .iter()
                .zip(letters)
                .enumerate()
                .map(|(n, (title, letter))| Candidate {
                    item: ItemId(n as u32 + 1),
                    title: (*title).to_owned(),
                    letter,
                    score: 3.0 - n as f32,
                })
                .collect(),
            ranker: Some(RankerTrace {
                prompt: Prompt::render(&["Alien (1979)"], &[titles[2], titles[0], titles[1]]),
                token_ids: vec![5; 300],
                token_offsets: vec![(0, 1); 300],
                label_ids: vec![65, 66, 67],
                probabilities: softmax(&logits, 1.0),
                letter_logits: logits,
                top: vec![entry(7, "I", (total * 0.5).ln()), entry(66, "B", 3.0), entry(8, "\n The", 2.5)],
                letter_mass: Some(mass),
            }),
            pointwise: None,
            fused: None,
            ordering: Ordering::Retriever,
            ranking: titles
                .iter()
                .enumerate()
                .map(|(n, title)| Ranked {
                    item: ItemId(n as u32 + 1),
                    title: (*title).to_owned(),
                    rank: n + 1,
                    retriever_rank: n + 1,
                    ranker_rank: Some([1, 2, 3][n]),
                    probability: Some(0.3),
                })
                .collect(),
            timings: Timings::default(),
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn letters_belong_to_the_candidates_that_stand_under_them() {
        let bars = letter_bars(&trace(), 1.0);
        let read: Vec<(char, usize, f32)> =
            bars.iter().map(|bar| (bar.letter, bar.place, bar.logit)).collect();
        assert_eq!(read, [('A', 2, 1.0), ('B', 0, 3.0), ('C', 1, 2.0)]);
        assert_eq!((bars[1].title.as_str(), bars[1].bar), ("Heat (1995)", 1.0));
        let sum: f32 = bars.iter().map(|bar| bar.probability).sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn temperature_changes_confidence_and_not_the_order() {
        let most = |temperature| letter_bars(&trace(), temperature)[1].probability;
        assert!(most(0.1) > 0.99 && most(10.0) < 0.37 && most(1.0) > most(2.0));
        let bars = letter_bars(&trace(), 2.0);
        let formula = formula(&bars, 0, 2.0).expect("letter A");
        assert_eq!((formula.letter, formula.logit, formula.largest), ('A', 1.0, 3.0));
        assert!((formula.share / formula.sum - formula.probability).abs() < 1e-6);
    }

    #[test]
    fn the_vocabulary_has_true_probabilities() {
        let trace = trace();
        let bars = token_bars(trace.ranker.as_ref().expect("a ranker"));
        assert_eq!((bars[0].token.as_str(), bars[2].token.as_str()), ("I", "⏎␣The"));
        assert!((bars[0].probability.expect("known") - 0.5).abs() < 1e-4);
        // B has most of the fifth that lies on the letters.
        let letter = letter_bars(&trace, 1.0)[1].probability;
        assert!((bars[1].probability.expect("known") - 0.2 * letter).abs() < 1e-5 && bars[1].is_letter);
        assert!(!bars[0].is_letter);
    }

    #[test]
    fn a_record_without_a_ranker_has_no_bars() {
        let mut trace = trace();
        trace.ranker = None;
        assert!(letter_bars(&trace, 1.0).is_empty());
    }
}
