//! One-time import of MovieLens from the Debian package `r-cran-dslabs`: package in, two CSV files out.

mod package;
mod rdata;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, anyhow, ensure};
use serde::Serialize;

use super::formats::movielens::NO_GENRES;
use crate::report::UserError;
use rdata::{Object, Value};

/// What an import wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Rows of `ratings.csv`.
    pub ratings: usize,
    /// Rows of `movies.csv`.
    pub movies: usize,
    /// Movies that were rated but have no title or year, so that they are not in `movies.csv`.
    pub untitled: usize,
}

/// Converts the data frame `movielens` of a `r-cran-dslabs` package to `ratings.csv` and `movies.csv`.
///
/// Ratings keep their order. Title and year, two columns in the package, become `title (year)` again;
/// movies that lack one are left out of `movies.csv`.
///
/// # Errors
/// A file that is not such a package, or a folder that cannot be written.
pub fn import(package: &Path, out: &Path) -> anyhow::Result<Imported> {
    let frame = read_package(package).map_err(|cause| {
        let message = format!("cannot import {}: {cause:#}", package.display());
        UserError::input(message).hint("give the Debian package r-cran-dslabs 0.7.4-1 (a .deb file)")
    })?;
    let (ratings, movies) = tables(&frame)?;
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;

    let mut file = writer(&out.join("ratings.csv"))?;
    file.write_record(["userId", "movieId", "rating", "timestamp"])?;
    for (user, movie, stars, timestamp) in &ratings {
        let stars = format!("{stars:.1}");
        file.write_record([&user.to_string(), &movie.to_string(), &stars, &timestamp.to_string()])?;
    }
    file.flush()?;

    let mut file = writer(&out.join("movies.csv"))?;
    file.write_record(["movieId", "title", "genres"])?;
    let mut titled = 0;
    for (movie, (title, genres)) in &movies {
        if let Some(title) = title {
            file.write_record([&movie.to_string(), title, genres])?;
            titled += 1;
        }
    }
    file.flush()?;
    Ok(Imported { ratings: ratings.len(), movies: titled, untitled: movies.len() - titled })
}

fn writer(path: &Path) -> anyhow::Result<csv::Writer<fs::File>> {
    csv::Writer::from_path(path).with_context(|| format!("cannot write {}", path.display()))
}

/// The data frame `movielens` of a package file.
fn read_package(package: &Path) -> anyhow::Result<Object> {
    let archive = fs::read(package)?;
    let files = package::files(&archive, &["data/Rdata.rdx", "data/Rdata.rdb"])?;
    let [index, database] = &files[..] else { unreachable!("two files were asked for") };
    let index = rdata::read(&package::gunzip(index)?).context("Rdata.rdx")?;
    // The index is list(variables = list(name = c(offset, length), ..), ..).
    let place = index
        .field("variables")
        .and_then(|variables| variables.field("movielens"))
        .ok_or_else(|| anyhow!("it holds no data set movielens"))?;
    let Value::Int(place) = &place.value else {
        return Err(anyhow!("Rdata.rdx has an unknown layout"));
    };
    let &[offset, length] = &place[..] else {
        return Err(anyhow!("Rdata.rdx has an unknown layout"));
    };
    let chunk = usize::try_from(offset)
        .ok()
        .zip(usize::try_from(length).ok())
        .and_then(|(offset, length)| database.get(offset..)?.get(..length))
        .ok_or_else(|| anyhow!("Rdata.rdb is shorter than its index says"))?;
    rdata::read(&package::inflate_chunk(chunk)?).context("movielens in Rdata.rdb")
}

/// User, movie, stars, timestamp.
type RatingRow = (i32, i32, f64, i32);
/// Title (if known) and genres by movie.
type Movies = BTreeMap<i32, (Option<String>, String)>;

