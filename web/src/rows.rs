//! The table of recommendations: one row a candidate, in the order that is shown.

use shared::{
    catalog::ItemId,
    trace::{FusedTrace, Trace},
};

use crate::{letters::shares, state::Shown};

/// One candidate as the table shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Place in the order shown, from 1.
    pub place: usize,
    /// The item.
    pub item: ItemId,
    /// Its title.
    pub title: String,
    /// The retriever's part: what it gives this one of all candidates.
    pub retriever: Cell,
    /// Its index letter.
    pub letter: char,
    /// The ranker's part; absent when no ranker ran.
    pub ranker: Option<Cell>,
    /// Both stages together; absent when no tuned ranker ran.
    pub fused: Option<Cell>,
}

/// What is said of one candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Probability over the candidates.
    pub probability: f32,
    /// Its share of the largest probability, 0 to 1: the length of the bar.
    pub bar: f32,
    /// Place by it alone, from 1.
    pub rank: usize,
    /// Places won (positive) or lost against the retriever's order.
    pub moved: i64,
}

/// One candidate as the retriever proposes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposed {
    /// Its title.
    pub title: String,
    /// Its score, a logit.
    pub score: f32,
    /// Softmax over the candidates.
    pub probability: f32,
    /// Its share of the largest probability: the length of the bar.
    pub bar: f32,
}

/// The candidates in the retriever's order.
pub fn proposed(trace: &Trace) -> Vec<Proposed> {
    trace
        .candidates
        .iter()
        .zip(retriever_shares(trace))
        .map(|(candidate, (probability, bar))| Proposed {
            title: candidate.title.clone(),
            score: candidate.score,
            probability,
            bar,
        })
        .collect()
}

/// What the retriever gives each candidate of all, and the length of its bar.
fn retriever_shares(trace: &Trace) -> Vec<(f32, f32)> {
    let scores: Vec<f32> = trace.candidates.iter().map(|candidate| candidate.score).collect();
    shares(&scores, 1.0)
}

/// The rows of a Trace in the order asked for.
pub fn rows(trace: &Trace, shown: Shown) -> Vec<Row> {
    let largest =
        |probabilities: &mut dyn Iterator<Item = f32>| probabilities.fold(f32::MIN_POSITIVE, f32::max);
    let ranker_most = largest(&mut trace.ranking.iter().filter_map(|ranked| ranked.probability));
    let retriever = retriever_shares(trace);
    let fused_most = largest(&mut trace.fused.iter().flat_map(|fused| fused.probabilities.iter().copied()));
    let mut rows: Vec<Row> = trace
        .ranking
        .iter()
        .map(|ranked| {
            let cell = |probability: f32, most: f32, rank: usize| Cell {
                probability,
                bar: probability / most,
                rank,
                moved: ranked.retriever_rank as i64 - rank as i64,
            };
            let candidate = ranked.retriever_rank - 1;
            let (probability, bar) = retriever.get(candidate).copied().unwrap_or_default();
            let ranker = ranked.probability.zip(ranked.ranker_rank);
            let fused = trace.fused.as_ref().and_then(|fused| fused.probabilities.get(candidate));
            let place = match shown {
                Shown::Final => ranked.rank,
                Shown::Retriever => ranked.retriever_rank,
                Shown::Ranker => ranked.ranker_rank.unwrap_or(ranked.rank),
            };
            Row {
                place,
                item: ranked.item,
                title: ranked.title.clone(),
                retriever: Cell { probability, bar, rank: ranked.retriever_rank, moved: 0 },
                letter: trace.candidates.get(candidate).map_or(' ', |candidate| candidate.letter),
                ranker: ranker.map(|(probability, rank)| cell(probability, ranker_most, rank)),
                fused: fused.map(|&probability| cell(probability, fused_most, ranked.rank)),
            }
        })
        .collect();
    rows.sort_by_key(|row| row.place);
    rows
}

/// A move against the place somewhere else, as the table marks it and as a screen reader says it.
pub fn movement(moved: i64, than: &str) -> (String, String) {
    match moved {
        0 => ("=".into(), format!("same place as {than}")),
        1.. => (format!("▲ {moved}"), format!("{moved} up")),
        _ => (format!("▼ {}", -moved), format!("{} down", -moved)),
    }
}

/// Whose order the table shows, in a sentence or two.
pub fn order_note(trace: &Trace, shown: Shown) -> String {
    let note = match (&trace.fused, trace.is_ranked(), shown) {
        (Some(FusedTrace { weights, .. }), _, Shown::Final) => {
            return format!(
                "Both stages together: {:.2} × the logarithm of the retriever’s probability + {:.2} × the ranker’s score, then \
                 softmax. The weights are those that explain other users’ choices best.",
                weights.retriever, weights.ranker
            );
        }
        (Some(_), _, Shown::Retriever) => {
            "The order of the retriever alone, which knows who chose what after what."
        }
        (Some(_), _, Shown::Ranker) => "The order of the ranker alone, which knows titles only.",
        (None, false, _) => "The order is the retriever’s: no ranker has read these candidates yet.",
        (None, true, Shown::Final | Shown::Retriever) => {
            "Untuned base model: the order shown is the retriever’s. Before tuning, the ranker is at chance."
        }
        (None, true, Shown::Ranker) => {
            "Untuned base model: this is the order of its answers, which is at chance. It decides nothing."
        }
    };
    note.to_owned()
}

