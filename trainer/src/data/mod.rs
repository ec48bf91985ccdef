//! From raw ratings to sequences: read, drop items without title, 5-core, order, split (paper section 4.0.1).

mod dslabs;
mod embedded;
mod kcore;
mod movielens;
mod sequences;
mod split;
mod stats;
mod titles;

use std::path::Path;

use shared::catalog::{Catalog, ItemId};

use crate::report::UserError;

pub use dslabs::{Imported, import};
pub use kcore::k_core;
pub use movielens::{Movie, Rating};
pub use sequences::{MIN_INTERACTIONS, Split, prepare};
pub use stats::{PAPER_TABLE_2, Stats};
pub use titles::clean_title;

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

/// Loads and prepares a data set.
///
/// `None` is the MovieLens data set compiled into the program. A folder holds either `ratings.csv` and
/// `movies.csv` in the format of MovieLens, or a finished split (`sequences.tsv.gz`, `items.jsonl.gz`).
///
/// # Errors
/// A folder without these files, a malformed line (the error names file and line), or nothing left after
/// the 5-core.
pub fn load(path: Option<&Path>) -> anyhow::Result<Dataset> {
    let Some(folder) = path else {
        return embedded::load();
    };
    let name =
        folder.file_name().map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned());
    if folder.join("ratings.csv").is_file() {
        let ratings = movielens::read_ratings_file(&folder.join("ratings.csv"))?;
        let movies = movielens::read_movies_file(&folder.join("movies.csv"))?;
        prepare(&name, ratings, movies)
    } else if folder.join("sequences.tsv.gz").is_file() {
        split::load(&name, folder)
    } else {
        let what = if folder.is_dir() { "has no ratings.csv" } else { "is not a folder" };
        Err(UserError::input(format!("data set {} {what}", folder.display()))
            .hint(
                "give a folder with ratings.csv (userId,movieId,rating,timestamp) and movies.csv \
                 (movieId,title,genres) as MovieLens publishes them, or leave --data out for the embedded set",
            )
            .into())
    }
}
