//! The order of raw ids: as numbers if all of them are, else by their bytes.

use std::cmp::Ordering;

/// The rule in words, for the provenance.
pub const RULE: &str = "users and items are numbered by ascending raw id (as numbers if all raw ids of the input \
                        are digits only, else by bytes), items from 1";

/// Places of the ids in ascending order: the smallest id stands at `order[0]`.
pub fn ascending(ids: &[Box<str>]) -> Vec<u32> {
    let digits = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    let compare = if ids.iter().all(|id| digits(id)) { as_numbers } else { Ord::cmp };
    let mut order: Vec<u32> = (0..ids.len() as u32).collect();
    order.sort_unstable_by(|&left, &right| compare(&ids[left as usize], &ids[right as usize]));
    order
}

/// The inverse of an order: the rank of each place.
pub fn ranks(order: &[u32]) -> Vec<u32> {
    let mut ranks = vec![0; order.len()];
    for (rank, &place) in order.iter().enumerate() {
        ranks[place as usize] = rank as u32;
    }
    ranks
}

/// Digits of any length as numbers; `7` before `07`.
fn as_numbers(left: &str, right: &str) -> Ordering {
    let number = |id| str::trim_start_matches(id, '0');
    let (a, b) = (number(left), number(right));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b)).then(left.len().cmp(&right.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(ids: &[&str]) -> Vec<String> {
        let ids: Vec<Box<str>> = ids.iter().map(|&id| id.into()).collect();
        ascending(&ids).iter().map(|&place| ids[place as usize].to_string()).collect()
    }

    #[test]
    fn numbers_are_ordered_as_numbers_only_among_numbers() {
        assert_eq!(sorted(&["10", "9", "007", "7", "0"]), ["0", "7", "007", "9", "10"]);
        assert_eq!(sorted(&["10", "9", "B1"]), ["10", "9", "B1"]);
        assert_eq!(sorted(&["99999999999999999999999", "100000000000000000000000"]).len(), 2);
        assert_eq!(sorted(&["b", "", "é", "a"]), ["", "a", "b", "é"]);
    }

    proptest! {
        #[test]
        fn numbers_are_in_their_natural_order(ids in proptest::collection::vec(any::<u64>(), 0..20)) {
            let texts: Vec<Box<str>> = ids.iter().map(|id| id.to_string().into()).collect();
            let order = ascending(&texts);
            prop_assert!(order.is_sorted_by_key(|&place| ids[place as usize]));
            let ranks = ranks(&order);
            prop_assert!(order.iter().enumerate().all(|(rank, &place)| ranks[place as usize] as usize == rank));
        }
    }
}
