//! What the readers collect: interactions of numbered users and items, and the titles of those items.

use std::collections::HashMap;

/// One row: a user met an item. The numbers are those of an [`Interner`], later ranks.
///
/// The derived order is by user, then time, then item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interaction {
    /// Number of the user.
    pub user: u32,
    /// When; only the order counts.
    pub time: i64,
    /// Number of the item.
    pub item: u32,
}

/// Numbers texts by first appearance, each once.
#[derive(Clone, Debug, Default)]
pub struct Interner {
    numbers: HashMap<Box<str>, u32>,
}

impl Interner {
    /// Number of a text, a new one if it is new.
    pub fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(text.into(), number);
        number
    }

    /// Number of a text that was seen before.
    pub fn get(&self, text: &str) -> Option<u32> {
        self.numbers.get(text).copied()
    }

    /// The texts in the order of their numbers.
    pub fn into_texts(self) -> Vec<Box<str>> {
        let mut texts = vec![Box::default(); self.numbers.len()];
        for (text, number) in self.numbers {
            texts[number as usize] = text;
        }
        texts
    }
}

/// Title and genres of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title {
    /// The title as prompts show it.
    pub text: String,
    /// Genres, possibly none.
    pub genres: Vec<String>,
}

/// Raw data: 16 bytes a row; each id is stored once. Interactions are read first, then titles.
#[derive(Clone, Debug, Default)]
pub struct RawData {
    pub(super) users: Interner,
    pub(super) items: Interner,
    pub(super) rows: Vec<Interaction>,
    pub(super) titles: Vec<Option<Title>>,
    pub(super) retitled: u64,
}

impl RawData {
    /// Adds an interaction.
    pub fn add(&mut self, user: &str, item: &str, time: i64) {
        let user = self.users.number(user);
        let item = self.items.number(item);
        self.rows.push(Interaction { user, time, item });
    }

    /// Adds the title of an item; an item that nobody met is passed over, so is an empty title.
    ///
    /// Of several titles of an item the last counts, as in the reference, and the item is counted.
    pub fn add_title<'a>(&mut self, item: &str, text: &str, genres: impl Iterator<Item = &'a str>) {
        let Some(number) = self.items.get(item) else { return };
        if text.is_empty() {
            return;
        }
        let number = number as usize;
        if self.titles.len() <= number {
            self.titles.resize(number + 1, None);
        }
        if let Some(title) = &self.titles[number] {
            if title.text == text {
                return;
            }
            self.retitled += 1;
        }
        let genres = genres.map(str::to_owned).collect();
        self.titles[number] = Some(Title { text: text.to_owned(), genres });
    }

    /// Uses the raw id of every item as its title.
    pub fn title_by_id(&mut self) {
        let title = |id: &str| Some(Title { text: id.to_owned(), genres: Vec::new() });
        let mut titles = vec![None; self.items.numbers.len()];
        for (id, &number) in &self.items.numbers {
            titles[number as usize] = title(id);
        }
        self.titles = titles;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbered_by_first_appearance() {
        let mut interner = Interner::default();
        assert_eq!(["b", "a", "b", ""].map(|text| interner.number(text)), [0, 1, 0, 2]);
        assert_eq!((interner.get("a"), interner.get("c")), (Some(1), None));
        assert_eq!(interner.into_texts(), ["b".into(), "a".into(), Box::<str>::default()]);
    }

    #[test]
    fn a_row_takes_sixteen_bytes() {
        assert_eq!(size_of::<Interaction>(), 16);
    }

    #[test]
    fn the_last_title_counts_and_strangers_are_passed_over() {
        let mut raw = RawData::default();
        raw.add("u", "x", 1);
        raw.add("u", "y", 2);
        for (item, text) in [("y", "Old"), ("z", "Nobody"), ("y", "New"), ("y", "New"), ("y", "")] {
            raw.add_title(item, text, "Drama".split('|'));
        }
        assert_eq!(raw.titles[0], None);
        assert_eq!(raw.titles[1].as_ref().unwrap().text, "New");
        assert_eq!(raw.titles[1].as_ref().unwrap().genres, ["Drama"]);
        assert_eq!((raw.titles.len(), raw.retitled), (2, 1));
        raw.title_by_id();
        assert_eq!(raw.titles[0].as_ref().unwrap().text, "x");
    }
}
