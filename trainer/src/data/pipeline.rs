//! Raw data to sequences: titles, repeats, k-core, dense ids, chronological order.

use serde::Serialize;
use shared::catalog::{Catalog, Item, ItemId};

use super::{
    Dataset,
    kcore::{Round, k_core},
    order,
    raw::{Interaction, RawData},
};
use crate::report::UserError;

/// The rules in words, for the provenance.
pub const RULES: [&str; 4] = [
    "every row is an interaction, whatever its rating; interactions of items without title are dropped first",
    "of several interactions of a user with one item the earliest is kept",
    order::RULE,
    "a user's items are ordered by time, ties by ascending raw item id",
];

/// What the preparation dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Interactions that were read.
    pub interactions_read: usize,
    /// Items that somebody met and that have no title.
    pub untitled_items: usize,
    /// Their interactions.
    pub untitled_interactions: usize,
    /// Later interactions of a user with an item that the user met before.
    pub repeated_interactions: usize,
    /// Titles that a later, different one of the same item replaced.
    pub replaced_titles: u64,
    /// What fell out in each round of the k-core.
    pub k_core_rounds: Vec<Round>,
}

/// Prepares raw data as the paper does (section 4.0.1), following [`RULES`].
///
/// With the tie rule every test item of the paper's MovieLens split is the reference's, which breaks ties by a
/// hash order. The reference keeps repeated interactions; here a history holds an item once, because items of
/// the history are masked in measurements, so that a repeated label could never be hit. (The paper's three
/// data sets have no repeats.)
///
/// # Errors
/// Nothing left.
pub fn sequences(name: &str, raw: RawData, k: u32) -> Result<(Dataset, Dropped), UserError> {
    let RawData { users, items, mut rows, mut titles, retitled } = raw;
    let mut dropped =
        Dropped { interactions_read: rows.len(), replaced_titles: retitled, ..Dropped::default() };
    let (users, items) = (users.into_texts(), items.into_texts());
    titles.resize(items.len(), None);

    rows.retain(|row| titles[row.item as usize].is_some());
    dropped.untitled_items = titles.iter().filter(|title| title.is_none()).count();
    dropped.untitled_interactions = dropped.interactions_read - rows.len();
    if rows.is_empty() {
        return Err(nothing_titled(name, dropped.interactions_read));
    }

    let (user_order, item_order) = (order::ascending(&users), order::ascending(&items));
    let (user_ranks, item_ranks) = (order::ranks(&user_order), order::ranks(&item_order));
    for row in &mut rows {
        row.user = user_ranks[row.user as usize];
        row.item = item_ranks[row.item as usize];
    }
    rows.sort_unstable();

    dropped.repeated_interactions = drop_repeats(&mut rows, items.len());
    dropped.k_core_rounds = k_core(&mut rows, k);
    if rows.is_empty() {
        return Err(nothing_left(name, dropped.interactions_read, k));
    }

    let mut dense = vec![ItemId(0); items.len()];
    for row in &rows {
        dense[row.item as usize] = ItemId(1);
    }
    let mut catalog = Vec::new();
    for (id, &place) in dense.iter_mut().zip(&item_order).filter(|(id, _)| id.0 > 0) {
        let title = titles[place as usize].take().unwrap_or_default();
        catalog.push(Item {
            raw: items[place as usize].to_string(),
            title: title.text,
            genres: title.genres,
        });
        *id = ItemId(catalog.len() as u32);
    }
    let (users, sequences) = rows
        .chunk_by(|left, right| left.user == right.user)
        .map(|rows| {
            let sequence: Vec<ItemId> = rows.iter().map(|row| dense[row.item as usize]).collect();
            (users[user_order[rows[0].user as usize] as usize].to_string(), sequence)
        })
        .unzip();
    Ok((Dataset { name: name.to_owned(), catalog: Catalog::new(catalog), users, sequences }, dropped))
}

/// Keeps the first of a user's rows with one item; the rows are sorted by user and time.
fn drop_repeats(rows: &mut Vec<Interaction>, items: usize) -> usize {
    let before = rows.len();
    let mut last_user = vec![u32::MAX; items];
    rows.retain(|row| std::mem::replace(&mut last_user[row.item as usize], row.user) != row.user);
    before - rows.len()
}

fn nothing_titled(name: &str, read: usize) -> UserError {
    UserError::input(format!("none of the {read} interactions of {name} is of an item with a title"))
        .hint("do both files use the same item ids?")
}

fn nothing_left(name: &str, read: usize, k: u32) -> UserError {
    UserError::input(format!(
        "none of the {read} interactions of {name} is left when users and items with fewer than {k} \
         interactions are dropped"
    ))
    .hint("use a larger data set")
}

#[cfg(test)]
mod tests;
