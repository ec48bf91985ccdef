//! Training windows: which items are read and which are predicted (reference behaviour of the LlamaRec code).

use shared::catalog::ItemId;

/// Consecutive items of one user: position for position what is read and what comes next.
///
/// An input of 0 is the padding from which the first item of a window is predicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Ids read, at most `max_len`.
    pub inputs: Vec<i32>,
    /// The id that follows each input.
    pub labels: Vec<i32>,
}

impl Window {
    /// The newest `max_len` transitions of `items`. With at most `max_len` items the first one is itself
    /// predicted, from padding.
    fn new(items: &[ItemId], max_len: usize) -> Self {
        let start = items.len().saturating_sub(max_len);
        let labels: Vec<i32> = items[start..].iter().map(|item| item.0 as i32).collect();
        let before = start.checked_sub(1).map_or(0, |previous| items[previous].0 as i32);
        let inputs = std::iter::once(before).chain(labels.iter().copied()).take(labels.len()).collect();
        Self { inputs, labels }
    }
}

/// The windows of all training sequences.
///
/// A sequence shorter than 2 · `max_len` is one window of its newest items. A longer one is cut from its end
/// into windows of `max_len`; what remains at the front is dropped.
pub fn training_windows<'a>(
    sequences: impl IntoIterator<Item = &'a [ItemId]>,
    max_len: usize,
) -> Vec<Window> {
    sequences
        .into_iter()
        .flat_map(|items| {
            let cut = if items.len() < 2 * max_len { items.len() } else { max_len };
            items.rchunks(cut.max(1)).filter(move |chunk| chunk.len() == cut)
        })
        .map(|items| Window::new(items, max_len))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(range: std::ops::RangeInclusive<u32>) -> Vec<ItemId> {
        range.map(ItemId).collect()
    }

    fn windows(length: u32, max_len: usize) -> Vec<Window> {
        training_windows([items(1..=length).as_slice()], max_len)
    }

    #[test]
    fn a_short_sequence_predicts_its_first_item_from_padding() {
        assert_eq!(windows(3, 4), [Window { inputs: vec![0, 1, 2], labels: vec![1, 2, 3] }]);
        assert_eq!(windows(4, 4), [Window { inputs: vec![0, 1, 2, 3], labels: vec![1, 2, 3, 4] }]);
    }

    #[test]
    fn a_sequence_below_twice_the_length_uses_only_its_newest_labels() {
        assert_eq!(windows(7, 4), [Window { inputs: vec![3, 4, 5, 6], labels: vec![4, 5, 6, 7] }]);
    }

    #[test]
    fn a_long_sequence_is_cut_from_its_end() {
        assert_eq!(
            windows(9, 4),
            [
                Window { inputs: vec![0, 6, 7, 8], labels: vec![6, 7, 8, 9] },
                Window { inputs: vec![0, 2, 3, 4], labels: vec![2, 3, 4, 5] },
            ]
        );
    }
}
