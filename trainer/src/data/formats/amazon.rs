//! Amazon reviews: the ratings-only CSV, and metadata with one object a line (JSON, or a Python dict).

use std::iter;

use serde_json::Value;

use super::literal::text_fields;
use crate::{
    data::{
        input::{BadRows, Layout, Lines, Source, Table},
        raw::RawData,
    },
    report::UserError,
};

/// Reads ratings: user, asin, rating, Unix time, without header.
pub fn read_ratings(file: &mut Source, bad: &mut BadRows, raw: &mut RawData) -> Result<(), UserError> {
    Table::open(file, Layout::Bare, &["user", "asin", "rating", "time"], 4)?.for_each(bad, |row| {
        row.check_number(2)?;
        raw.add(row.id(0)?, row.id(1)?, row.time(3)?);
        Ok(())
    })
}

/// Reads the titles of the items that were rated. They are only trimmed, as in the reference; with `unescape`
/// HTML entities are decoded.
pub fn read_metadata(
    file: &mut Source,
    unescape: bool,
    bad: &mut BadRows,
    raw: &mut RawData,
) -> Result<(), UserError> {
    let name = file.name().to_owned();
    let mut lines = Lines::new(file)?;
    while let Some(line) = lines.next()? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        // Tabs and line ends inside titles stay, as in the reference: three of Beauty's have some.
        match asin_and_title(line) {
            Ok((asin, Some(title))) if unescape => {
                let title = html_escape::decode_html_entities(&title);
                raw.add_title(&asin, title.trim(), iter::empty());
            }
            Ok((asin, Some(title))) => raw.add_title(&asin, title.trim(), iter::empty()),
            Ok((_, None)) => {}
            Err(what) => bad.add(lines.shown(), &name, lines.number(), &what)?,
        }
    }
    Ok(())
}

fn asin_and_title(line: &[u8]) -> Result<(String, Option<String>), String> {
    let text = str::from_utf8(line).map_err(|_| "the line is not UTF-8 text".to_owned())?;
    let [asin, title] = if is_json(text) {
        json_fields(text).or_else(|error| python_fields(text).map_err(|_| error))?
    } else {
        python_fields(text)?
    };
    let asin = asin.map(|asin| asin.trim().to_owned()).filter(|asin| !asin.is_empty());
    Ok((asin.ok_or("the object has no asin")?, title))
}

/// JSON puts its keys in double quotes; Python's `repr` does so only for keys with an apostrophe.
fn is_json(line: &str) -> bool {
    let inside = line.trim_start().strip_prefix('{').map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with('"'))
}

fn json_fields(line: &str) -> Result<[Option<String>; 2], String> {
    let object: Value = serde_json::from_str(line)
        .map_err(|error| format!("the line is not a JSON object (column {})", error.column()))?;
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok([text("asin"), text("title")])
}

fn python_fields(line: &str) -> Result<[Option<String>; 2], String> {
    text_fields(line, ["asin", "title"]).map_err(|malformed| {
        let (column, what) = (malformed.column, malformed.what);
        format!("the line is neither a JSON object nor a Python dict: column {column}: {what}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metadata: &'static str, unescape: bool) -> Result<Vec<String>, UserError> {
        let (mut raw, mut bad) = (RawData::default(), BadRows::new(0));
        let ratings = b"A1,B1,5.0,1369699200\nA1,B2,1.0,1355443200\nA2,B3,3.0,1355443200\n";
        read_ratings(&mut Source::memory("ratings_Beauty.csv", ratings), &mut bad, &mut raw)?;
        read_metadata(&mut Source::memory("meta.json", metadata.as_bytes()), unescape, &mut bad, &mut raw)?;
        let title = |title: Option<super::super::super::raw::Title>| title.unwrap_or_default().text;
        Ok(raw.titles.into_iter().map(title).collect())
    }

    #[test]
    fn json_and_python_lines_give_the_same() {
        let python = "{'asin': 'B1', 'title': \" Bob's &amp; Co\"}\n{'asin': 'B9', 'title': 'X'}\n\n{'asin': 'B2'}\n{'title': None, 'asin': u'B3'}\n";
        let json = "{\"title\": \"Bob's &amp; Co \", \"asin\": \"B1\", \"tech\": [1]}\n{ \"asin\": \"B2\", \"title\": \"\"}\n{\"asin\": \"B3\", \"title\": 7}\n";
        assert_eq!(read(python, false).unwrap(), ["Bob's &amp; Co"]);
        assert_eq!(read(json, false).unwrap(), ["Bob's &amp; Co"]);
        assert_eq!(read(python, true).unwrap(), ["Bob's & Co"]);
    }

    #[test]
    fn bad_lines_are_named() {
        for (line, expected) in [
            (
                "{'asin': 'B1'}\n{'asin': __import__('os')}",
                "meta.json line 2: the line is neither a JSON object nor a Python dict: column 10: this is no text, number, True, False, None, list or dict",
            ),
            (
                "{\"asin\": \"B1\", \"title\": }",
                "meta.json line 1: the line is not a JSON object (column 25)",
            ),
            ("{\"it's\": 1, 'asin': 'B1'}\n{'title': 'x'}", "meta.json line 2: the object has no asin"),
            ("{'title': 'x'}", "meta.json line 1: the object has no asin"),
            (
                "asin,title",
                "meta.json line 1: the line is neither a JSON object nor a Python dict: column 1: a dict begins with {",
            ),
            ("", "meta.json is empty"),
        ] {
            assert_eq!(read(line, false).unwrap_err().message, expected);
        }
        let deep = format!("{{\"asin\": \"B1\", \"x\": {}", "[".repeat(1_000_000));
        let error = read(Box::leak(deep.into_boxed_str()), false).unwrap_err();
        assert!(error.message.starts_with("meta.json line 1: the line is not a JSON object"), "{error}");
    }

    #[test]
    fn ratings_need_four_columns() {
        let (mut raw, mut bad) = (RawData::default(), BadRows::new(0));
        let mut file = Source::memory("r.csv", b"A1,B1,5.0\n");
        let error = read_ratings(&mut file, &mut bad, &mut raw).unwrap_err();
        let expected = "r.csv line 1: 3 columns where 4 are expected: user, asin, rating, time";
        assert_eq!(error.message, expected);
    }
}
