//! The pipeline by hand, and against a slow version of its rules.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn raw(rows: &[(&str, &str, i64)], titles: &[(&str, &str)]) -> RawData {
    let mut raw = RawData::default();
    for (user, item, time) in rows {
        raw.add(user, item, *time);
    }
    for (item, title) in titles {
        raw.add_title(item, title, std::iter::empty());
    }
    raw
}

const TITLES: [(&str, &str); 5] =
    [("50", "Fifty"), ("40", "Forty"), ("30", "Thirty"), ("20", "Twenty"), ("10", "Ten")];

/// Five users who all met the items 10, 20, .. 50, each second one at the same time.
fn five() -> Vec<(&'static str, &'static str, i64)> {
    ["10", "9", "3", "2", "1"]
        .into_iter()
        .flat_map(|user| [("50", 2), ("40", 2), ("10", 0), ("30", 1), ("20", 1)].map(|(i, t)| (user, i, t)))
        .collect()
}

#[test]
fn order_is_time_then_raw_id_and_ids_are_dense() {
    let (data, dropped) = sequences("five", raw(&five(), &TITLES), 5).unwrap();
    assert_eq!(data.users, ["1", "2", "3", "9", "10"]);
    assert_eq!(data.sequences[0], [1, 2, 3, 4, 5].map(ItemId));
    assert_eq!(data.catalog.title(ItemId(5)), "Fifty");
    assert_eq!(data.catalog.get(ItemId(1)).unwrap().raw, "10");
    assert_eq!(data.user("3"), Some(2));
    assert_eq!(data.split(2).test, ItemId(5));
    assert_eq!(dropped, Dropped { interactions_read: 25, ..Dropped::default() });
}

#[test]
fn items_without_title_fall_out_before_the_core() {
    let error = sequences("few", raw(&five(), &TITLES[1..]), 5).unwrap_err();
    assert!(error.message.starts_with("none of the 25 interactions of few is left"), "{error}");
    let (data, dropped) = sequences("four", raw(&five(), &TITLES[1..]), 4).unwrap();
    assert_eq!((data.catalog.len(), data.sequences.len()), (4, 5));
    assert_eq!((dropped.untitled_items, dropped.untitled_interactions), (1, 5));
    let error = sequences("none", raw(&five(), &[("7", "Seven")]), 5).unwrap_err();
    assert!(error.message.contains("is of an item with a title"), "{error}");
}

#[test]
fn of_repeated_interactions_the_earliest_is_kept() {
    let mut rows = five();
    rows.push(("1", "10", 99));
    rows.push(("2", "50", -1));
    let (data, dropped) = sequences("five", raw(&rows, &TITLES), 5).unwrap();
    assert_eq!(dropped.repeated_interactions, 2);
    assert_eq!(data.sequences[0], [1, 2, 3, 4, 5].map(ItemId));
    assert_eq!(data.sequences[1], [5, 1, 2, 3, 4].map(ItemId));
    // Repeats do not help an item over the threshold.
    let rows: Vec<_> = (0..9).map(|time| ("1", "10", time)).collect();
    assert!(sequences("one", raw(&rows, &TITLES), 2).is_err());
}

/// The rules, slowly: raw item ids of each user.
fn slowly(rows: &[(u8, u8, i8)], k: usize) -> BTreeMap<u8, Vec<u8>> {
    let mut first = BTreeMap::new();
    for &(user, item, time) in rows {
        let kept = first.entry((user, item)).or_insert(time);
        *kept = time.min(*kept);
    }
    loop {
        let count = |fits: &dyn Fn(&(u8, u8)) -> bool| first.keys().filter(|key| fits(key)).count();
        let rare = first
            .keys()
            .find(|key| count(&|other| other.0 == key.0) < k || count(&|other| other.1 == key.1) < k)
            .copied();
        match rare {
            Some(key) => first.remove(&key),
            None => break,
        };
    }
    let mut sequences = BTreeMap::<u8, BTreeSet<(i8, u8)>>::new();
    for ((user, item), time) in first {
        sequences.entry(user).or_default().insert((time, item));
    }
    sequences.into_iter().map(|(user, met)| (user, met.into_iter().map(|(_, item)| item).collect())).collect()
}

proptest! {
    #[test]
    fn equals_the_rules_whatever_the_order_of_the_rows(
        rows in proptest::collection::vec((0_u8..12, 0_u8..12, 0_i8..4), 0..150),
        k in 3_u32..5,
    ) {
        let mut data = RawData::default();
        for (user, item, time) in &rows {
            data.add(&user.to_string(), &item.to_string(), i64::from(*time));
        }
        data.title_by_id();
        let expected = slowly(&rows, k as usize);
        match sequences("any", data, k) {
            Err(_) => prop_assert!(expected.is_empty()),
            Ok((data, _)) => {
                let raw = |id: &ItemId| data.catalog.get(*id).unwrap().raw.parse().unwrap();
                let found: BTreeMap<u8, Vec<u8>> = data.users.iter().zip(&data.sequences)
                    .map(|(user, ids)| (user.parse().unwrap(), ids.iter().map(raw).collect()))
                    .collect();
                prop_assert_eq!(found, expected);
                let ids: Vec<u32> = data.catalog.iter().map(|(_, item)| item.raw.parse().unwrap()).collect();
                prop_assert!(ids.is_sorted());
                prop_assert!(data.users.iter().map(|user| user.parse::<u32>().unwrap()).is_sorted());
            }
        }
    }
}
