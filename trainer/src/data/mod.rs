//! From raw data to sequences: read, drop items without title, k-core, order, split (paper section 4.0.1).
//!
//! There is one way through this room: a reader in `formats` gives rows to `RawData`, the
//! `pipeline` makes sequences of them, `folder` writes and loads the result.

mod dslabs;
mod embedded;
mod folder;
mod formats;
mod input;
mod kcore;
mod order;
mod pipeline;
mod provenance;
mod raw;
mod split;
mod stats;
mod synthetic;
mod titles;

use std::path::Path;

use shared::catalog::{Catalog, ItemId};

use crate::report::{Printer, UserError, Verbosity};
use input::Intake;

pub use dslabs::{Imported, import};
pub use folder::{check_free, is_prepared, write};
pub use formats::{Columns, Preset, Raw, Titles, find_movielens, find_preset};
pub use kcore::Round;
pub use pipeline::Dropped;
pub use provenance::{Outcome, Preparation, Provenance};
pub use split::{SHORTEST, Split};
pub use stats::{PAPER_TABLE_2, Stats};
pub use synthetic::synthetic;
pub use titles::clean_title;

/// Every user and every item has this many interactions or more (paper section 4.0.1).
pub const MIN_INTERACTIONS: u32 = 5;

/// A prepared data set: dense ids, titles, one chronological sequence a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Short name, for example `movielens-small-2016`.
    pub name: String,
    /// The items; sequence entries are ids of this catalogue.
    pub catalog: Catalog,
    /// The users' ids in the raw data, in the order of `sequences`.
    pub users: Vec<String>,
    /// Chronological items of each user: last = test, second to last = validation, the rest = training.
    pub sequences: Vec<Vec<ItemId>>,
}

impl Dataset {
    /// The split of the n-th user (from 0).
    ///
    /// # Panics
    /// If there is no such user. Prepared sequences always have at least three items.
    pub fn split(&self, user: usize) -> Split<'_> {
        Split::of(&self.sequences[user]).expect("prepared sequences have three items or more")
    }

    /// Row of the user with this raw id.
    pub fn user(&self, raw: &str) -> Option<usize> {
        self.users.iter().position(|user| user == raw)
    }
}

/// A data set and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The data set.
    pub dataset: Dataset,
    /// Its provenance; the list of its own files is empty until it is written.
    pub provenance: Provenance,
}

impl Prepared {
    /// Gives the data set another name.
    pub fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.dataset.name);
        name.clone_into(&mut self.provenance.name);
    }
}

/// How raw data are prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Every user and every item has so many interactions or more; at least [`SHORTEST`].
    pub k_core: u32,
    /// How many rows may be left out because they cannot be read.
    pub skip_bad_rows: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { k_core: MIN_INTERACTIONS, skip_bad_rows: 0 }
    }
}

/// Reads raw data and makes sequences of them.
///
/// # Errors
/// A file that is missing or malformed, more bad rows than allowed, or nothing left after the k-core.
pub fn prepare(name: &str, raw: &Raw, options: Options, printer: &Printer) -> Result<Prepared, UserError> {
    let mut intake = Intake::new(printer, options.skip_bad_rows);
    let ((format, titles), columns) = (raw.describe(), raw.columns());
    let raw = raw.read(&mut intake)?;
    let (dataset, dropped) = pipeline::sequences(name, raw, options.k_core.max(SHORTEST))?;
    let preparation = Preparation {
        k_core: options.k_core,
        columns,
        skip_bad_rows: options.skip_bad_rows,
        skipped_rows: intake.bad.skipped(),
        first_skipped_rows: intake.bad.first().to_vec(),
        titles: titles.to_owned(),
        rules: pipeline::RULES.map(str::to_owned).to_vec(),
        dropped,
    };
    Ok(prepared(dataset, format, intake, Some(preparation)))
}

/// Loads a finished split: ids, order and users are taken as they are.
///
/// # Errors
/// A file that is missing or malformed.
pub fn load_split(name: &str, path: &Path, printer: &Printer) -> Result<Prepared, UserError> {
    let mut intake = Intake::new(printer, 0);
    let dataset = folder::load(name, path, &mut intake)?;
    Ok(prepared(dataset, "split", intake, None))
}

fn prepared(
    dataset: Dataset,
    format: &str,
    intake: Intake<'_>,
    preparation: Option<Preparation>,
) -> Prepared {
    let provenance = Provenance {
        llamarec: env!("CARGO_PKG_VERSION").to_owned(),
        name: dataset.name.clone(),
        format: format.to_owned(),
        inputs: intake.into_files(),
        preparation,
        result: Outcome::of(&dataset),
        files: Vec::new(),
    };
    Prepared { dataset, provenance }
}

/// Loads a data set, prepared already or in the format of MovieLens.
///
/// `None` is the MovieLens data set compiled into the program. A folder holds a prepared data set
/// (`sequences.tsv.gz`, `items.jsonl.gz`) or the files of MovieLens.
///
/// # Errors
/// A folder without these files, a malformed line (the error names file and line), or nothing left after
/// the 5-core.
pub fn load(path: Option<&Path>) -> anyhow::Result<Dataset> {
    match path {
        None => Ok(embedded::load()?),
        Some(folder) => Ok(load_folder(folder, &Printer::new(Verbosity::Quiet))?.dataset),
    }
}

/// Loads a folder as [`load`] does and tells what was dropped.
///
/// # Errors
/// As [`load`].
pub fn load_folder(folder: &Path, printer: &Printer) -> Result<Prepared, UserError> {
    let name =
        folder.file_name().map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned());
    if is_prepared(folder) {
        return load_split(&name, folder, printer);
    }
    let raw = find_movielens(folder).map_err(|error| {
        UserError::input(format!("data set {}", error.message)).hint(
            "give a folder that `llamarec data prepare` wrote, or one with ratings.csv \
             (userId,movieId,rating,timestamp) and movies.csv (movieId,title,genres) as MovieLens publishes \
             them, or leave --data out for the embedded set",
        )
    })?;
    prepare(&name, &raw, Options::default(), printer)
}