#[cfg(test)]
mod tests {
    use shared::{
        fusion::Fusion,
        prompt::Prompt,
        ranking::{Ordering, Ranked},
        trace::{Asking, Candidate, Provenance, RankerTrace, TRACE_VERSION, Timings},
    };

    use super::*;

    fn ranked(id: u32, rank: usize, ranker: Option<(usize, f32)>) -> Ranked {
        Ranked {
            item: ItemId(id),
            title: format!("Film {id}"),
            rank,
            retriever_rank: rank,
            ranker_rank: ranker.map(|(rank, _)| rank),
            probability: ranker.map(|(_, probability)| probability),
        }
    }

    fn trace(ranking: Vec<Ranked>) -> Trace {
        let candidates = ranking
            .iter()
            .zip('A'..)
            .map(|(r, letter)| Candidate { item: r.item, title: r.title.clone(), letter, score: 1.0 })
            .collect();
        let has_ranker = ranking.iter().any(|r| r.probability.is_some());
        Trace {
            version: TRACE_VERSION,
            history: vec![],
            asking: Asking::default(),
            candidates,
            ranker: has_ranker.then(|| RankerTrace {
                prompt: Prompt::render(&["Film 1"], &["Film 2"]),
                token_ids: vec![],
                token_offsets: vec![],
                label_ids: vec![],
                letter_logits: vec![],
                probabilities: vec![],
                top: vec![],
                letter_mass: None,
            }),
            pointwise: None,
            fused: None,
            ordering: Ordering::Retriever,
            ranking,
            timings: Timings::default(),
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn both_orders_and_the_moves_between_them() {
        let trace = trace(vec![
            ranked(7, 1, Some((3, 0.1))),
            ranked(5, 2, Some((2, 0.3))),
            ranked(9, 3, Some((1, 0.6))),
        ]);
        let order = |shown| -> Vec<char> { rows(&trace, shown).iter().map(|row| row.letter).collect() };
        assert_eq!(order(Shown::Final), ['A', 'B', 'C']);
        assert_eq!(order(Shown::Ranker), ['C', 'B', 'A']);
        let first = rows(&trace, Shown::Ranker)[0].ranker.unwrap();
        assert_eq!((first.moved, first.bar), (2, 1.0));
        assert_eq!(rows(&trace, Shown::Ranker)[0].retriever.rank, 3);
        assert_eq!(movement(first.moved, "there"), ("▲ 2".into(), "2 up".into()));
        assert_eq!(movement(-2, "there"), ("▼ 2".into(), "2 down".into()));
        assert!(order_note(&trace, Shown::Final).starts_with("Untuned base model"));
    }

    #[test]
    fn a_tuned_ranker_has_three_orders() {
        let mut trace = trace(vec![
            ranked(7, 1, Some((3, 0.1))),
            ranked(5, 2, Some((2, 0.3))),
            ranked(9, 3, Some((1, 0.6))),
        ]);
        // Together the second candidate wins.
        for (ranked, rank) in trace.ranking.iter_mut().zip([2, 1, 3]) {
            ranked.rank = rank;
        }
        trace.ordering = Ordering::Fused;
        trace.fused = Some(FusedTrace {
            weights: Fusion { retriever: 1.0, ranker: 0.5 },
            retriever: vec![0.5, 0.3, 0.2],
            probabilities: vec![0.4, 0.5, 0.1],
        });
        let order = |shown| -> Vec<char> { rows(&trace, shown).iter().map(|row| row.letter).collect() };
        assert_eq!(order(Shown::Final), ['B', 'A', 'C']);
        assert_eq!(order(Shown::Retriever), ['A', 'B', 'C']);
        assert_eq!(order(Shown::Ranker), ['C', 'B', 'A']);
        let first = rows(&trace, Shown::Final)[0].fused.unwrap();
        assert_eq!((first.probability, first.bar, first.moved), (0.5, 1.0, 1));
        let note = order_note(&trace, Shown::Final);
        assert!(
            note.contains("1.00 × the logarithm of the retriever’s probability + 0.50 × the ranker’s score"),
            "{note}"
        );
    }

    #[test]
    fn without_a_ranker_both_orders_are_the_retrievers() {
        let trace = trace(vec![ranked(7, 1, None), ranked(5, 2, None)]);
        assert_eq!(rows(&trace, Shown::Final), rows(&trace, Shown::Ranker));
        let rows = rows(&trace, Shown::Final);
        assert!(rows.iter().all(|row| row.ranker.is_none() && row.retriever.probability == 0.5));
    }

    #[test]
    fn the_retriever_says_how_much_likelier() {
        let proposed = proposed(&crate::letters::tests::trace());
        let shares: Vec<f32> = proposed.iter().map(|proposed| proposed.probability).collect();
        // Scores 3, 2 and 1.
        assert!((shares[0] / shares[1] - 1_f32.exp()).abs() < 1e-4, "{shares:?}");
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!((proposed[0].score, proposed[0].bar), (3.0, 1.0));
        assert!((proposed[2].bar - (-2_f32).exp()).abs() < 1e-6);
    }
}
