//! Lists of films that visitors bring along: exports of Letterboxd and MovieLens, any CSV with titles, or a title a line.

use shared::{
    catalog::{Catalog, ItemId},
    protocol::{Failure, FailureCode},
};

use crate::format::films;

/// Largest file that is read, in bytes.
pub const LARGEST: usize = 8 << 20;
/// Newest films that are taken: what the retriever reads.
const MOST: usize = 200;
/// From which share of the best rating on a film counts as liked.
const LIKED: f64 = 0.7;

/// What was found in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// Films of the catalogue, oldest first.
    pub items: Vec<ItemId>,
    /// Titles that are not in it.
    pub unknown: Vec<String>,
    /// Films left out because they were not liked.
    pub disliked: usize,
}

/// One line of a list.
#[derive(Clone, Debug, Default, PartialEq)]
struct Entry {
    /// The id in the raw data of the catalogue.
    raw: Option<String>,
    title: String,
    rating: Option<f64>,
    time: String,
}

/// Reads a list. Where there are ratings only what was liked is taken, and where there are times the oldest comes first.
///
/// # Errors
/// A file without any film.
pub fn read(text: &str, catalog: &Catalog) -> Result<Import, Failure> {
    let mut entries = entries(text)?;
    let all = entries.len();
    let best = entries.iter().filter_map(|entry| entry.rating).fold(0.0, f64::max);
    // Scales end at 5 or at 10, whether or not the best grade was given.
    let scale = if best > 5.0 { 10.0 } else { 5.0 };
    entries.retain(|entry| entry.rating.is_none_or(|rating| rating >= LIKED * scale));
    if entries.is_empty() {
        let (message, hint) = if all > 0 {
            let liked = LIKED * scale;
            (
                format!("No film of this list has a rating of {liked} or more; it has {}.", films(all)),
                format!("Give a list of films that you liked: ratings are taken to end at {scale}."),
            )
        } else {
            let hint =
                "Give a CSV file with a column Name, Title or movieId, or a text file with a title a line.";
            ("There is no film in this list.".to_owned(), hint.to_owned())
        };
        return Err(Failure { code: FailureCode::Input, message, hint });
    }
    // Times are written so that their text sorts as they do.
    entries.sort_by(|a, b| (a.time.len(), &a.time).cmp(&(b.time.len(), &b.time)));
    let newest = entries.len().saturating_sub(MOST);
    let mut import = Import { disliked: all - entries.len(), ..Import::default() };
    for Entry { raw, title, .. } in entries.drain(newest..) {
        let by_id = || catalog.iter().find(|(_, item)| raw.as_ref() == Some(&item.raw)).map(|(id, _)| id);
        match by_id().or_else(|| catalog.find(&title).ok()) {
            Some(item) if import.items.contains(&item) => {}
            Some(item) => import.items.push(item),
            None if title.is_empty() => import.unknown.push(format!("number {}", raw.unwrap_or_default())),
            None => import.unknown.push(title),
        }
    }
    Ok(import)
}

/// The rows of a table.
fn rows_of(text: &str, separator: u8) -> impl Iterator<Item = csv::StringRecord> {
    csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
        .into_records()
        .map_while(Result::ok)
}

