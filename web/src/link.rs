//! The history in the address: `#history=32,50,318` names items by the ids of the raw data, so a link
//! survives a new catalogue. Opening a link never downloads a model.

use shared::catalog::{Catalog, ItemId};

const KEY: &str = "history=";

/// The part of the address after `#` for a history; empty for an empty history.
pub fn write(history: &[ItemId], catalog: &Catalog) -> String {
    let raw: Vec<&str> =
        history.iter().filter_map(|&item| catalog.get(item)).map(|item| item.raw.as_str()).collect();
    if raw.is_empty() { String::new() } else { format!("{KEY}{}", raw.join(",")) }
}

/// Reads what [`write`] wrote, with or without the `#`: the items known here and how many are not.
pub fn read(hash: &str, catalog: &Catalog) -> (Vec<ItemId>, usize) {
    let mut items = Vec::new();
    let mut unknown = 0;
    let fields = hash.trim_start_matches('#').split('&');
    let raw_ids = fields.filter_map(|field| field.strip_prefix(KEY));
    for raw in raw_ids.flat_map(|ids| ids.split(',')).filter(|raw| !raw.is_empty()) {
        match catalog.iter().find(|(_, item)| item.raw == raw) {
            Some((id, _)) if items.contains(&id) => {}
            Some((id, _)) => items.push(id),
            None => unknown += 1,
        }
    }
    (items, unknown)
}

#[cfg(test)]
mod tests {
    use shared::catalog::Item;

    use super::*;

    fn catalog() -> Catalog {
        let item = |raw: &str| Item { raw: raw.into(), title: format!("Film {raw}"), genres: vec![] };
        Catalog::new(vec![item("50"), item("318"), item("B000X")])
    }

    #[test]
    fn what_is_written_is_read() {
        let history = vec![ItemId(3), ItemId(1)];
        assert_eq!(write(&history, &catalog()), "history=B000X,50");
        assert_eq!(read("#history=B000X,50", &catalog()), (history, 0));
        assert_eq!(write(&[], &catalog()), "");
    }

    #[test]
    fn strange_links_are_read_as_far_as_they_go() {
        let read = |hash| read(hash, &catalog());
        assert_eq!(read(""), (vec![], 0));
        assert_eq!(read("#history="), (vec![], 0));
        assert_eq!(read("#other=1&history=318,318,,nope"), (vec![ItemId(2)], 1));
    }
}
