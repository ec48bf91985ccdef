//! Two answers about the same candidates, side by side.

use shared::{catalog::ItemId, trace::Trace};

/// One candidate in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its title.
    pub title: String,
    /// Its place in the first, from 1; absent if it is no candidate there.
    pub before: Option<usize>,
    /// Its place in the second, from 1.
    pub after: usize,
}

/// The comparison of two records.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The second one's candidates in its order.
    pub lines: Vec<Line>,
    /// Kendall's tau over the candidates that both have: 1 is the same order, 0 none in common, -1 turned round. Absent
    /// if there are too few of them to say anything.
    pub tau: Option<f64>,
}

/// Fewest films of which an order is worth a number.
const ENOUGH: usize = 5;

/// What is recommended, best first: both stages together where a tuned ranker ran, else the ranker's order.
pub fn order(trace: &Trace) -> Vec<ItemId> {
    if trace.fused.is_some() {
        trace.ranking.iter().map(|ranked| ranked.item).collect()
    } else {
        by_ranker(trace)
    }
}

/// The ranker's own order, best first; the retriever's where no ranker ran.
fn by_ranker(trace: &Trace) -> Vec<ItemId> {
    let mut ranking: Vec<_> = trace.ranking.iter().collect();
    ranking.sort_by_key(|ranked| ranked.ranker_rank.unwrap_or(ranked.rank));
    ranking.into_iter().map(|ranked| ranked.item).collect()
}

/// Compares the orders of two rankers, each without its retriever.
pub fn compare(first: &Trace, second: &Trace) -> Comparison {
    let (before, after) = (by_ranker(first), by_ranker(second));
    let place = |item: &ItemId| before.iter().position(|other| other == item);
    let title = |item: ItemId| {
        let ranked = second.ranking.iter().find(|ranked| ranked.item == item);
        ranked.map_or(String::new(), |ranked| ranked.title.clone())
    };
    let lines = after
        .iter()
        .enumerate()
        .map(|(n, item)| Line {
            title: title(*item),
            before: place(item).map(|place| place + 1),
            after: n + 1,
        })
        .collect();
    let both: Vec<usize> = after.iter().filter_map(place).collect();
    Comparison { lines, tau: kendall(&both) }
}

/// Kendall's tau between the order of these numbers and the rising one.
fn kendall(places: &[usize]) -> Option<f64> {
    if places.len() < ENOUGH {
        return None;
    }
    let pairs = places.len() * (places.len() - 1) / 2;
    let rising: usize =
        (0..places.len()).map(|n| places[n + 1..].iter().filter(|&&later| later > places[n]).count()).sum();
    Some(2.0 * rising as f64 / pairs as f64 - 1.0)
}

/// How a record was asked, in words.
pub fn asked(trace: &Trace) -> String {
    let way = if trace.is_by_letters() { "by letters" } else { "film by film" };
    let tuned = if trace.provenance.adapter.is_some() { "tuned" } else { "untuned" };
    let films = match trace.history.len() {
        1 => "1 film".to_owned(),
        films => format!("{films} films"),
    };
    let shuffled = if trace.asking.order.is_sorted() { "" } else { ", shuffled" };
    format!("{way}, {tuned} model{shuffled}, after a history of {films}")
}

/// As [`asked`], with the newest film, which tells histories as long apart.
pub fn about(trace: &Trace) -> String {
    format!("{}{}", asked(trace), the_last(trace))
}

/// The newest film of a record's history, behind how many there are.
pub fn the_last(trace: &Trace) -> String {
    trace.history.last().map_or(String::new(), |item| format!(", the last {}", item.title))
}

#[cfg(test)]
mod tests {
    use shared::{fusion::Fusion, trace::FusedTrace};

    use super::*;
    use crate::letters::tests::trace;

    #[test]
    fn orders_are_compared_over_what_both_have() {
        let first = trace();
        let mut second = trace();
        for (ranked, rank) in second.ranking.iter_mut().zip([3, 2, 1]) {
            ranked.ranker_rank = Some(rank);
        }
        let turned = compare(&first, &second);
        let places: Vec<_> = turned.lines.iter().map(|line| (line.before, line.after)).collect();
        assert_eq!(places, [(Some(3), 1), (Some(2), 2), (Some(1), 3)]);

        // With both stages together something else is recommended; the rankers are compared all the same.
        second.fused = Some(FusedTrace {
            weights: Fusion { retriever: 1.0, ranker: 0.5 },
            retriever: vec![0.5, 0.3, 0.2],
            probabilities: vec![0.5, 0.3, 0.2],
        });
        assert_eq!(compare(&first, &second), turned);

        second.ranking[0].item = ItemId(77);
        let other = compare(&first, &second);
        assert_eq!(other.lines[2].before, None);
    }

    #[test]
    fn the_way_of_asking_is_said() {
        assert_eq!(asked(&trace()), "by letters, untuned model, shuffled, after a history of 1 film");
    }

    #[test]
    fn a_few_films_are_not_given_a_number() {
        assert_eq!((kendall(&[]), kendall(&[3, 2, 1, 0])), (None, None));
        assert_eq!((kendall(&[0, 1, 2, 3, 4]), kendall(&[4, 3, 2, 1, 0])), (Some(1.0), Some(-1.0)));
        assert!((kendall(&[1, 0, 2, 3, 4]).expect("five films") - 0.8).abs() < 1e-9);
    }
}
