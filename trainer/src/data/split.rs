//! Reads a finished split: `sequences.tsv.gz` and `items.jsonl.gz`, nothing filtered or reordered.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use flate2::read::GzDecoder;
use serde::Deserialize;
use shared::catalog::{Catalog, Item, ItemId};

use super::{Dataset, Split};
use crate::report::UserError;

#[derive(Deserialize)]
struct Line {
    id: u32,
    asin: String,
    title: String,
}

/// Loads a split: each line of the sequences is `user TAB item item …` (oldest first), each line of the items
/// a JSON object `{"id", "asin", "title"}` with ids from 1 in order.
pub fn load(name: &str, folder: &Path) -> anyhow::Result<Dataset> {
    let mut items = Vec::new();
    for_each_line(&folder.join("items.jsonl.gz"), |text| {
        let Line { id, asin, title } = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if id as usize != items.len() + 1 {
            return Err(format!("item id {id} where {} was expected", items.len() + 1));
        }
        items.push(Item { raw: asin, title: title.trim().to_owned(), genres: Vec::new() });
        Ok(())
    })?;

    let mut users = Vec::new();
    let mut sequences = Vec::new();
    for_each_line(&folder.join("sequences.tsv.gz"), |text| {
        let (user, sequence) = text.split_once('\t').ok_or("no tab between user and items")?;
        let sequence: Vec<ItemId> =
            sequence.split(' ').map(|item| known_item(item, items.len())).collect::<Result<_, _>>()?;
        if Split::of(&sequence).is_none() {
            return Err(format!("user {user} has {} items, at least 3 are needed", sequence.len()));
        }
        users.push(user.to_owned());
        sequences.push(sequence);
        Ok(())
    })?;
    Ok(Dataset { name: name.to_owned(), catalog: Catalog::new(items), users, sequences })
}

fn known_item(text: &str, items: usize) -> Result<ItemId, String> {
    text.parse()
        .ok()
        .filter(|id| (1..=items as u32).contains(id))
        .map(ItemId)
        .ok_or_else(|| format!("item \"{text}\" is not one of the {items} items"))
}

fn for_each_line(path: &Path, mut take: impl FnMut(&str) -> Result<(), String>) -> Result<(), UserError> {
    let name = path.display();
    let unreadable = |error| UserError::input(format!("cannot read {name}: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    for (n, line) in BufReader::new(GzDecoder::new(file)).lines().enumerate() {
        take(&line.map_err(unreadable)?)
            .map_err(|what| UserError::input(format!("{name} line {}: {what}", n + 1)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn folder(items: &str, sequences: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("items.jsonl.gz", items), ("sequences.tsv.gz", sequences)] {
            let mut file = GzEncoder::new(Vec::new(), Compression::fast());
            file.write_all(text.as_bytes()).unwrap();
            fs::write(folder.path().join(name), file.finish().unwrap()).unwrap();
        }
        folder
    }

    const ITEMS: &str = "{\"id\": 1, \"asin\": \"B1\", \"title\": \" A\\tb \"}\n{\"id\": 2, \"asin\": \"B2\", \"title\": \"C\"}\n";

    #[test]
    fn reads_items_and_sequences_as_they_are() {
        let folder = folder(ITEMS, "7\t2 1 2\n");
        let data = load("tiny", folder.path()).unwrap();
        assert_eq!(data.catalog.title(ItemId(1)), "A\tb");
        assert_eq!(data.users, ["7"]);
        assert_eq!(data.sequences, [[2, 1, 2].map(ItemId)]);
    }

    #[test]
    fn wrong_lines_are_named() {
        for (sequences, what) in [
            ("7\t2 1 2\n8\t1 3 1\n", "line 2: item \"3\" is not one of the 2 items"),
            ("7 2\n", "line 1: no tab between user and items"),
            ("7\t1 2\n", "line 1: user 7 has 2 items, at least 3 are needed"),
        ] {
            let folder = folder(ITEMS, sequences);
            let error = load("tiny", folder.path()).unwrap_err().to_string();
            assert!(error.ends_with(what), "{error}");
        }
    }
}