/// The lines of a list: by the names of columns, else each line is a title.
fn entries(text: &str) -> Result<Vec<Entry>, Failure> {
    let first = text.lines().next().unwrap_or_default();
    let separator = [b',', b';', b'\t'].into_iter().max_by_key(|&mark| {
        // Of several that are as frequent the last would win, and a comma is likeliest.
        (first.bytes().filter(|&byte| byte == mark).count(), mark == b',')
    });
    let mark = separator.unwrap_or(b',');
    let mut rows = rows_of(text, mark);
    let Some(head) = rows.next() else { return Ok(Vec::new()) };
    let column = |names: &[&str]| {
        let named = |field: &str| {
            names.iter().any(|name| field.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name))
        };
        head.iter().position(named)
    };
    let (raw, title) =
        (column(&["movieId", "movie_id", "item_id"]), column(&["title", "name", "film", "movie"]));
    if raw.is_none() && title.is_none() {
        let mut same = rows_of(text, mark).filter(|row| row.len() == head.len());
        if head.len() > 1 && same.nth(1).is_some() {
            return Err(Failure {
                code: FailureCode::Input,
                message: format!(
                    "This table has no column with titles; its columns are {}.",
                    head.iter().collect::<Vec<_>>().join(", ")
                ),
                hint: "Name one of them Name, Title or movieId in its first line.".into(),
            });
        }
        let lines = text.lines().map(|line| line.trim_start_matches('\u{feff}').trim());
        return Ok(lines
            .filter(|line| !line.is_empty())
            .map(|line| Entry { title: line.to_owned(), ..Entry::default() })
            .collect());
    }
    let (year, rating) = (column(&["year"]), column(&["rating", "your rating", "score"]));
    let time = column(&["timestamp", "watched date", "date", "date rated"]);
    let entry = |row: csv::StringRecord| {
        let field = |column: Option<usize>| column.and_then(|n| row.get(n)).unwrap_or_default().to_owned();
        let (name, year) = (field(title), field(year));
        let title = if year.is_empty() || name.is_empty() { name } else { format!("{name} ({year})") };
        let raw = Some(field(raw)).filter(|raw| !raw.is_empty());
        Entry { raw, title, rating: field(rating).parse().ok(), time: field(time) }
    };
    Ok(rows.map(entry).filter(|entry| entry.raw.is_some() || !entry.title.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use shared::catalog::Item;

    use super::*;

    fn catalog() -> Catalog {
        let item = |(raw, title): (&str, &str)| Item { raw: raw.into(), title: title.into(), genres: vec![] };
        let items = [
            ("6", "Heat (1995)"),
            ("1", "Toy Story (1995)"),
            ("608", "Fargo (1996)"),
            ("5989", "Catch Me If You Can (2002)"),
        ];
        Catalog::new(items.map(item).to_vec())
    }

    fn ids(text: &str) -> Vec<u32> {
        read(text, &catalog()).expect("a list").items.into_iter().map(|item| item.0).collect()
    }

    #[test]
    fn an_export_of_letterboxd() {
        let text = "Date,Name,Year,Letterboxd URI,Rating\n2024-02-01,Fargo,1996,x,4.5\n2023-01-09,\"Heat\",1995,y,5\n\
                    2022-03-03,Toy Story,1995,z,2\n2024-05-05,Nobody Knows This,2024,w,5\n";
        let import = read(text, &catalog()).expect("a list");
        // Oldest first; what was not liked is left out; what is unknown is told.
        assert_eq!(import.items, [ItemId(1), ItemId(3)]);
        assert_eq!(import.unknown, ["Nobody Knows This (2024)"]);
    }

    #[test]
    fn ratings_of_movielens() {
        let text =
            "userId,movieId,rating,timestamp\n1,608,4.0,999\n1,6,3.5,1000\n1,1,3.0,1001\n1,77777,5.0,1002\n";
        assert_eq!(ids(text), [3, 1], "999 is before 1000");
        assert_eq!(read(text, &catalog()).expect("a list").unknown, ["number 77777"]);
    }

    #[test]
    fn a_title_a_line() {
        assert_eq!(ids("\u{feff}Heat (1995)\n\ntoy story\r\nCatch Me If You Can\nHeat\n"), [1, 2, 4]);
        assert_eq!(ids("title\nFargo (1996)\n"), [3]);
        assert_eq!(ids("Title;Note\nFargo;good\n"), [3], "semicolons separate too");
        let unknown = read("Heat; or not\nFargo\n", &catalog()).expect("a list").unknown;
        assert_eq!(unknown, ["Heat; or not"]);
    }

    #[test]
    fn ratings_to_ten_have_their_own_scale() {
        assert_eq!(ids("Title,Your Rating\nHeat,9\nFargo,6\n"), [1]);
        assert_eq!(ids("Title,Your Rating\nHeat,4\nFargo,3\n"), [1]);
    }

    #[test]
    fn long_lists_keep_their_newest() {
        let newer: Vec<String> = (2..=MOST + 1).map(|n| format!("Toy Story (1995),{n}")).collect();
        assert_eq!(ids(&format!("title,timestamp\nHeat (1995),1\n{}\n", newer.join("\n"))), [2]);
    }

    #[test]
    fn a_table_without_titles_is_refused_by_its_columns() {
        let refused = read("foo,bar\n1,2\n3,4\n", &catalog()).expect_err("refused");
        assert!(refused.message.contains("foo, bar") && refused.hint.contains("Title"), "{refused:?}");
        assert_eq!(read("Name,Rating\nHeat,5\nFargo,1\n", &catalog()).expect("a list").disliked, 1);
    }

    #[test]
    fn a_file_without_films_is_refused() {
        for text in ["", "\n\n"] {
            assert!(read(text, &catalog()).expect_err("refused").hint.contains("Name, Title or movieId"));
        }
        let refused = read("movieId,rating\n6,1\n", &catalog()).expect_err("refused");
        assert_eq!(refused.message, "No film of this list has a rating of 3.5 or more; it has 1 film.");
    }
}
