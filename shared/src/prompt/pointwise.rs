//! Text for scoring candidates one by one: a list that all share, and one question a candidate.
//!
//! Short on purpose: what the paper's prompt spends on letters and headers is most of a small model's work.
//! The text comes in pieces that may be tokenized alone, because each begins with a blank; and every title,
//! chosen or in question, stands behind one, so that equal titles are equal tokens.

/// What the list begins with.
pub const HEAD: &str = "Is the last item what this user chose next? Items in order:";

/// What an answer may be.
pub const ANSWERS: [&str; 2] = [" yes", " no"];

/// An item of the history, oldest first behind [`HEAD`].
pub fn chosen(title: &str) -> String {
    format!(" {title};")
}

/// The question about a candidate behind the history; the answer follows its last character.
pub fn question(title: &str) -> String {
    format!(" {title}?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_question() {
        let text = HEAD.to_owned()
            + &chosen("Heat (1995)")
            + &chosen("Toy Story (1995)")
            + &question("Jumanji (1995)");
        assert_eq!(
            text,
            "Is the last item what this user chose next? Items in order: Heat (1995); Toy Story (1995); \
             Jumanji (1995)?"
        );
    }
}
