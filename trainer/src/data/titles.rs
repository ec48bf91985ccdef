//! The title as the prompt shows it (reference `datasets/ml_100k.py`).

/// Rewrites a MovieLens title: no remarks in parentheses, a trailing article in front, the year kept.
///
/// `City of Lost Children, The (Cité des enfants perdus, La) (1995)` becomes
/// `The City of Lost Children (1995)`. Only English articles move, as in the reference. Differs from the
/// reference: titles are read as UTF-8 (it garbles them as ISO-8859-1), and a title without year loses nothing.
pub fn clean_title(raw: &str) -> String {
    let raw = raw.trim();
    let (name, year) = split_year(raw);
    let name = without_parentheses(name);
    let name = name.trim();
    let name = match name.rsplit_once(", ") {
        Some((rest, last)) if is_article(last) => format!("{last} {rest}"),
        _ => name.to_owned(),
    };
    // A title that is nothing but a remark stays as it is.
    if name.is_empty() { raw.to_owned() } else { format!("{name}{year}") }
}

/// Splits off ` (1995)` with its leading blank.
fn split_year(title: &str) -> (&str, &str) {
    let year = |tail: &str| {
        tail.strip_prefix(" (")
            .and_then(|rest| rest.strip_suffix(')'))
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
    };
    title
        .len()
        .checked_sub(" (1995)".len())
        .and_then(|at| title.split_at_checked(at))
        .filter(|(_, tail)| year(tail))
        .unwrap_or((title, ""))
}

/// Removes every `(`…`)`, each up to the first closing parenthesis.
fn without_parentheses(title: &str) -> String {
    let mut kept = String::with_capacity(title.len());
    let mut rest = title;
    while let Some(open) = rest.find('(') {
        let Some(close) = rest[open..].find(')') else {
            break;
        };
        kept.push_str(&rest[..open]);
        rest = &rest[open + close + 1..];
    }
    kept + rest
}

fn is_article(word: &str) -> bool {
    ["a", "an", "the"].iter().any(|article| word.eq_ignore_ascii_case(article))
}

#[cfg(test)]
mod tests {
    use super::clean_title;

    #[test]
    fn titles_are_rewritten_as_in_the_reference() {
        for (raw, clean) in [
            ("Heat (1995)", "Heat (1995)"),
            ("American President, The (1995)", "The American President (1995)"),
            (
                "City of Lost Children, The (Cité des enfants perdus, La) (1995)",
                "The City of Lost Children (1995)",
            ),
            ("Seven (a.k.a. Se7en) (1995)", "Seven (1995)"),
            ("Misérables, Les (1995)", "Misérables, Les (1995)"),
            ("Good, the Bad and the Ugly, The (1966)", "The Good, the Bad and the Ugly (1966)"),
            ("Léon: The Professional (a.k.a. The Professional) (1994)", "Léon: The Professional (1994)"),
        ] {
            assert_eq!(clean_title(raw), clean);
        }
    }

    #[test]
    fn odd_titles_lose_nothing() {
        for title in ["", "Babylon 5", "(500) (2009)", "Foo (bar (1999)", "é", "日本 (1999)"] {
            assert!(!clean_title(title).is_empty() || title.is_empty(), "{title}");
        }
        assert_eq!(clean_title("Babylon 5"), "Babylon 5");
        assert_eq!(clean_title("(500) (2009)"), "(500) (2009)");
        assert_eq!(clean_title("(500) Days of Summer (2009)"), "Days of Summer (2009)");
        assert_eq!(clean_title("Foo (bar"), "Foo (bar");
    }
}
