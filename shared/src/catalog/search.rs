//! Titles to items: search while typing, and the one item that a given title names.

mod fold;

use std::fmt;

use strsim::{jaro_winkler, osa_distance};
use thiserror::Error;

use super::{Catalog, ItemId};
use fold::{Folded, join, without_remarks};

/// How many titles an [`UnknownTitle`] names.
const SUGGESTIONS: usize = 3;

/// How alike a title must be to be suggested (Jaro-Winkler); below, it would be a guess.
const ALIKE: f64 = 0.75;

/// A title that names no item, or more than one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnknownTitle {
    /// Nothing was written.
    #[error("a title is empty")]
    Empty,
    /// No item has it.
    #[error("\"{title}\" is not in the catalogue{}", Listed("; nearest: ", .nearest))]
    Absent {
        /// The title that was asked for.
        title: String,
        /// Titles that may have been meant, nearest first; none if none is alike.
        nearest: Vec<String>,
    },
    /// Several items have it.
    #[error("\"{title}\" is the title of more than one item{}", Listed(": ", .items))]
    Ambiguous {
        /// The title that was asked for.
        title: String,
        /// Titles of the items, some of them if there are many.
        items: Vec<String>,
    },
}

struct Listed<'a>(&'static str, &'a [String]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, title) in self.1.iter().enumerate() {
            f.write_str(if n == 0 { self.0 } else { ", " })?;
            write!(f, "\"{title}\"")?;
        }
        Ok(())
    }
}

impl Catalog {
    /// Items whose title fits `query`, best first, at most `limit`.
    ///
    /// Case, accents, punctuation and English articles do not matter. Equal titles come first, then titles
    /// that begin with the query, then titles with all its words (or word beginnings); only if there is none
    /// of these, titles with misspelt words. Equally good titles are in the order of length, then id. A query
    /// without letters and digits finds nothing.
    pub fn search(&self, query: &str, limit: usize) -> Vec<ItemId> {
        let query = Query::new(query);
        if query.words.is_empty() || limit == 0 {
            return Vec::new();
        }
        let titles: Vec<_> = self.iter().map(|(id, item)| (id, Folded::new(&item.title))).collect();
        let mut hits: Vec<(Rank, ItemId)> =
            titles.iter().filter_map(|(id, title)| Some((query.rank(title)?, *id))).collect();
        if hits.is_empty() {
            let misspelt = |(id, title): &(_, _)| Some((query.rank_misspelt(title)?, *id));
            hits.extend(titles.iter().filter_map(misspelt));
        }
        hits.sort_unstable();
        hits.truncate(limit);
        hits.into_iter().map(|(_, id)| id).collect()
    }

    /// The one item that `title` names.
    ///
    /// The year may be left out when only one item has the title. `Heat, The (1995)` means `The Heat (1995)`
    /// if there is such an item, otherwise `Heat (1995)`. Remarks in parentheses are ignored if the title
    /// with them names nothing.
    ///
    /// # Errors
    /// [`UnknownTitle`] if no item or more than one fits; it names those, or the nearest ones.
    pub fn find(&self, title: &str) -> Result<ItemId, UnknownTitle> {
        let trimmed = title.trim();
        if trimmed.is_empty() {
            return Err(UnknownTitle::Empty);
        }
        let exact = |(_, item): &(ItemId, &super::Item)| item.title == trimmed;
        let mut same = self.iter().filter(exact).map(|(id, _)| id);
        if let (Some(id), None) = (same.next(), same.next()) {
            return Ok(id);
        }

        let written = Folded::new(trimmed);
        let plain = Folded::new(&without_remarks(trimmed));
        let with_year = written.with_bare_year();
        let titles: Vec<_> = self.iter().map(|(id, item)| (id, Folded::new(&item.title))).collect();
        for reading in [Some(written), Some(plain), with_year].into_iter().flatten() {
            if reading.name.is_empty() {
                continue;
            }
            for article_matters in [true, false] {
                let fits = |candidate: &Folded| {
                    candidate.name == reading.name
                        && (reading.year.is_empty() || candidate.year == reading.year)
                        && (!article_matters || candidate.article == reading.article)
                };
                let found: Vec<ItemId> =
                    titles.iter().filter(|(_, title)| fits(title)).map(|(id, _)| *id).collect();
                match found[..] {
                    [] => {}
                    [id] => return Ok(id),
                    _ => {
                        let (title, items) = (title.to_owned(), self.titles(found));
                        return Err(UnknownTitle::Ambiguous { title, items });
                    }
                }
            }
        }
        Err(UnknownTitle::Absent { title: title.to_owned(), nearest: self.titles(self.nearest(title)) })
    }

