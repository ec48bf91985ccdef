//! Batches: windows packed into rows, so that little of a row is padding.

use burn::tensor::{Tensor, TensorData};
use rand::{Rng, RngExt};
use shared::retriever::Rows;

use super::{Window, cloze::Cloze};

/// Windows in rows of one length, a padding before each: nothing is seen across paddings, so windows that
/// share a row do not see each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    rows: Rows,
    /// Places in the rows whose hidden state predicts a label, ascending.
    places: Vec<i32>,
    /// The labels, one a place.
    labels: Vec<i32>,
    /// For each label an item that its window does not hold, if any were drawn.
    negatives: Vec<i32>,
}

/// What a window becomes in a batch: ids to read, and at which of them what is to be predicted.
struct Example {
    inputs: Vec<i32>,
    labels: Vec<Label>,
}

struct Label {
    place: usize,
    item: i32,
    negative: Option<i32>,
}

impl Batch {
    /// Every place of a window predicts the next item. `longest` is the length of the longest window there
    /// is, so that all batches have rows of one length.
    pub fn causal<'a>(windows: impl IntoIterator<Item = &'a Window>, longest: usize) -> Self {
        Self::pack(windows.into_iter().map(|window| window.example(|| None)), longest)
    }

    /// [`Self::causal`] with a random negative a label, uniform among the items that its window does not hold.
    pub fn causal_with_negatives<'a>(
        windows: impl IntoIterator<Item = &'a Window>,
        longest: usize,
        num_items: usize,
        rng: &mut impl Rng,
    ) -> Self {
        let examples: Vec<Example> = windows
            .into_iter()
            .map(|window| window.example(|| Some(window.negative(num_items, rng))))
            .collect();
        Self::pack(examples, longest)
    }

    /// The items of a window with some of them masked, which are to be filled in.
    pub fn masked<'a>(
        windows: impl IntoIterator<Item = &'a Window>,
        longest: usize,
        mask: i32,
        rng: &mut impl Rng,
    ) -> Self {
        let examples: Vec<Example> = windows
            .into_iter()
            .map(|window| {
                // A window's labels are its items: the first of them is predicted, too.
                let Cloze { inputs, labels } = Cloze::new(&window.labels, mask, rng);
                let labels = labels.into_iter().map(|(place, item)| Label { place, item, negative: None });
                Example { inputs, labels: labels.collect() }
            })
            .collect();
        Self::pack(examples, longest)
    }

    /// Packs first-fit into rows that hold the longest window.
    fn pack(examples: impl IntoIterator<Item = Example>, longest: usize) -> Self {
        // The recurrence works on powers of two; one place more than a window is for its separator.
        let row_len = (longest + 1).next_power_of_two();
        let mut rows: Vec<(Vec<i32>, Vec<Label>)> = Vec::new();
        for example in examples {
            let needed = example.inputs.len() + 1;
            let fitting = rows.iter().position(|(ids, _)| ids.len() + needed <= row_len);
            let row = fitting.unwrap_or_else(|| {
                rows.push((Vec::new(), Vec::new()));
                rows.len() - 1
            });
            let (ids, labels) = &mut rows[row];
            // The separator still ends the run of the window before; behind it starts a fresh one.
            ids.push(0);
            let start = ids.len();
            ids.extend(example.inputs);
            labels.extend(
                example.labels.into_iter().map(|label| Label { place: start + label.place, ..label }),
            );
        }
        let (mut all, mut places, mut items, mut negatives) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (ids, labels) in rows {
            let start = all.len();
            for label in labels {
                places.push((start + label.place) as i32);
                items.push(label.item);
                negatives.extend(label.negative);
            }
            all.extend(ids);
            all.resize(start + row_len, 0);
        }
        Self { rows: Rows::new(all, row_len), places, labels: items, negatives }
    }

    /// The rows to read.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Hidden states that predict a label, out of those of all places.
    ///
    /// # Shapes
    /// - hidden: `[rows, row_len, d_model]`
    /// - output: `[labels, d_model]`
    pub fn labelled(&self, hidden: Tensor<3>) -> Tensor<2> {
        let [rows, row_len, width] = hidden.dims();
        let places = TensorData::new(self.places.clone(), [self.places.len()]);
        let places = Tensor::from_data(places, &hidden.device());
        hidden.reshape([rows * row_len, width]).select(0, places)
    }

    /// The labels, in the order of [`Self::labelled`].
    pub fn labels(&self) -> &[i32] {
        &self.labels
    }

    /// A negative for each label; empty if none were drawn.
    pub fn negatives(&self) -> &[i32] {
        &self.negatives
    }
}

