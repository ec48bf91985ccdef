//! The k-core: the largest set of interactions in which every user and every item occurs k times or more.

use std::{collections::HashMap, hash::Hash};

/// Drops rare items and rare users in turn until nothing more falls out (paper section 4.0.1, k = 5).
///
/// `ends` gives the user and the item of a row. The order of the rows stays. The result does not depend on
/// the order in which rows fall out; it may be empty.
pub fn k_core<T, U: Eq + Hash, I: Eq + Hash>(
    mut rows: Vec<T>,
    k: usize,
    ends: impl Fn(&T) -> (U, I),
) -> Vec<T> {
    loop {
        let before = rows.len();
        rows = keep_frequent(rows, k, |row| ends(row).1);
        rows = keep_frequent(rows, k, |row| ends(row).0);
        if rows.len() == before {
            return rows;
        }
    }
}

fn keep_frequent<T, K: Eq + Hash>(mut rows: Vec<T>, k: usize, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut counts = HashMap::<K, usize>::new();
    for row in &rows {
        *counts.entry(key(row)).or_default() += 1;
    }
    rows.retain(|row| counts[&key(row)] >= k);
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::k_core;

    type Row = (u8, u8);

    fn core(rows: &[Row], k: usize) -> Vec<Row> {
        k_core(rows.to_vec(), k, |row| *row)
    }

    /// The definition, slowly: take out one offending row at a time, whichever `pick` says.
    fn one_by_one(rows: &[Row], k: usize, mut pick: usize) -> Vec<Row> {
        let mut rows = rows.to_vec();
        loop {
            let rare = |row: &Row| {
                rows.iter().filter(|other| other.0 == row.0).count() < k
                    || rows.iter().filter(|other| other.1 == row.1).count() < k
            };
            let offending: Vec<usize> = (0..rows.len()).filter(|&at| rare(&rows[at])).collect();
            if offending.is_empty() {
                return rows;
            }
            rows.remove(offending[pick % offending.len()]);
            pick = pick.wrapping_mul(31).wrapping_add(7);
        }
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            rows in proptest::collection::vec((0_u8..8, 0_u8..8), 0..60),
            k in 1_usize..5,
            pick in any::<usize>(),
        ) {
            prop_assert_eq!(core(&rows, k), one_by_one(&rows, k, pick));
        }

        #[test]
        fn is_a_fixed_point(rows in proptest::collection::vec((0_u8..8, 0_u8..8), 0..60), k in 1_usize..5) {
            let once = core(&rows, k);
            prop_assert_eq!(core(&once, k), once);
        }
    }

    #[test]
    fn falling_out_cascades() {
        // User 3 has one row; without it item 9 is rare; without that user 2 is rare, and so on.
        let rows = [(1, 7), (1, 8), (2, 8), (2, 9), (3, 9), (1, 7)];
        assert_eq!(core(&rows, 2), [(1, 7), (1, 7)]);
        assert_eq!(core(&rows, 1), rows);
        assert!(core(&rows, 4).is_empty());
    }
}
