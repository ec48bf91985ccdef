//! Reading input files: one pass over the bytes, bad rows tolerated as far as the user allows.

mod bad_rows;
mod fields;
mod lines;
mod source;
mod table;

use std::path::{Path, PathBuf};

use shared::manifest::FileEntry;

use crate::report::{Printer, UserError};

pub use bad_rows::BadRows;
pub use lines::Lines;
pub use source::Source;
pub use table::{Layout, Table};

/// Everything that is read for one data set: opens files, counts bad rows, remembers what was read.
pub struct Intake<'a> {
    printer: &'a Printer,
    /// The rows that could not be read.
    pub bad: BadRows,
    files: Vec<FileEntry>,
}

impl<'a> Intake<'a> {
    /// Nothing read yet; `skip_bad_rows` bad rows are tolerated in all files together.
    pub fn new(printer: &'a Printer, skip_bad_rows: u64) -> Self {
        Self { printer, bad: BadRows::new(skip_bad_rows), files: Vec::new() }
    }

    /// Opens a file; if its name ends in `.gz`, it is decompressed.
    pub fn open(&self, path: &Path) -> Result<Source, UserError> {
        Source::open(path, self.printer)
    }

    /// Ends the reading of a file and remembers its size and checksum.
    pub fn close(&mut self, source: Source) -> Result<&FileEntry, UserError> {
        self.files.push(source.finish()?);
        Ok(&self.files[self.files.len() - 1])
    }

    /// The files that were read, in the order of reading.
    pub fn into_files(self) -> Vec<FileEntry> {
        self.files
    }
}

/// The first of these files that is in the folder, compressed (`.gz`) or not.
pub fn find(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    names
        .iter()
        .map(|name| folder.join(name))
        .flat_map(|path| [path.clone(), path.with_added_extension("gz")])
        .find(|path| path.is_file())
}
