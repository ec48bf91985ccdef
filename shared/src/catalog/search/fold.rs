//! Folding of titles: what two people would call the same title becomes the same text.

/// Letters of the English articles; they are neither required nor forbidden in a query.
const ENGLISH_ARTICLES: [&str; 3] = ["the", "a", "an"];

/// Articles that MovieLens writes behind a comma: `Misérables, Les`.
const TRAILING_ARTICLES: [&str; 18] = [
    "the", "a", "an", "la", "le", "les", "l'", "el", "los", "las", "il", "lo", "der", "die", "das", "det",
    "den", "un",
];

/// A title or a query without case, accents, punctuation and article.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Folded {
    /// The English article of the title, wherever it stood; empty if there is none.
    pub article: &'static str,
    /// The words of the title joined by blanks, without article and year.
    pub name: String,
    /// The year in parentheses at the end; empty if there is none.
    pub year: String,
}

impl Folded {
    /// Folds `Heat, The (1995)`, `the heat (1995)` and `The Heat (1995)` to the same value.
    pub fn new(text: &str) -> Self {
        let (text, year) = split_year(text.trim());
        let mut words = words(&trailing_article_first(text));
        let mut article = "";
        if words.len() > 1 {
            if let Some(found) = english_article(&words[0]) {
                article = found;
                words.remove(0);
            } else if words.last().is_some_and(|last| last == "the") {
                // `matrix the`, as typed by someone who remembers the MovieLens spelling.
                article = "the";
                words.pop();
            }
        }
        Self { article, name: words.join(" "), year: year.to_owned() }
    }

    /// Name and year, the text that queries are compared with.
    pub fn full(&self) -> String {
        join(&self.name, &self.year)
    }

    /// The same query with its last word read as the year: `heat 1995`.
    pub fn with_bare_year(&self) -> Option<Self> {
        let (name, year) = self.name.rsplit_once(' ')?;
        (self.year.is_empty() && is_year(year)).then(|| Self {
            article: self.article,
            name: name.to_owned(),
            year: year.to_owned(),
        })
    }
}

/// Two texts with a blank between them, unless one is empty.
pub(super) fn join(first: &str, second: &str) -> String {
    match (first, second) {
        ("", text) | (text, "") => text.to_owned(),
        (first, second) => format!("{first} {second}"),
    }
}

/// The title without its remarks in parentheses; a year at the end stays.
pub(super) fn without_remarks(text: &str) -> String {
    let (text, year) = split_year(text.trim());
    let mut depth = 0_usize;
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    let kept = kept.trim();
    if year.is_empty() { kept.to_owned() } else { format!("{kept} ({year})") }
}

/// `Heat (1995)` to `Heat` and `1995`.
fn split_year(text: &str) -> (&str, &str) {
    text.strip_suffix(')')
        .and_then(|rest| rest.rsplit_once('('))
        .filter(|(_, year)| is_year(year))
        .map_or((text, ""), |(name, year)| (name.trim_end(), year))
}

fn is_year(word: &str) -> bool {
    word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit())
}

/// `Matrix, The` to `The Matrix`.
fn trailing_article_first(text: &str) -> String {
    text.rsplit_once(',')
        .map(|(name, last)| (name, last.trim()))
        .filter(|(_, last)| TRAILING_ARTICLES.iter().any(|a| last.eq_ignore_ascii_case(a)))
        .map_or_else(
            || text.to_owned(),
            // L'Enfer is one word.
            |(name, last)| {
                if last.ends_with('\'') { format!("{last}{name}") } else { format!("{last} {name}") }
            },
        )
}

fn english_article(word: &str) -> Option<&'static str> {
    ENGLISH_ARTICLES.into_iter().find(|article| *article == word)
}

/// Lower-case words without accents and punctuation.
fn words(text: &str) -> Vec<String> {
    let mut folded = String::with_capacity(text.len() + 4);
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            // An apostrophe is inside a word, any other mark is between words.
            '\'' | '’' | '‘' | '`' | '\u{300}'..='\u{36f}' => {}
            '&' => folded.push_str(" and "),
            '½' => folded.push_str(" 1 2"),
            c if c.is_ascii_alphanumeric() => folded.push(c),
            c => match unaccented(c) {
                Some(plain) => folded.push_str(plain),
                None if c.is_alphanumeric() => folded.push(c),
                None => folded.push(' '),
            },
        }
    }
    folded.split_whitespace().map(str::to_owned).collect()
}

/// The plain spelling of an accented lower-case Latin letter.
fn unaccented(c: char) -> Option<&'static str> {
    Some(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'œ' => "oe",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'þ' => "th",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        '²' => "2",
        '³' => "3",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(article: &'static str, name: &str, year: &str) -> Folded {
        Folded { article, name: name.to_owned(), year: year.to_owned() }
    }

    #[test]
    fn article_case_and_order_do_not_matter() {
        for text in ["Heat, The (2013)", "The Heat (2013)", " the HEAT (2013) ", "heat the (2013)"] {
            assert_eq!(Folded::new(text), folded("the", "heat", "2013"), "{text}");
        }
        assert_eq!(Folded::new("Heat (1995)"), folded("", "heat", "1995"));
    }

    #[test]
    fn foreign_article_goes_to_the_front_and_stays_a_word() {
        assert_eq!(Folded::new("Misérables, Les (1995)"), folded("", "les miserables", "1995"));
        assert_eq!(Folded::new("Die Hard (1988)"), folded("", "die hard", "1988"));
    }

    #[test]
    fn accents_and_punctuation_go() {
        assert_eq!(Folded::new("WALL·E (2008)").name, "wall e");
        assert_eq!(Folded::new("¡Three Amigos! (1986)").name, "three amigos");
        assert_eq!(Folded::new("Ocean's Eleven").name, "oceans eleven");
        assert_eq!(Folded::new("Le\u{301}on & Straße").name, "leon and strasse");
        assert_eq!(Folded::new("8½ (1963)").full(), "8 1 2 1963");
        assert_eq!(Folded::new("Сталкер").name, "сталкер");
    }

    #[test]
    fn an_article_alone_is_a_name() {
        assert_eq!(Folded::new("The"), folded("", "the", ""));
        assert_eq!(Folded::new("  "), Folded::default());
    }

    #[test]
    fn remarks_go_but_the_year_stays() {
        let raw = "City of Lost Children, The (Cité des enfants perdus, La) (1995)";
        assert_eq!(without_remarks(raw), "City of Lost Children, The (1995)");
        assert_eq!(without_remarks("Seven (a.k.a. Se7en)"), "Seven");
        assert_eq!(without_remarks("odd ) ( (1995)"), "odd (1995)");
    }

    #[test]
    fn a_bare_year_can_be_split_off() {
        assert_eq!(Folded::new("heat 1995").with_bare_year(), Some(folded("", "heat", "1995")));
        assert_eq!(Folded::new("1984").with_bare_year(), None);
        assert_eq!(Folded::new("heat 1995 (1996)").with_bare_year(), None);
    }
}
