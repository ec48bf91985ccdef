//! The k-core: the largest set of interactions in which every user and every item occurs k times or more.

use serde::Serialize;

use super::raw::Interaction;

/// What fell out in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Round {
    /// Items with too few interactions; they fall out first.
    pub items: usize,
    /// Users with too few interactions of what is left.
    pub users: usize,
    /// The interactions of both.
    pub interactions: usize,
}

/// Drops rare items and rare users in turn until nothing more falls out (paper section 4.0.1, k = 5).
///
/// The order of the rows stays. What is left does not depend on the order in which rows fall out; it may be
/// empty. Tells what each round dropped.
pub fn k_core(rows: &mut Vec<Interaction>, k: u32) -> Vec<Round> {
    let mut rounds = Vec::new();
    let mut counts = Vec::new();
    loop {
        let before = rows.len();
        let items = keep_frequent(rows, k, &mut counts, |row| row.item);
        let users = keep_frequent(rows, k, &mut counts, |row| row.user);
        if rows.len() == before {
            return rounds;
        }
        rounds.push(Round { items, users, interactions: before - rows.len() });
    }
}

/// Drops the rows whose key is rare; gives the number of keys dropped.
fn keep_frequent(
    rows: &mut Vec<Interaction>,
    k: u32,
    counts: &mut Vec<u32>,
    key: impl Fn(&Interaction) -> u32,
) -> usize {
    counts.clear();
    for row in rows.iter() {
        let key = key(row) as usize;
        if counts.len() <= key {
            counts.resize(key + 1, 0);
        }
        counts[key] += 1;
    }
    let rare = counts.iter().filter(|&&count| count > 0 && count < k).count();
    if rare > 0 {
        rows.retain(|row| counts[key(row) as usize] >= k);
    }
    rare
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Row = (u32, u32);

    fn core(rows: &[Row], k: u32) -> (Vec<Row>, Vec<Round>) {
        let mut rows = rows.iter().map(|&(user, item)| Interaction { user, time: 0, item }).collect();
        let rounds = k_core(&mut rows, k);
        (rows.iter().map(|row| (row.user, row.item)).collect(), rounds)
    }

    /// The definition, slowly: take out one offending row at a time, whichever `pick` says.
    fn one_by_one(rows: &[Row], k: u32, mut pick: usize) -> Vec<Row> {
        let mut rows = rows.to_vec();
        loop {
            let rare = |row: &Row| {
                rows.iter().filter(|other| other.0 == row.0).count() < k as usize
                    || rows.iter().filter(|other| other.1 == row.1).count() < k as usize
            };
            let offending: Vec<usize> = (0..rows.len()).filter(|&at| rare(&rows[at])).collect();
            if offending.is_empty() {
                return rows;
            }
            rows.remove(offending[pick % offending.len()]);
            pick = pick.wrapping_mul(31).wrapping_add(7);
        }
    }

    fn distinct(rows: &[Row], key: impl Fn(&Row) -> u32) -> usize {
        rows.iter().map(key).collect::<std::collections::BTreeSet<_>>().len()
    }

    proptest! {
        #[test]
        fn equals_the_definition(
            rows in proptest::collection::vec((0_u32..8, 0_u32..8), 0..60),
            k in 1_u32..5,
            pick in any::<usize>(),
        ) {
            let (left, rounds) = core(&rows, k);
            prop_assert_eq!(&left, &one_by_one(&rows, k, pick));
            let dropped = |count: fn(&Round) -> usize| rounds.iter().map(count).sum::<usize>();
            prop_assert_eq!(dropped(|round| round.interactions), rows.len() - left.len());
            // Users and items whose rows all fell out with the other side are not counted as rare themselves.
            prop_assert!(dropped(|round| round.items) <= distinct(&rows, |row| row.1) - distinct(&left, |row| row.1));
            prop_assert!(dropped(|round| round.users) <= distinct(&rows, |row| row.0) - distinct(&left, |row| row.0));
        }

        #[test]
        fn is_a_fixed_point(rows in proptest::collection::vec((0_u32..8, 0_u32..8), 0..60), k in 1_u32..5) {
            let (once, _) = core(&rows, k);
            prop_assert_eq!(core(&once, k), (once, Vec::new()));
        }
    }

    #[test]
    fn falling_out_cascades() {
        // User 3 has one row; without it item 9 is rare; without that user 2 is rare, and so on.
        let rows = [(1, 7), (1, 8), (2, 8), (2, 9), (3, 9), (1, 7)];
        let (left, rounds) = core(&rows, 2);
        assert_eq!(left, [(1, 7), (1, 7)]);
        let rounds: Vec<_> =
            rounds.iter().map(|round| (round.items, round.users, round.interactions)).collect();
        assert_eq!(rounds, [(0, 1, 1), (1, 1, 2), (1, 0, 1)]);
        assert_eq!(core(&rows, 1).0, rows);
        assert!(core(&rows, 4).0.is_empty());
    }
}
