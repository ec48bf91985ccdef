//! Records as files: out as JSON and Markdown, in as JSON.

use std::fmt::Write;

use shared::{
    protocol::{Failure, FailureCode},
    trace::{TRACE_VERSION, Trace},
};

use crate::{compare, format::percent};

/// Name of the file that a record is saved in.
pub const FILE: &str = "llamarec-record.json";
/// Largest file that is read, in bytes: a record takes some 30 KB.
pub const LARGEST: usize = 4 << 20;

/// A record as a file's text.
pub fn write(trace: &Trace) -> String {
    serde_json::to_string_pretty(trace).unwrap_or_default()
}

/// Reads a record.
///
/// # Errors
/// What is no record, is of another version, or does not belong together.
pub fn read(text: &str) -> Result<Trace, Failure> {
    let refuse = |why: String| Failure {
        code: FailureCode::Format,
        message: format!("This file is not a record of LlamaRec: {why}."),
        hint: "Open a file that this page saved, or the output of llamarec rank --json.".into(),
    };
    let trace: Trace = serde_json::from_str(text)
        .map_err(|error| refuse(if error.is_data() { error.to_string() } else { "it is no JSON".into() }))?;
    if trace.version != TRACE_VERSION {
        return Err(refuse(format!("its version is {}, this page reads {TRACE_VERSION}", trace.version)));
    }
    let candidates = trace.candidates.len();
    let whole = trace.ranking.len() == candidates
        && trace.ranking.iter().all(|ranked| (1..=candidates).contains(&ranked.retriever_rank))
        && trace.ranker.iter().all(|ranker| {
            ranker.letter_logits.len() == candidates && ranker.token_ids.len() == ranker.token_offsets.len()
        })
        && trace.pointwise.iter().all(|ranker| ranker.scores.len() == candidates)
        && trace.fused.iter().all(|fused| fused.probabilities.len() == candidates);
    if candidates == 0 || !whole {
        return Err(refuse("its parts do not belong together".into()));
    }
    Ok(trace)
}

/// The ranking as a Markdown table, with what it was made of.
pub fn markdown(trace: &Trace) -> String {
    let by = match (&trace.fused, trace.is_ranked()) {
        (Some(_), _) => "both stages",
        (None, true) => "the ranker",
        (None, false) => "the retriever",
    };
    let mut text =
        format!("| place | film | the retriever’s place | share by {by} |\n| ---: | --- | ---: | ---: |\n");
    for (place, item) in compare::order(trace).into_iter().enumerate() {
        let Some(ranked) = trace.ranking.iter().find(|ranked| ranked.item == item) else { continue };
        let fused = trace.fused.as_ref().and_then(|fused| fused.probabilities.get(ranked.retriever_rank - 1));
        let probability = fused.copied().or(ranked.probability).map_or("-".to_owned(), percent);
        let title = ranked.title.replace('|', "\\|");
        let _ = writeln!(text, "| {} | {title} | {} | {probability} |", place + 1, ranked.retriever_rank);
    }
    let history: Vec<&str> = trace.history.iter().map(|item| item.title.as_str()).collect();
    let provenance = &trace.provenance;
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
    let _ = write!(
        text,
        "\nOrder of {by}. History: {}.  \nllamarec {}, data {}, base model {}, adapter {}, asked {}.\n",
        history.join(", "),
        provenance.llamarec,
        provenance.bundle,
        name(&provenance.base),
        name(&provenance.adapter),
        compare::asked(trace),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::tests::trace;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&write(&trace())), Ok(trace()));
    }

    #[test]
    fn what_is_no_record_is_refused_with_the_reason() {
        let says = |text: &str| read(text).expect_err("refused").message;
        assert!(says("{}").contains("missing field"));
        assert!(says("Heat").contains("it is no JSON"));
        let mut other = trace();
        other.version = 99;
        assert!(says(&write(&other)).contains("version is 99"));
        let mut torn = trace();
        torn.ranking[0].retriever_rank = 0;
        assert!(says(&write(&torn)).contains("do not belong together"));
        let mut torn = trace();
        torn.ranker.as_mut().expect("a ranker").letter_logits.pop();
        assert!(says(&write(&torn)).contains("do not belong together"));
    }

    #[test]
    fn markdown_holds_every_film() {
        let mut trace = trace();
        trace.ranking[0].title = "A|B (2001)".into();
        let text = markdown(&trace);
        assert!(
            text.contains("| 1 | A\\|B (2001) | 1 |") && text.contains("| 3 | Fargo (1996) | 3 |"),
            "{text}"
        );
        assert!(text.contains("History: Alien (1979)."));
    }
}