fn tables(frame: &Object) -> anyhow::Result<(Vec<RatingRow>, Movies)> {
    let users = ints(frame, "userId")?;
    let ids = ints(frame, "movieId")?;
    let years = ints(frame, "year")?;
    let times = ints(frame, "timestamp")?;
    let stars = reals(frame, "rating")?;
    let titles = texts(column(frame, "title")?).ok_or_else(|| anyhow!("title is no text"))?;
    let genres = column(frame, "genres")?;
    let genre_codes = ints(frame, "genres")?;
    let levels = genres.attribute("levels").and_then(texts).ok_or_else(|| anyhow!("genres is no factor"))?;
    let rows = users.len();
    let lengths = [ids.len(), years.len(), times.len(), stars.len(), titles.len(), genre_codes.len()];
    ensure!(lengths == [rows; 6], "the columns of movielens differ in length: {rows}, {lengths:?}");

    let mut ratings = Vec::with_capacity(rows);
    let mut movies = Movies::new();
    for row in 0..rows {
        ratings.push((users[row], ids[row], stars[row], times[row]));
        movies.entry(ids[row]).or_insert_with(|| {
            let title = titles[row].as_deref().map(str::trim).filter(|title| !title.is_empty());
            let title = title.filter(|_| years[row] != rdata::NA_INT);
            // A factor's codes count its levels from 1.
            let genres = usize::try_from(genre_codes[row])
                .ok()
                .and_then(|code| levels.get(code.checked_sub(1)?)?.clone())
                .unwrap_or_else(|| NO_GENRES.to_owned());
            (title.map(|title| format!("{title} ({})", years[row])), genres)
        });
    }
    Ok((ratings, movies))
}

fn column<'a>(frame: &'a Object, name: &str) -> anyhow::Result<&'a Object> {
    frame.field(name).ok_or_else(|| anyhow!("movielens has no column {name}"))
}

fn ints<'a>(frame: &'a Object, name: &str) -> anyhow::Result<&'a [i32]> {
    match &column(frame, name)?.value {
        Value::Int(values) => Ok(values),
        _ => Err(anyhow!("column {name} of movielens is not of whole numbers")),
    }
}

fn reals<'a>(frame: &'a Object, name: &str) -> anyhow::Result<&'a [f64]> {
    match &column(frame, name)?.value {
        Value::Real(values) => Ok(values),
        _ => Err(anyhow!("column {name} of movielens is not of numbers")),
    }
}

fn texts(object: &Object) -> Option<&[Option<String>]> {
    match &object.value {
        Value::Text(values) => Some(values),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(years: Vec<i32>) -> Object {
        let plain = |value| Object { value, attributes: Vec::new() };
        let text = |values: &[&str]| Value::Text(values.iter().map(|v| Some((*v).to_owned())).collect());
        let genres = Object {
            value: Value::Int(vec![2, 1]),
            attributes: vec![("levels".into(), plain(text(&["Comedy", "Crime|Drama"])))],
        };
        let names = ["movieId", "title", "year", "genres", "userId", "rating", "timestamp"];
        Object {
            value: Value::List(vec![
                plain(Value::Int(vec![6, 3])),
                plain(text(&["Heat ", "Up"])),
                plain(Value::Int(years)),
                genres,
                plain(Value::Int(vec![1, 1])),
                plain(Value::Real(vec![4.5, 3.0])),
                plain(Value::Int(vec![100, 200])),
            ]),
            attributes: vec![("names".into(), plain(text(&names)))],
        }
    }

    #[test]
    fn title_year_and_genres_are_put_together() {
        let (ratings, movies) = tables(&frame(vec![1995, rdata::NA_INT])).unwrap();
        assert_eq!(ratings, [(1, 6, 4.5, 100), (1, 3, 3.0, 200)]);
        assert_eq!(movies[&6], (Some("Heat (1995)".into()), "Crime|Drama".into()));
        assert_eq!(movies[&3], (None, "Comedy".into()));
    }

    #[test]
    fn columns_of_unequal_length_are_refused() {
        let error = tables(&frame(vec![1995])).unwrap_err();
        assert!(error.to_string().contains("differ in length"), "{error}");
    }

    #[test]
    fn other_files_are_refused_with_a_hint() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.deb");
        fs::write(&file, "not an archive").unwrap();
        let error = import(&file, folder.path()).unwrap_err();
        assert!(error.downcast_ref::<UserError>().unwrap().hint.is_some());
        assert!(!folder.path().join("ratings.csv").exists());
    }
}