impl Window {
    fn example(&self, mut negative: impl FnMut() -> Option<i32>) -> Example {
        let labels = self.labels.iter().enumerate();
        let labels = labels.map(|(place, &item)| Label { place, item, negative: negative() });
        Example { inputs: self.inputs.clone(), labels: labels.collect() }
    }

    /// An item that the window does not hold; any item after many vain draws.
    fn negative(&self, num_items: usize, rng: &mut impl Rng) -> i32 {
        let mut item = 0;
        for _ in 0..100 {
            item = rng.random_range(1..=num_items as i32);
            if !self.labels.contains(&item) && !self.inputs.contains(&item) {
                break;
            }
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use shared::retriever::{Architecture, Retriever, RetrieverConfig};

    use super::*;

    fn window(inputs: &[i32], labels: &[i32]) -> Window {
        Window { inputs: inputs.to_vec(), labels: labels.to_vec() }
    }

    fn windows() -> [Window; 3] {
        [window(&[0, 1, 2], &[1, 2, 3]), window(&[7, 8, 9, 1], &[8, 9, 1, 2]), window(&[0, 5], &[5, 6])]
    }

    #[test]
    fn windows_share_rows() {
        let batch = Batch::causal(&windows(), 4);
        assert_eq!(batch.rows.dims(), [2, 8]);
        assert_eq!(batch.rows.as_slice(), [0, 0, 1, 2, 0, 0, 5, 0, 0, 7, 8, 9, 1, 0, 0, 0]);
        assert_eq!(batch.places, [1, 2, 3, 5, 6, 9, 10, 11, 12]);
        assert_eq!(batch.labels, [1, 2, 3, 5, 6, 8, 9, 1, 2]);
        assert!(batch.negatives.is_empty());
    }

    #[test]
    fn negatives_are_no_items_of_the_window() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for _ in 0..50 {
            let batch = Batch::causal_with_negatives(&windows()[1..2], 4, 9, &mut rng);
            assert_eq!(batch.negatives.len(), batch.labels.len());
            assert!(batch.negatives.iter().all(|item| [3, 4, 5, 6].contains(item)), "{:?}", batch.negatives);
        }
    }

    #[test]
    fn masked_windows_hold_all_their_items() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let batch = Batch::masked(&windows()[..1], 4, 10, &mut rng);
        let mut items = batch.rows.as_slice().to_vec();
        for (&place, &label) in batch.places.iter().zip(&batch.labels) {
            items[place as usize] = label;
        }
        assert_eq!(items, [0, 1, 2, 3, 0, 0, 0, 0]);
        assert!(!batch.labels.is_empty());
    }

    #[test]
    fn packed_windows_have_the_hidden_states_of_windows_alone() {
        for architecture in Architecture::ALL.into_iter().filter(|architecture| !architecture.is_masked()) {
            let device = Device::flex();
            let config = RetrieverConfig { d_model: 8, max_len: 4, ..RetrieverConfig::new(architecture, 9) };
            let model = Retriever::new(config, 3, &device).expect("valid config");
            let packed = Batch::causal(&windows(), 4);
            let packed = packed.labelled(model.forward(packed.rows()));
            // The reference's form: one row a window, padding on the left.
            let rows = Rows::left_padded([&[0, 0, 1, 2][..], &[0, 0, 0, 5], &[7, 8, 9, 1]]);
            let rows = model.forward(&rows).reshape([12, 8]);
            let labelled = rows.select(0, Tensor::from_ints([1, 2, 3, 6, 7, 8, 9, 10, 11], &device));
            let difference: f32 = (packed - labelled).abs().max().into_scalar();
            assert!(difference < 1e-5, "{architecture}: {difference}");
        }
    }
}
