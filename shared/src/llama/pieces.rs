//! Attention in pieces: some queries that follow one another, with the keys that any of them sees.

use std::ops::Range;

use super::{pass::Part, sight::Sight};

/// Queries of a piece at most.
const QUERIES: usize = 128;

/// Some queries of a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Rows among those that ask.
    pub queries: Range<usize>,
    /// Rows among all keys.
    pub keys: Vec<usize>,
    /// What each query sees, in places among these keys: first and number of the stretch it shares with others, and of its own.
    pub sights: Vec<[u32; 4]>,
}

/// A layout in pieces. One ends where it is full, or where a branch does after it is half full: so a piece seldom has keys of
/// a branch that few of its queries belong to.
pub(super) fn pieces(part: &Part) -> Vec<Piece> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    while start < part.sights.len() {
        let most = part.sights.len().min(start + QUERIES);
        let branch_ends = |&end: &usize| part.sights[end].own != part.sights[end - 1].own;
        let end = (start + QUERIES / 2..most).rev().find(branch_ends).unwrap_or(most);
        pieces.push(piece(part, start..end));
        start = end;
    }
    pieces
}

fn piece(part: &Part, queries: Range<usize>) -> Piece {
    let sights = &part.sights[queries.clone()];
    let of = |number: fn(&Sight) -> usize| sights.iter().map(number);
    let mut shared = of(|sight| sight.shared).max().unwrap_or(0);
    let mut own = of(|sight| sight.own).min().unwrap_or(0);
    let end = of(|sight| sight.here + 1).max().unwrap_or(0);
    if own <= shared {
        (shared, own) = (0, 0);
    }
    let place = |key: usize| if key < shared { key } else { key - own + shared };
    let stretches = |sight: &Sight| {
        [0, sight.shared, place(sight.own), sight.here + 1 - sight.own].map(|number| number as u32)
    };
    Piece {
        queries: part.queries.start + queries.start..part.queries.start + queries.end,
        keys: (0..shared).chain(own..end).map(|key| part.keys.start + key).collect(),
        sights: sights.iter().map(stretches).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::sight::{Branch, Layout},
        *,
    };

    /// The rows that each query sees, of a layout with `known` rows less that ask, behind others.
    fn seen(layout: &Layout, known: usize) -> (Vec<Piece>, Vec<Vec<usize>>) {
        let tokens = layout.tokens();
        let part = Part {
            keys: 1000..1000 + tokens,
            queries: 500..500 + tokens - known,
            sights: layout.sights().split_off(known),
        };
        let pieces = pieces(&part);
        let of_piece = |piece: &Piece| {
            let keys = piece.keys.clone();
            let of_sight = move |&[a, some, b, more]: &[u32; 4]| {
                let places = (a..a + some).chain(b..b + more);
                places.map(|place| keys[place as usize]).collect::<Vec<_>>()
            };
            piece.sights.iter().map(of_sight).collect::<Vec<_>>()
        };
        let seen = pieces.iter().flat_map(of_piece).collect();
        (pieces, seen)
    }

    #[test]
    fn each_query_stands_in_one_piece_and_sees_there_what_it_saw() {
        let branch = |seen, length| Branch { seen, ids: vec![0; length] };
        for (layout, known) in [
            (Layout::prompt(&[0; 5]), 0),
            (Layout::prompt(&[0; 400]), 7),
            (Layout::new(vec![0; 300], vec![branch(300, 275), branch(290, 275), branch(300, 3)]), 0),
            (Layout::new(vec![0; 150], (0..40).map(|n| branch(150 - n, 1 + n)).collect()), 20),
            (Layout::new(vec![], vec![branch(0, 200), branch(0, 1)]), 0),
        ] {
            let (pieces, seen) = seen(&layout, known);
            let rows: Vec<usize> = pieces.iter().flat_map(|piece| piece.queries.clone()).collect();
            assert_eq!(rows, (500..500 + layout.tokens() - known).collect::<Vec<_>>());
            assert!(pieces.iter().all(|piece| piece.queries.len() <= QUERIES));
            let expected = layout.sights().split_off(known).into_iter();
            let expected: Vec<Vec<usize>> = expected
                .map(|sight| sight.ranges().into_iter().flatten().map(|key| 1000 + key).collect())
                .collect();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_piece_has_no_keys_of_branches_that_its_queries_do_not_see() {
        let branches = (0..4).map(|_| Branch { seen: 256, ids: vec![0; 128] }).collect();
        let (pieces, _) = seen(&Layout::new(vec![0; 256], branches), 0);
        let keys: Vec<usize> = pieces.iter().map(|piece| piece.keys.len()).collect();
        assert_eq!(keys, [128, 256, 384, 384, 384, 384]);
    }
}
