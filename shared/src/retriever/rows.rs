//! Rows of item ids as the networks read them: several histories may share a row.
//!
//! A row falls into *runs*: every padding (id 0) is a run of its own, and so is every stretch of items
//! between paddings. Nothing is seen across runs and positions count from the start of a run, so a history
//! has the same hidden states alone, behind padding, and in a row with others.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Ids in rows of one length, in host memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Row-major `[rows, row_len]`; 0 is padding.
    ids: Vec<i32>,
    row_len: usize,
}

/// Which keys a query sees within its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// Itself and what came before.
    Causal,
    /// All of the run.
    Both,
}

impl Rows {
    /// Rows of `row_len` ids each, row-major.
    ///
    /// # Panics
    /// If `row_len` is 0 or does not divide the number of ids.
    pub fn new(ids: Vec<i32>, row_len: usize) -> Self {
        assert!(ids.len().is_multiple_of(row_len), "{} ids are no rows of {row_len}", ids.len());
        Self { ids, row_len }
    }

    /// One window a row, padded on the left to the longest.
    pub fn left_padded<'a>(windows: impl IntoIterator<Item = &'a [i32]> + Clone) -> Self {
        let row_len = windows.clone().into_iter().map(<[i32]>::len).max().unwrap_or(0).max(1);
        let mut ids = Vec::new();
        for window in windows {
            ids.extend(std::iter::repeat_n(0, row_len - window.len()).chain(window.iter().copied()));
        }
        Self { ids, row_len }
    }

    /// Number of rows and their length.
    pub fn dims(&self) -> [usize; 2] {
        [self.ids.len() / self.row_len, self.row_len]
    }

    /// The ids, row-major.
    pub fn as_slice(&self) -> &[i32] {
        &self.ids
    }

    /// The ids: `[rows, row_len]`.
    pub fn ids(&self, device: &Device) -> Tensor<2, Int> {
        self.tensor(self.ids.clone(), device)
    }

    /// Place of each id within its run, from 0: `[rows, row_len]`.
    pub(super) fn positions(&self, device: &Device) -> Tensor<2, Int> {
        let starts = self.run_starts();
        let positions = starts.iter().enumerate().map(|(n, start)| (n % self.row_len) as i32 - start);
        self.tensor(positions.collect(), device)
    }

    /// Pairs that must not see each other: `[rows, row_len (queries), row_len (keys)]`. Everything sees
    /// itself.
    pub(super) fn hidden(&self, sight: Sight, device: &Device) -> Tensor<3, Bool> {
        let runs = self.tensor(self.run_starts(), device);
        let apart = runs.clone().unsqueeze_dim::<3>(2).not_equal(runs.unsqueeze_dim::<3>(1));
        match sight {
            Sight::Both => apart,
            Sight::Causal => {
                let places = Tensor::<1, Int>::arange(0..self.row_len as i64, device);
                let later =
                    places.clone().unsqueeze_dim::<2>(1).lower(places.unsqueeze_dim::<2>(0)).unsqueeze::<3>();
                apart.bool_or(later)
            }
        }
    }

    /// 1 where the recurrent state of the place before goes on, 0 at the start of a run:
    /// `[rows, row_len]`.
    pub(super) fn goes_on(&self, device: &Device) -> Tensor<2> {
        let starts = self.run_starts();
        let goes_on =
            starts.iter().enumerate().map(|(n, &start)| f32::from((n % self.row_len) as i32 != start));
        let data = TensorData::new(goes_on.collect::<Vec<f32>>(), self.dims());
        Tensor::from_data(data, device)
    }

    /// Whether each place is the first of its row or comes after a padding: where LRURec's state starts anew.
    pub(super) fn after_padding(&self) -> Vec<bool> {
        (0..self.ids.len()).map(|n| n.is_multiple_of(self.row_len) || self.ids[n - 1] == 0).collect()
    }

    /// Place in its row at which the run of each id starts; this also tells runs of a row apart.
    fn run_starts(&self) -> Vec<i32> {
        let mut starts = Vec::with_capacity(self.ids.len());
        for row in self.ids.chunks(self.row_len) {
            let mut start = 0;
            for (place, &id) in row.iter().enumerate() {
                if id == 0 || place == 0 || row[place - 1] == 0 {
                    start = place;
                }
                starts.push(start as i32);
            }
        }
        starts
    }

    fn tensor(&self, values: Vec<i32>, device: &Device) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(values, self.dims()), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(tensor: Tensor<2, Int>) -> Vec<i32> {
        tensor.into_data().iter::<i32>().collect()
    }

    #[test]
    fn windows_are_padded_on_the_left() {
        let rows = Rows::left_padded([&[1, 2, 3][..], &[4]]);
        assert_eq!(rows.dims(), [2, 3]);
        assert_eq!(rows.as_slice(), [1, 2, 3, 0, 0, 4]);
    }

    #[test]
    fn positions_count_from_the_start_of_a_run() {
        let rows = Rows::new(vec![0, 3, 1, 0, 0, 5, 2, 7, 9, 9, 0, 9, 0, 0, 0, 1], 8);
        assert_eq!(ints(rows.positions(&Device::flex())), [0, 0, 1, 0, 0, 0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn nothing_is_seen_across_runs() {
        let rows = Rows::new(vec![3, 1, 0, 5, 2], 5);
        let seen = |sight| -> Vec<u8> {
            let hidden = rows.hidden(sight, &Device::flex()).bool_not().int();
            hidden.into_data().iter::<u8>().collect()
        };
        #[rustfmt::skip]
        assert_eq!(seen(Sight::Causal), [
            1, 0, 0, 0, 0,
            1, 1, 0, 0, 0,
            0, 0, 1, 0, 0,
            0, 0, 0, 1, 0,
            0, 0, 0, 1, 1,
        ]);
        #[rustfmt::skip]
        assert_eq!(seen(Sight::Both), [
            1, 1, 0, 0, 0,
            1, 1, 0, 0, 0,
            0, 0, 1, 0, 0,
            0, 0, 0, 1, 1,
            0, 0, 0, 1, 1,
        ]);
    }

    #[test]
    fn states_start_anew_with_a_run() {
        let rows = Rows::new(vec![3, 1, 0, 5, 2], 5);
        let goes_on: Vec<f32> = rows.goes_on(&Device::flex()).into_data().iter::<f32>().collect();
        assert_eq!(goes_on, [0.0, 1.0, 0.0, 0.0, 1.0]);
    }
}
