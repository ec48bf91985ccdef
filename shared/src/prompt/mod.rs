//! The ranker's prompt with spans (paper section 3.2.2; reference `dataloader/llm.py`, template
//! `alpaca_short`), byte for byte.

pub mod pointwise;
mod spans;

use serde::{Deserialize, Serialize};

pub use spans::{Span, SpanKind};

use crate::verbalizer::letter;

/// The instruction of the paper.
pub const INSTRUCTION: &str = "Given user history in chronological order, recommend an item from the candidate pool with its index letter.";

/// A rendered prompt; its spans partition the text from the first byte to the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// The exact text that is tokenized.
    pub text: String,
    /// What each stretch of the text is, in order, without gaps.
    pub spans: Vec<Span>,
}

impl Prompt {
    /// Renders history (oldest first) and candidates (letter order) as the reference does.
    ///
    /// Titles are inserted as they are: cutting them to [`crate::TITLE_TOKENS`] and the history to
    /// [`crate::PROMPT_HISTORY`] is the caller's part, because it takes a tokenizer.
    pub fn render<H: AsRef<str>, C: AsRef<str>>(history: &[H], candidates: &[C]) -> Self {
        let mut prompt = Self { text: String::new(), spans: Vec::new() };
        prompt.push(SpanKind::Instruction, &format!("### Instruction:\n{INSTRUCTION}\n\n"));
        prompt.push(SpanKind::Frame, "### Input:\nUser history: ");
        for (n, title) in history.iter().enumerate() {
            if n > 0 {
                prompt.push(SpanKind::Frame, " \n ");
            }
            prompt.push(SpanKind::History { n }, &format!("({}) {}", n + 1, title.as_ref()));
        }
        prompt.push(SpanKind::Frame, "; \n Candidate pool: ");
        for (n, title) in candidates.iter().enumerate() {
            if n > 0 {
                prompt.push(SpanKind::Frame, " \n ");
            }
            prompt.push(SpanKind::Candidate { n }, &format!("({}) {}", letter(n), title.as_ref()));
        }
        prompt.push(SpanKind::Frame, "\n\n");
        prompt.push(SpanKind::Response, "### Response:\n");
        prompt
    }

    /// Titles of the candidates as they are shown.
    pub fn candidates(&self) -> impl Iterator<Item = &str> {
        let candidates = self.spans.iter().filter(|span| matches!(span.kind, SpanKind::Candidate { .. }));
        candidates.filter_map(|span| Some(self.text.get(span.start..span.end)?.split_once(") ")?.1))
    }

    fn push(&mut self, kind: SpanKind, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.spans.push(Span { kind, start, end: self.text.len() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_prompt_of_the_reference() {
        let prompt =
            Prompt::render(&["Toy Story (1995)", "Heat (1995)"], &["Jumanji (1995)", "Seven (1995)"]);
        assert_eq!(
            prompt.text,
            "### Instruction:\nGiven user history in chronological order, recommend an item from the \
             candidate pool with its index letter.\n\n### Input:\nUser history: (1) Toy Story (1995) \n \
             (2) Heat (1995); \n Candidate pool: (A) Jumanji (1995) \n (B) Seven (1995)\n\n### Response:\n"
        );
    }

    #[test]
    fn candidates_are_found_again() {
        let titles = ["Jumanji (1995)", "Se7en (a) b) (1995)"];
        let prompt = Prompt::render(&["Heat (1995)"], &titles);
        assert_eq!(prompt.candidates().collect::<Vec<_>>(), titles);
    }

    #[test]
    fn spans_partition_the_text() {
        let prompt = Prompt::render(&["Amélie (2001)", "WALL·E (2008)"], &["León (1994)"]);
        let mut end = 0;
        for span in &prompt.spans {
            assert_eq!(span.start, end);
            assert!(prompt.text.is_char_boundary(span.end));
            end = span.end;
        }
        assert_eq!(end, prompt.text.len());
        let candidate = prompt.spans.iter().find(|span| span.kind == SpanKind::Candidate { n: 0 }).unwrap();
        assert_eq!(&prompt.text[candidate.start..candidate.end], "(A) León (1994)");
    }
}
