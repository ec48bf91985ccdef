//! The lesson's figures as pictures of their own, SVG.

use std::fmt::Write;

use shared::trace::Trace;

use crate::{
    format::percent,
    letters::{letter_bars, token_bars},
};

/// A picture, and what its file is called, without the ending.
pub struct Picture {
    /// Name of the file.
    pub name: &'static str,
    /// The picture.
    pub svg: String,
}

/// One row: what stands before the bar, the bar's share of the longest, and what stands behind it.
type Row = (String, f32, String);

/// The letters of a record with their probabilities at a temperature; the films where each was asked about alone.
pub fn letters(trace: &Trace, temperature: f32) -> Picture {
    let by_letters = trace.is_by_letters();
    let rows = letter_bars(trace, temperature).into_iter().map(|bar| {
        let film = if by_letters { format!("{}  {}", bar.letter, bar.title) } else { bar.title };
        (film, bar.bar, percent(bar.probability))
    });
    let over = if by_letters { "the index letters" } else { "the films, each asked about alone" };
    let title = format!("Softmax over {over}, temperature {temperature}");
    Picture { name: "llamarec-letters", svg: bars(&title, &rows.collect::<Vec<_>>()) }
}

/// The likeliest tokens of the whole vocabulary; no rows if the record does not hold them.
pub fn vocabulary(trace: &Trace) -> Picture {
    let rows = trace.ranker.iter().flat_map(token_bars).map(|bar| {
        (bar.token, bar.bar, bar.probability.map_or_else(|| format!("logit {:.2}", bar.logit), percent))
    });
    let title = "The likeliest next tokens of the whole vocabulary";
    Picture { name: "llamarec-vocabulary", svg: bars(title, &rows.collect::<Vec<_>>()) }
}

fn bars(title: &str, rows: &[Row]) -> String {
    let longest = rows.iter().map(|(label, ..)| label.chars().count()).max().unwrap_or(0);
    let (row, left, width) = (22, 24 + 7 * longest, 320.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" \
         font-size=\"13\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><text x=\"10\" y=\"20\">{title}</text>",
        left + 400,
        row * rows.len() + 40
    );
    for (n, (label, share, words)) in rows.iter().enumerate() {
        let y = 34 + n * row;
        let _ = write!(
            svg,
            "<text x=\"10\" y=\"{0}\">{1}</text><rect x=\"{left}\" y=\"{y}\" width=\"{2:.1}\" height=\"14\" \
             fill=\"#3b4cca\"/><text x=\"{3:.1}\" y=\"{0}\">{4}</text>",
            y + 12,
            escape(label),
            width * share,
            left as f32 + width * share + 6.0,
            escape(words),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// As XML has it, which knows no control characters.
fn escape(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { '�' } else { c }).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use shared::trace::PointwiseTrace;

    use super::*;
    use crate::letters::tests::trace;

    #[test]
    fn every_film_and_every_token_has_its_row() {
        let mut trace = trace();
        trace.candidates[0].title = "Fast & <Furious> (2001)".into();
        let Picture { name, svg } = letters(&trace, 1.0);
        assert!(svg.contains("B  Fast &amp; &lt;Furious&gt; (2001)") && svg.ends_with("</svg>\n"), "{name}");
        assert_eq!(svg.matches("<rect").count(), 1 + 3);
        assert!(svg.contains("over the index letters"), "{svg}");
        // What is under a tenth of a per cent is written with a mark of XML, and tokens can be anything.
        let svg = letters(&trace, 0.1).svg;
        assert!(svg.contains(">&lt;\u{a0}0.1\u{a0}%<"), "{svg}");
        assert_eq!(escape("a\0<"), "a�&lt;");
        let svg = vocabulary(&trace).svg;
        assert!(svg.contains(">⏎␣The<") && svg.contains(">50\u{a0}%<"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 1 + 3);
    }

    #[test]
    fn films_asked_about_alone_have_no_letters() {
        let mut trace = trace();
        trace.ranker = None;
        trace.pointwise = Some(PointwiseTrace {
            text: String::new(),
            history: None,
            questions: vec![String::new(); 3],
            tokens: 1,
            scores: vec![1.0, 3.0, 2.0],
            probabilities: vec![0.1, 0.6, 0.3],
        });
        let svg = letters(&trace, 1.0).svg;
        assert!(
            svg.contains("over the films, each asked about alone") && svg.contains(">Heat (1995)<"),
            "{svg}"
        );
        assert_eq!(svg.matches("<rect").count(), 1 + 3);
    }
}
