//! A prepared data set on disk: `sequences.tsv.gz`, `items.jsonl.gz`, `stats.json`, `provenance.json`.

use std::{
    borrow::Cow,
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use flate2::{Compression, write::GzEncoder};
use serde::{Deserialize, Serialize};
use shared::{
    catalog::{Catalog, Item, ItemId},
    manifest::FileEntry,
};

use super::{
    Dataset, Prepared, Split, Stats,
    input::{Intake, Lines},
};
use crate::{
    fetch,
    files::{self, write_atomic},
    report::UserError,
};

/// One line a user: `user TAB item item …`, oldest first.
pub const SEQUENCES: &str = "sequences.tsv.gz";
/// One JSON object an item: `id` from 1 in order, `raw`, `title` and perhaps `genres`.
pub const ITEMS: &str = "items.jsonl.gz";
/// The figures of [`Stats`].
pub const STATS: &str = "stats.json";
/// Where it comes from; the last file that is written.
pub const PROVENANCE: &str = "provenance.json";

#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: u32,
    #[serde(alias = "asin")]
    raw: Cow<'a, str>,
    title: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    genres: Vec<String>,
}

/// What is read of a `provenance.json`.
#[derive(Deserialize)]
struct Known {
    name: String,
    files: Vec<FileEntry>,
}

/// Loads a prepared data set; nothing is filtered or reordered.
///
/// Its name is the one in the provenance, else `name`. If there is a provenance, the files must have the
/// checksums it tells.
///
/// # Errors
/// A missing or malformed file (the error names the line), or another checksum.
pub fn load(name: &str, folder: &Path, intake: &mut Intake<'_>) -> Result<Dataset, UserError> {
    let known = read_provenance(folder)?;
    let mut items = Vec::new();
    for_each_line(&folder.join(ITEMS), known.as_ref(), intake, |text| {
        let line: Line = serde_json::from_str(text)
            .map_err(|_| "it is no JSON object with id, raw (or asin) and title".to_owned())?;
        if line.id as usize != items.len() + 1 {
            return Err(format!("item id {} where {} was expected", line.id, items.len() + 1));
        }
        let title = line.title.trim().to_owned();
        items.push(Item { raw: line.raw.into_owned(), title, genres: line.genres });
        Ok(())
    })?;

    let mut users = Vec::new();
    let mut sequences = Vec::new();
    for_each_line(&folder.join(SEQUENCES), known.as_ref(), intake, |text| {
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
    let name = known.map_or_else(|| name.to_owned(), |known| known.name);
    Ok(Dataset { name, catalog: Catalog::new(items), users, sequences })
}

/// Whether a folder holds a prepared data set.
pub fn is_prepared(folder: &Path) -> bool {
    folder.join(SEQUENCES).is_file()
}

fn read_provenance(folder: &Path) -> Result<Option<Known>, UserError> {
    let path = folder.join(PROVENANCE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(UserError::input(format!("cannot read {}: {error}", path.display()))),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| {
        UserError::input(format!("{} is not a provenance of a prepared data set", path.display()))
            .hint("prepare the data set again, with --force")
    })
}

fn known_item(text: &str, items: usize) -> Result<ItemId, String> {
    text.parse()
        .ok()
        .filter(|id| (1..=items as u32).contains(id))
        .map(ItemId)
        .ok_or_else(|| format!("item \"{text}\" is not one of the {items} items"))
}

fn for_each_line(
    path: &Path,
    known: Option<&Known>,
    intake: &mut Intake<'_>,
    mut take: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), UserError> {
    let mut source = intake.open(path)?;
    let mut lines = Lines::new(&mut source)?;
    while let Some(line) = lines.next()? {
        str::from_utf8(line)
            .map_err(|_| "it is not UTF-8 text".to_owned())
            .and_then(&mut take)
            .map_err(|what| UserError::input(format!("{} line {}: {what}", lines.shown(), lines.number())))?;
    }
    let read = intake.close(source)?;
    match known.and_then(|known| known.files.iter().find(|file| file.path == read.path)) {
        Some(told) if told != read => Err(UserError::input(format!(
            "{} is not the file that {PROVENANCE} tells of: its SHA-256 is {}, expected {}",
            path.display(),
            read.sha256,
            told.sha256
        ))
        .hint("prepare the data set again, with --force")),
        _ => Ok(()),
    }
}

/// Refuses a folder that holds a prepared data set already, unless `force`, and a path that is no folder.
pub fn check_free(folder: &Path, force: bool) -> Result<(), UserError> {
    files::check_free(folder, &[SEQUENCES, ITEMS, STATS, PROVENANCE], "prepared data set", force)
}

/// Writes a prepared data set and completes its provenance. Equal data give equal bytes.
///
/// The files of an earlier one are removed first, so that a folder never holds a mixture.
pub fn write(folder: &Path, prepared: &mut Prepared) -> anyhow::Result<()> {
    let data = &prepared.dataset;
    let files = [(SEQUENCES, sequences(data)?), (ITEMS, items(data)?), (STATS, json(&Stats::of(data))?)];
    for file in [PROVENANCE, STATS, ITEMS, SEQUENCES] {
        let path = folder.join(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot replace {}", path.display()));
            }
            _ => {}
        }
    }
    prepared.provenance.files.clear();
    for (name, bytes) in &files {
        write_atomic(&folder.join(name), bytes)?;
        let sha256 = fetch::sha256(bytes.as_slice(), |_| ())?;
        let entry = FileEntry { path: (*name).to_owned(), bytes: bytes.len() as u64, sha256 };
        prepared.provenance.files.push(entry);
    }
    write_atomic(&folder.join(PROVENANCE), &json(&prepared.provenance)?)
}

fn sequences(data: &Dataset) -> anyhow::Result<Vec<u8>> {
    let mut file = gzip();
    for (user, sequence) in data.users.iter().zip(&data.sequences) {
        file.write_all(user.as_bytes())?;
        for (at, item) in sequence.iter().enumerate() {
            write!(file, "{}{}", if at == 0 { '\t' } else { ' ' }, item.0)?;
        }
        file.write_all(b"\n")?;
    }
    Ok(file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?)
}

fn items(data: &Dataset) -> anyhow::Result<Vec<u8>> {
    let mut file = gzip();
    for (id, item) in data.catalog.iter() {
        let line = Line {
            id: id.0,
            raw: item.raw.as_str().into(),
            title: item.title.as_str().into(),
            genres: item.genres.clone(),
        };
        serde_json::to_writer(&mut file, &line)?;
        file.write_all(b"\n")?;
    }
    Ok(file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?)
}

/// A compressed file in memory; its header holds no time and no name.
fn gzip() -> io::BufWriter<GzEncoder<Vec<u8>>> {
    io::BufWriter::with_capacity(1 << 16, GzEncoder::new(Vec::new(), Compression::default()))
}

fn json(value: &impl Serialize) -> anyhow::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
