//! The items one model knows: dense ids, the ids of the raw data, titles.

mod search;

use serde::{Deserialize, Serialize};

pub use search::UnknownTitle;

/// Dense item number of one prepared data set: 1-based, 0 is the padding index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ItemId(pub u32);

impl ItemId {
    /// Row of the item in tables whose row 0 is the padding row.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One item of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Id in the raw data (MovieLens `movieId`, Amazon `asin`).
    pub raw: String,
    /// Title as the prompt shows it, for example `The Heat (1995)`.
    pub title: String,
    /// Genres or categories, possibly none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub genres: Vec<String>,
}

/// All items of a prepared data set, ordered by [`ItemId`] from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Catalog {
    items: Vec<Item>,
}

impl Catalog {
    /// Catalogue whose n-th item (from 0) has the id n + 1.
    pub fn new(items: Vec<Item>) -> Self {
        Self { items }
    }

    /// Number of items, padding not counted.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The item with this id, if there is one.
    pub fn get(&self, id: ItemId) -> Option<&Item> {
        self.items.get(id.index().checked_sub(1)?)
    }

    /// The title of an item, or the empty string for an id outside the catalogue.
    pub fn title(&self, id: ItemId) -> &str {
        self.get(id).map_or("", |item| item.title.as_str())
    }

    /// Items with their ids, in id order.
    pub fn iter(&self) -> impl Iterator<Item = (ItemId, &Item)> {
        self.items.iter().enumerate().map(|(row, item)| (ItemId(row as u32 + 1), item))
    }
}
