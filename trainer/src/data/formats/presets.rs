//! The paper's three data sets: what their files are called and how large they must come out.

use std::path::Path;

use super::Raw;
use crate::{data::input::find, report::UserError};

/// One of the paper's data sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// The reference's name of it.
    pub name: &'static str,
    /// Users, items and interactions after the 5-core.
    pub size: (usize, usize, usize),
    /// Names of ratings and metadata; MovieLens' own if there are none.
    files: Option<[&'static [&'static str]; 2]>,
}

impl Preset {
    /// `ml-latest-small` of 2018, the paper's ML-100k.
    pub const ML_100K: Self = Self { name: "ml-100k", size: (610, 3_650, 90_274), files: None };
    /// Amazon Beauty, 2014.
    pub const BEAUTY: Self = Self {
        name: "beauty",
        size: (22_332, 12_086, 198_215),
        files: Some([&["ratings_Beauty.csv", "beauty.csv"], &["meta_Beauty.json", "beauty_meta.json"]]),
    };
    /// Amazon Video Games: ratings of 2014, titles of 2018.
    pub const GAMES: Self = Self {
        name: "games",
        size: (15_264, 7_676, 147_861),
        files: Some([
            &["ratings_Video_Games.csv", "games.csv"],
            &["meta_Video_Games.json", "games_meta.json"],
        ]),
    };
}

/// The raw files of a preset in a folder.
///
/// # Errors
/// A folder without them; the hint says what they are called.
pub fn find_preset(preset: Preset, folder: &Path, unescape: bool) -> Result<Raw, UserError> {
    let Some([ratings, metadata]) = preset.files else {
        return find_movielens(folder);
    };
    let file = |names: &[&str]| find(folder, names).ok_or_else(|| missing(folder, names));
    Ok(Raw::Amazon { ratings: file(ratings)?, metadata: file(metadata)?, unescape })
}

/// The files of MovieLens in a folder: csv of 20M and later, dat of 1M and 10M.
///
/// # Errors
/// A folder without them.
pub fn find_movielens(folder: &Path) -> Result<Raw, UserError> {
    for (ratings, movies) in [("ratings.csv", "movies.csv"), ("ratings.dat", "movies.dat")] {
        if let Some(ratings) = find(folder, &[ratings]) {
            let movies = find(folder, &[movies]).ok_or_else(|| missing(folder, &[movies]))?;
            return Ok(Raw::MovieLens { ratings, movies });
        }
    }
    let what = if folder.is_dir() { "has no ratings.csv or ratings.dat" } else { "is not a folder" };
    Err(UserError::input(format!("{} {what}", folder.display()))
        .hint("unpack the archive of GroupLens and give the folder with ratings.csv and movies.csv"))
}

fn missing(folder: &Path, names: &[&str]) -> UserError {
    let names = names.join(" or ");
    let what = if folder.is_dir() { format!("has no {names}") } else { "is not a folder".to_owned() };
    UserError::input(format!("{} {what}", folder.display())).hint(
        "give the folder with the ratings and the titles (both may be compressed, .gz), or a folder that \
         holds the prepared sequences.tsv.gz and items.jsonl.gz",
    )
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    #[test]
    fn files_are_found_by_their_names_compressed_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| -> PathBuf { folder.path().join(name) };
        let error = find_preset(Preset::BEAUTY, folder.path(), false).unwrap_err();
        assert!(error.message.ends_with("has no ratings_Beauty.csv or beauty.csv"), "{error}");
        fs::write(at("beauty.csv"), "").unwrap();
        let error = find_preset(Preset::BEAUTY, folder.path(), false).unwrap_err();
        assert!(error.message.ends_with("has no meta_Beauty.json or beauty_meta.json"), "{error}");
        fs::write(at("meta_Beauty.json.gz"), "").unwrap();
        let expected =
            Raw::Amazon { ratings: at("beauty.csv"), metadata: at("meta_Beauty.json.gz"), unescape: true };
        assert_eq!(find_preset(Preset::BEAUTY, folder.path(), true).unwrap(), expected);

        fs::write(at("ratings.dat"), "").unwrap();
        assert!(find_movielens(folder.path()).unwrap_err().message.ends_with("has no movies.dat"));
        fs::write(at("movies.dat.gz"), "").unwrap();
        let expected = Raw::MovieLens { ratings: at("ratings.dat"), movies: at("movies.dat.gz") };
        assert_eq!(find_preset(Preset::ML_100K, folder.path(), false).unwrap(), expected);
        let error = find_movielens(&at("nowhere")).unwrap_err();
        assert!(error.message.ends_with("is not a folder"), "{error}");
    }
}
