//! The visitor's history: ordered, oldest first, every change can be taken back.

use shared::catalog::ItemId;

/// How many changes can be taken back.
const UNDO_DEPTH: usize = 50;

/// An ordered list of items with its past states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    items: Vec<ItemId>,
    past: Vec<Vec<ItemId>>,
    /// What was taken back, until something else is changed.
    undone: Vec<Vec<ItemId>>,
}

impl History {
    /// A history that was given, with nothing to take back.
    pub fn new(items: Vec<ItemId>) -> Self {
        Self { items, ..Self::default() }
    }

    /// The items, oldest first.
    pub fn items(&self) -> &[ItemId] {
        &self.items
    }

    /// Whether there is a change to take back.
    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// Adds an item as the newest; false if it is already there.
    pub fn add(&mut self, item: ItemId) -> bool {
        if self.items.contains(&item) {
            return false;
        }
        self.change(|items| items.push(item));
        true
    }

    /// Takes the item at `place` (from 0) out and gives it back.
    pub fn remove(&mut self, place: usize) -> Option<ItemId> {
        let item = *self.items.get(place)?;
        self.change(|items| {
            items.remove(place);
        });
        Some(item)
    }

    /// Exchanges the items at two places; false if there is no such place or nothing moves.
    pub fn swap(&mut self, a: usize, b: usize) -> bool {
        let possible = a != b && a.max(b) < self.items.len();
        if possible {
            self.change(|items| items.swap(a, b));
        }
        possible
    }

    /// Replaces all items; false if nothing changes.
    pub fn replace(&mut self, new: Vec<ItemId>) -> bool {
        let changes = self.items != new;
        if changes {
            self.change(|items| *items = new);
        }
        changes
    }

    /// Whether there is a change that was taken back.
    pub fn can_redo(&self) -> bool {
        !self.undone.is_empty()
    }

    /// Takes back the last change; false if there is none.
    pub fn undo(&mut self) -> bool {
        let before = self.past.pop();
        before.map(|items| self.undone.push(std::mem::replace(&mut self.items, items))).is_some()
    }

    /// Makes the change again that was taken back last; false if there is none.
    pub fn redo(&mut self) -> bool {
        let after = self.undone.pop();
        after.map(|items| self.past.push(std::mem::replace(&mut self.items, items))).is_some()
    }

    fn change(&mut self, f: impl FnOnce(&mut Vec<ItemId>)) {
        if self.past.len() == UNDO_DEPTH {
            self.past.remove(0);
        }
        self.past.push(self.items.clone());
        self.undone.clear();
        f(&mut self.items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(history: &History) -> Vec<u32> {
        history.items().iter().map(|item| item.0).collect()
    }

    #[test]
    fn every_change_can_be_taken_back() {
        let mut history = History::default();
        for id in 1..=3 {
            assert!(history.add(ItemId(id)));
        }
        assert!(history.swap(0, 2));
        assert_eq!(ids(&history), [3, 2, 1]);
        assert_eq!(history.remove(1), Some(ItemId(2)));
        assert!(history.replace(Vec::new()));
        assert!(ids(&history).is_empty());
        for expected in [vec![3, 1], vec![3, 2, 1], vec![1, 2, 3], vec![1, 2], vec![1], vec![]] {
            assert!(history.undo());
            assert_eq!(ids(&history), expected);
        }
        assert!(!history.undo());
    }

    #[test]
    fn what_was_taken_back_can_be_made_again() {
        let mut history = History::default();
        for id in 1..=3 {
            history.add(ItemId(id));
        }
        assert!(!history.can_redo() && history.undo() && history.undo());
        assert!(history.redo());
        assert_eq!(ids(&history), [1, 2]);
        assert!(history.can_redo() && history.redo() && !history.redo());
        assert_eq!(ids(&history), [1, 2, 3]);
        // Another change leaves nothing to make again.
        history.undo();
        history.add(ItemId(9));
        assert!(!history.can_redo());
        assert_eq!(ids(&history), [1, 2, 9]);
        assert!(history.undo() && ids(&history) == [1, 2]);
    }

    #[test]
    fn what_changes_nothing_leaves_nothing_to_take_back() {
        let mut history = History::new(vec![ItemId(1)]);
        assert!(!history.add(ItemId(1)));
        assert!(!history.swap(0, 1));
        assert!(!history.swap(0, 0));
        assert!(!history.replace(vec![ItemId(1)]));
        assert_eq!(history.remove(5), None);
        assert!(!history.can_undo());
    }

    #[test]
    fn the_past_is_bounded() {
        let mut history = History::default();
        for id in 0..200 {
            history.add(ItemId(id));
        }
        assert_eq!((0..200).filter(|_| history.undo()).count(), UNDO_DEPTH);
    }
}
