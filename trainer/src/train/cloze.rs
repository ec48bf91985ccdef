//! Masked items for `BERT4Rec` (Sun et al., CIKM 2019, section 3.6).

use rand::{Rng, RngExt};

/// Share of items masked.
const MASKED: f64 = 0.25;
/// Share of windows in which the last item alone is masked, as it is when the model recommends.
const LAST_ONLY: f64 = 0.15;

/// A window with holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cloze {
    /// The items, masks for some.
    pub(super) inputs: Vec<i32>,
    /// Places of the masks and what was there, ascending.
    pub(super) labels: Vec<(usize, i32)>,
}

impl Cloze {
    /// Masks at least one of `items`, unless there is none.
    pub(super) fn new(items: &[i32], mask: i32, rng: &mut impl Rng) -> Self {
        let mut cloze = Self { inputs: items.to_vec(), labels: Vec::new() };
        if !rng.random_bool(LAST_ONLY) {
            for place in 0..items.len() {
                if rng.random_bool(MASKED) {
                    cloze.mask(place, mask);
                }
            }
        }
        if cloze.labels.is_empty() && !items.is_empty() {
            cloze.mask(items.len() - 1, mask);
        }
        cloze
    }

    fn mask(&mut self, place: usize, mask: i32) {
        self.labels.push((place, self.inputs[place]));
        self.inputs[place] = mask;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_quarter_is_masked_and_the_last_item_more_often() {
        let items: Vec<i32> = (1..=20).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut masked, mut last, mut last_only) = (0, 0, 0);
        for _ in 0..4000 {
            let Cloze { inputs, labels } = Cloze::new(&items, 99, &mut rng);
            assert!(!labels.is_empty());
            assert!(labels.iter().all(|&(place, item)| inputs[place] == 99 && items[place] == item));
            assert_eq!(inputs.iter().filter(|&&id| id == 99).count(), labels.len());
            masked += labels.len();
            last += usize::from(inputs[19] == 99);
            last_only += usize::from(labels == [(19, 20)]);
        }
        let share = |count: usize, of: usize| count as f64 / of as f64;
        // 0.85 · 0.25 of all items and 0.15 of the last ones.
        assert!((share(masked, 80_000) - 0.22).abs() < 0.01, "{masked}");
        assert!((share(last, 4000) - 0.3625).abs() < 0.03, "{last}");
        assert!((share(last_only, 4000) - 0.15).abs() < 0.03, "{last_only}");
    }

    #[test]
    fn short_windows_have_a_mask_too() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..20 {
            assert_eq!(Cloze::new(&[7], 9, &mut rng), Cloze { inputs: vec![9], labels: vec![(0, 7)] });
        }
        assert_eq!(Cloze::new(&[], 9, &mut rng), Cloze { inputs: vec![], labels: vec![] });
    }
}