    /// Suggestions for a title that is in no catalogue: what search finds, filled up with similar titles.
    fn nearest(&self, title: &str) -> Vec<ItemId> {
        let wanted = Folded::new(title).full();
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut nearest = self.search(title, SUGGESTIONS);
        if nearest.len() < SUGGESTIONS {
            let mut similar: Vec<_> = self
                .iter()
                .filter(|(id, _)| !nearest.contains(id))
                .map(|(id, item)| (jaro_winkler(&wanted, &Folded::new(&item.title).full()), id))
                .filter(|(likeness, _)| *likeness > ALIKE)
                .collect();
            similar.sort_by(|(a, left), (b, right)| b.total_cmp(a).then(left.cmp(right)));
            nearest.extend(similar.into_iter().map(|(_, id)| id));
            nearest.truncate(SUGGESTIONS);
        }
        nearest
    }

    fn titles(&self, items: Vec<ItemId>) -> Vec<String> {
        items.into_iter().take(SUGGESTIONS).map(|id| self.title(id).to_owned()).collect()
    }
}

/// How well a title fits; smaller is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    kind: Kind,
    /// Whether one has an article that the other lacks.
    other_article: bool,
    /// Words that are only begun, or how far misspelt ones are off.
    distance: usize,
    /// Bytes of the folded title.
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Equal,
    Prefix,
    Words,
    Misspelt,
}

struct Query {
    folded: Folded,
    /// Name and year as typed, without article.
    text: String,
    /// The same with the article in front.
    with_article: String,
    /// The same without article and blanks: `spiderman`.
    squeezed: String,
    words: Vec<String>,
}

impl Query {
    fn new(query: &str) -> Self {
        let folded = Folded::new(query);
        let text = folded.full();
        Self {
            with_article: join(folded.article, &text),
            squeezed: text.replace(' ', ""),
            words: text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect(),
            folded,
            text,
        }
    }

    /// Rank of a title that holds the query as it was typed.
    fn rank(&self, title: &Folded) -> Option<Rank> {
        let full = title.full();
        let rank = |kind, distance| {
            Some(Rank {
                kind,
                other_article: title.article != self.folded.article,
                distance,
                length: full.len(),
            })
        };
        if self.text == title.name || self.text == full {
            return rank(Kind::Equal, 0);
        }
        let with_article = join(title.article, &full);
        let rest = full.strip_prefix(&self.text).or_else(|| with_article.strip_prefix(&self.with_article));
        if let Some(rest) = rest {
            return rank(Kind::Prefix, usize::from(!rest.starts_with(' ')));
        }
        let begun = |word: &String| {
            if full.split(' ').any(|other| other == word) {
                Some(0)
            } else {
                full.split(' ').any(|other| other.starts_with(word.as_str())).then_some(1)
            }
        };
        if let Some(distance) = self.words.iter().map(begun).sum::<Option<usize>>() {
            return rank(Kind::Words, distance);
        }
        if full.replace(' ', "").starts_with(&self.squeezed) {
            return rank(Kind::Words, self.words.len());
        }
        None
    }

    /// Rank of a title whose words are near the words of the query.
    fn rank_misspelt(&self, title: &Folded) -> Option<Rank> {
        let full = title.full();
        let distance = self
            .words
            .iter()
            .map(|word| full.split(' ').filter_map(|other| misspelling(word, other)).min())
            .sum::<Option<usize>>()?;
        Some(Rank {
            kind: Kind::Misspelt,
            other_article: title.article != self.folded.article,
            distance,
            length: full.len(),
        })
    }
}

/// How far `word` is from `other` if it can be a misspelling of it or of its beginning: two for every wrong letter, and one
/// if the word is only begun, so that of equally wrong ones the whole word comes first.
fn misspelling(word: &str, other: &str) -> Option<usize> {
    let length = word.chars().count();
    let tolerated = match length {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    let distance_to = |other: &str| {
        // Every wrong letter changes at most two letters of the set: a cheap test before the real one.
        let differing = (letters(word) ^ letters(other)).count_ones() as usize;
        (differing <= 2 * tolerated && other.chars().count().abs_diff(length) <= tolerated)
            .then(|| osa_distance(word, other))
            .filter(|distance| *distance <= tolerated)
    };
    let beginning = other.char_indices().nth(length).map(|(end, _)| &other[..end]);
    let whole = distance_to(other).map(|wrong| 2 * wrong);
    let begun = beginning.and_then(distance_to).map(|wrong| 2 * wrong + 1);
    whole.into_iter().chain(begun).min()
}

/// The set of letters and digits of a word, different ones possibly sharing a bit.
fn letters(word: &str) -> u64 {
    word.chars().fold(0, |set, c| set | 1 << (u32::from(c) % 64))
}

#[cfg(test)]
mod tests;
