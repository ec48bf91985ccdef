//! Leave-last-two-out: the last item is the test, the second to last the validation.

use shared::catalog::ItemId;

/// Fewest items of a sequence that can be split.
pub const SHORTEST: u32 = 3;

/// Leave-last-two-out (paper section 4.0.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// Everything but the last two items.
    pub train: &'a [ItemId],
    /// The second to last item, the label of validation.
    pub valid: ItemId,
    /// The last item, the label of the test.
    pub test: ItemId,
    sequence: &'a [ItemId],
}

impl<'a> Split<'a> {
    /// Splits a sequence; `None` if it has fewer than three items.
    pub fn of(sequence: &'a [ItemId]) -> Option<Self> {
        match sequence {
            [train @ .., valid, test] if !train.is_empty() => {
                Some(Self { train, valid: *valid, test: *test, sequence })
            }
            _ => None,
        }
    }

    /// The history before the test item: training items and the validation item.
    pub fn before_test(&self) -> &'a [ItemId] {
        &self.sequence[..self.sequence.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_items_are_left_out() {
        let sequence = [1, 2, 3, 4, 5].map(ItemId);
        let split = Split::of(&sequence).unwrap();
        assert_eq!(split.train, [1, 2, 3].map(ItemId));
        assert_eq!((split.valid, split.test), (ItemId(4), ItemId(5)));
        assert_eq!(split.before_test(), [1, 2, 3, 4].map(ItemId));
    }

    #[test]
    fn short_sequences_have_no_split() {
        assert!(Split::of(&[ItemId(1), ItemId(2)]).is_none());
        assert!(Split::of(&[]).is_none());
    }
}
