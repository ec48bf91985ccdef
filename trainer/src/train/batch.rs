//! Batches: windows packed into rows, so that little of a row is padding.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::Window;

/// Windows in rows of one length, with padding before each: the model's state starts anew after padding,
/// so windows that share a row do not see each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    row_len: usize,
    /// Row-major `[rows, row_len]`.
    ids: Vec<i32>,
    /// Places in `ids` whose hidden state predicts a label, ascending.
    places: Vec<i32>,
    /// The labels, one a place.
    labels: Vec<i32>,
}

impl Batch {
    /// Packs windows first-fit into rows that hold the longest window, of `longest` inputs.
    pub fn pack<'a>(windows: impl IntoIterator<Item = &'a Window>, longest: usize) -> Self {
        // The recurrence works on powers of two; one place more than a window is for its separator.
        let row_len = (longest + 1).next_power_of_two();
        let mut rows: Vec<Row> = Vec::new();
        for window in windows {
            let needed = window.inputs.len() + 1;
            let row = rows.iter().position(|row| row.ids.len() + needed <= row_len).unwrap_or_else(|| {
                rows.push(Row::default());
                rows.len() - 1
            });
            rows[row].push(window);
        }
        let mut batch = Self { row_len, ids: Vec::new(), places: Vec::new(), labels: Vec::new() };
        for row in rows {
            let start = batch.ids.len();
            batch.places.extend(row.places.iter().map(|&place| (start + place) as i32));
            batch.labels.extend(row.labels);
            batch.ids.extend(row.ids);
            batch.ids.resize(start + row_len, 0);
        }
        batch
    }

    /// Ids to read: `[rows, row_len]`.
    pub fn ids(&self, device: &Device) -> Tensor<2, Int> {
        let shape = [self.ids.len() / self.row_len, self.row_len];
        Tensor::from_data(TensorData::new(self.ids.clone(), shape), device)
    }

    /// Hidden states that predict a label, out of those of all ids.
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
}

#[derive(Default)]
struct Row {
    ids: Vec<i32>,
    places: Vec<usize>,
    labels: Vec<i32>,
}

impl Row {
    /// Appends a separator and a window. The separator still ends the state of the window before; the
    /// position behind it is the first with a fresh one.
    fn push(&mut self, window: &Window) {
        self.ids.push(0);
        let start = self.ids.len();
        self.ids.extend(&window.inputs);
        self.places.extend(start..self.ids.len());
        self.labels.extend(&window.labels);
    }
}

#[cfg(test)]
mod tests {
    use shared::retriever::{LruRec, LruRecConfig};

    use super::*;

    fn window(inputs: &[i32], labels: &[i32]) -> Window {
        Window { inputs: inputs.to_vec(), labels: labels.to_vec() }
    }

    #[test]
    fn windows_share_rows() {
        let windows =
            [window(&[0, 1, 2], &[1, 2, 3]), window(&[7, 8, 9, 1], &[8, 9, 1, 2]), window(&[0, 5], &[5, 6])];
        let batch = Batch::pack(&windows, 4);
        assert_eq!(batch.row_len, 8);
        assert_eq!(batch.ids, [0, 0, 1, 2, 0, 0, 5, 0, 0, 7, 8, 9, 1, 0, 0, 0]);
        assert_eq!(batch.places, [1, 2, 3, 5, 6, 9, 10, 11, 12]);
        assert_eq!(batch.labels, [1, 2, 3, 5, 6, 8, 9, 1, 2]);
    }

    #[test]
    fn packed_windows_have_the_hidden_states_of_windows_alone() {
        let device = Device::flex();
        let config = LruRecConfig { d_model: 8, max_len: 4, ..LruRecConfig::new(9) };
        let model = LruRec::new(config, 3, &device).expect("valid config");
        let windows =
            [window(&[0, 1, 2], &[1, 2, 3]), window(&[7, 8, 9, 1], &[8, 9, 1, 2]), window(&[0, 5], &[5, 6])];
        let packed = Batch::pack(&windows, 4);
        let packed = packed.labelled(model.forward(packed.ids(&device)));
        // The reference's form: one row a window, padding on the left.
        let left_padded = [[0, 0, 1, 2], [0, 0, 0, 5], [7, 8, 9, 1]];
        let rows = model.forward(Tensor::from_ints(left_padded, &device)).reshape([12, 8]);
        let labelled = rows.select(0, Tensor::from_ints([1, 2, 3, 6, 7, 8, 9, 10, 11], &device));
        let difference: f32 = (packed - labelled).abs().max().into_scalar();
        assert!(difference < 1e-5, "{difference}");
    }
}
