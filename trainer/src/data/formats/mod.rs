//! The formats of raw data. Each reader gives its rows to [`RawData`], nothing else.

mod amazon;
mod csv_file;
mod literal;
pub mod movielens;
mod presets;

use std::path::{Path, PathBuf};

use super::{
    input::{BadRows, Intake, Source},
    raw::RawData,
};
use crate::report::UserError;

pub use csv_file::Columns;
pub use presets::{Preset, find_movielens, find_preset};

/// Raw data of one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// MovieLens of any size.
    MovieLens {
        /// `ratings.csv` or `ratings.dat`.
        ratings: PathBuf,
        /// `movies.csv` or `movies.dat`.
        movies: PathBuf,
    },
    /// Amazon reviews of 2014 or 2018.
    Amazon {
        /// CSV without header: user, asin, rating, Unix time.
        ratings: PathBuf,
        /// One object a line, JSON or as Python writes it, with `asin` and `title`.
        metadata: PathBuf,
        /// Whether HTML entities such as `&amp;` in titles are decoded.
        unescape: bool,
    },
    /// Any CSV with a header.
    Csv {
        /// The interactions.
        file: PathBuf,
        /// Names of the columns.
        columns: Columns,
        /// Where titles are.
        titles: Titles,
    },
}

/// Where the titles of a CSV file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Titles {
    /// In a column beside the interactions.
    Column,
    /// In a CSV file of their own, with the same names of the columns for item and title.
    File(PathBuf),
    /// There are none; the raw item ids serve.
    Ids,
}

impl Raw {
    /// The format's name and how it makes titles, for the provenance.
    pub fn describe(&self) -> (&'static str, &'static str) {
        match self {
            Self::MovieLens { .. } => {
                ("movielens", "remarks in parentheses removed, a trailing English article in front")
            }
            Self::Amazon { unescape: false, .. } => ("amazon", "as they are, HTML entities kept"),
            Self::Amazon { unescape: true, .. } => ("amazon", "HTML entities decoded"),
            Self::Csv { titles: Titles::Ids, .. } => ("csv", "the raw item ids"),
            Self::Csv { .. } => ("csv", "as they are"),
        }
    }

    /// Names of the columns that the user chose, for the provenance.
    pub fn columns(&self) -> Vec<String> {
        match self {
            Self::Csv { columns: Columns { user, item, time, title }, titles, .. } => {
                let title = (*titles != Titles::Ids).then_some(title);
                [user, item, time].into_iter().chain(title).cloned().collect()
            }
            Self::MovieLens { .. } | Self::Amazon { .. } => Vec::new(),
        }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// A file that is missing or malformed, or more bad rows than `intake` allows.
    pub fn read(&self, intake: &mut Intake<'_>) -> Result<RawData, UserError> {
        let mut raw = RawData::default();
        match self {
            Self::MovieLens { ratings, movies } => {
                read(intake, ratings, |file, bad| movielens::read_ratings(file, bad, &mut raw))?;
                read(intake, movies, |file, bad| movielens::read_movies(file, bad, &mut raw))?;
            }
            Self::Amazon { ratings, metadata, unescape } => {
                read(intake, ratings, |file, bad| amazon::read_ratings(file, bad, &mut raw))?;
                read(intake, metadata, |file, bad| amazon::read_metadata(file, *unescape, bad, &mut raw))?;
            }
            Self::Csv { file, columns, titles } => {
                read(intake, file, |file, bad| csv_file::read(file, columns, titles, bad, &mut raw))?;
                match titles {
                    Titles::Column => {}
                    Titles::File(path) => {
                        read(intake, path, |file, bad| csv_file::read_titles(file, columns, bad, &mut raw))?;
                    }
                    Titles::Ids => raw.title_by_id(),
                }
            }
        }
        Ok(raw)
    }
}

/// Opens a file, reads it, remembers that it was read.
fn read(
    intake: &mut Intake<'_>,
    path: &Path,
    read: impl FnOnce(&mut Source, &mut BadRows) -> Result<(), UserError>,
) -> Result<(), UserError> {
    let mut file = intake.open(path)?;
    read(&mut file, &mut intake.bad)?;
    intake.close(file)?;
    Ok(())
}
