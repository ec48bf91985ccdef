//! The prompt cut into pieces that are drawn one by one: as characters, as tokens or as token ids.

use shared::{
    prompt::{Span, SpanKind},
    trace::{RankerTrace, Trace},
};

use crate::letters::visible;

/// How the prompt is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grain {
    /// As it is read by people.
    #[default]
    Text,
    /// Cut into tokens.
    Tokens,
    /// As the numbers that the model reads.
    Ids,
}

/// A piece of the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chip {
    /// What is shown.
    pub text: String,
    /// What it is part of.
    pub kind: SpanKind,
    /// The candidate it speaks of, as a place in the retriever's order.
    pub place: Option<usize>,
}

/// The prompt of a record; empty if it was not asked by letters.
pub fn chips(trace: &Trace, grain: Grain) -> Vec<Chip> {
    let Some(ranker) = &trace.ranker else { return Vec::new() };
    let by_letter = trace.by_letter();
    let chip = |text: String, kind: SpanKind| {
        let place = match kind {
            SpanKind::Candidate { n } => by_letter.get(n).copied(),
            _ => None,
        };
        Chip { text, kind, place }
    };
    match grain {
        Grain::Text => {
            let spans = ranker.prompt.spans.iter();
            spans.map(|span| chip(slice(ranker, span.start, span.end).to_owned(), span.kind)).collect()
        }
        Grain::Tokens | Grain::Ids => ranker
            .token_ids
            .iter()
            .zip(&ranker.token_offsets)
            .map(|(id, &(start, end))| {
                let text =
                    if grain == Grain::Ids { id.to_string() } else { visible(slice(ranker, start, end)) };
                chip(text, kind_at(&ranker.prompt.spans, start))
            })
            .collect(),
    }
}

/// Titles that the ranker read only the beginning of, the history's first; with the end goes a closing bracket.
pub fn cut(trace: &Trace) -> Vec<&str> {
    let whole = match (&trace.ranker, &trace.pointwise) {
        (Some(ranker), _) => Some(ranker.prompt.text.as_str()),
        (None, Some(ranker)) => Some(ranker.text.as_str()),
        (None, None) => None,
    };
    // Only the newest of a long history are read.
    let unread = trace.history.len() - trace.history_read().unwrap_or(usize::MAX).min(trace.history.len());
    let read_history = trace.history[unread..].iter().map(|item| item.title.as_str());
    let cut_history = read_history.filter(|title| whole.is_some_and(|text| !text.contains(title)));
    let read = |place: usize| match (&trace.ranker, &trace.pointwise) {
        (Some(ranker), _) => Some(ranker.prompt.text.as_str()),
        (None, Some(ranker)) => ranker.questions.get(place).map(String::as_str),
        (None, None) => None,
    };
    let titles = trace.candidates.iter().map(|candidate| candidate.title.as_str()).enumerate();
    let cut_candidates = titles
        .filter(|&(place, title)| read(place).is_some_and(|text| !text.contains(title)))
        .map(|(_, title)| title);
    cut_history.chain(cut_candidates).collect()
}

fn slice(ranker: &RankerTrace, start: usize, end: usize) -> &str {
    // A piece may end within a character that takes several tokens.
    ranker.prompt.text.get(start..end).unwrap_or("�")
}

/// What the byte at this place is part of.
fn kind_at(spans: &[Span], byte: usize) -> SpanKind {
    let span = spans.iter().find(|span| (span.start..span.end).contains(&byte));
    span.map_or(SpanKind::Frame, |span| span.kind)
}

#[cfg(test)]
mod tests {
    use shared::trace::{HistoryItem, PointwiseTrace};

    use super::*;
    use crate::letters::tests::trace;

    #[test]
    fn pieces_belong_to_the_candidates_they_name() {
        let trace = trace();
        let text = chips(&trace, Grain::Text);
        let whole: String = text.iter().map(|chip| chip.text.as_str()).collect();
        assert_eq!(whole, trace.ranker.as_ref().expect("a ranker").prompt.text);
        let named: Vec<(usize, bool)> = text
            .iter()
            .filter_map(|chip| {
                chip.place.map(|place| (place, chip.text.contains(&trace.candidates[place].title)))
            })
            .collect();
        assert_eq!(named, [(2, true), (0, true), (1, true)]);
    }

    #[test]
    fn titles_that_were_cut_are_found() {
        let mut trace = trace();
        assert!(cut(&trace).is_empty());
        trace.candidates[1].title = "Toy Story (1995) and how it came about (2000)".into();
        assert_eq!(cut(&trace), ["Toy Story (1995) and how it came about (2000)"]);
        let questions =
            ["Heat (1995)?", "Toy Story (1995) and?", "Fargo (1996)?"].map(str::to_owned).to_vec();
        trace.ranker = None;
        assert!(cut(&trace).is_empty(), "nothing was read");
        let (text, scores, probabilities) = ("I liked Alien (1979).".to_owned(), vec![0.0; 3], vec![0.0; 3]);
        trace.pointwise =
            Some(PointwiseTrace { text, history: Some(1), questions, tokens: 9, scores, probabilities });
        assert_eq!(cut(&trace).len(), 1);
        trace.pointwise.as_mut().expect("it was set").text = "I liked Alien (19.".into();
        assert_eq!(cut(&trace)[0], "Alien (1979)");
        // What stands before those that were read was not cut, but left out.
        let older = trace.history[0].clone();
        trace.history.insert(0, HistoryItem { title: "Metropolis (1927)".into(), ..older });
        assert_eq!((trace.history_read(), cut(&trace)[0]), (Some(1), "Alien (1979)"));
    }

    #[test]
    fn tokens_are_shown_as_text_or_as_numbers() {
        let mut trace = trace();
        let ranker = trace.ranker.as_mut().expect("a ranker");
        let start = ranker.prompt.text.find("Fargo").expect("a candidate");
        ranker.token_ids = vec![11, 12, 13];
        ranker.token_offsets = vec![(0, 3), (start - 1, start + 5), (start + 5, start + 6)];
        let of = |grain| chips(&trace, grain);
        let texts: Vec<String> = of(Grain::Tokens).into_iter().map(|chip| chip.text).collect();
        assert_eq!(texts, ["###", "␣Fargo", "␣"]);
        assert_eq!(of(Grain::Ids)[1].text, "12");
        assert_eq!(of(Grain::Tokens)[2].place, Some(2));
    }
}
