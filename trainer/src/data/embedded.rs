//! The data set inside the program: MovieLens latest-small of 2016, see its `README.txt` for the terms.

use super::{Dataset, movielens, prepare};

/// Name of the embedded data set.
const NAME: &str = "movielens-small-2016";

const RATINGS: &[u8] = include_bytes!("../../../public/data/movielens-small-2016/ratings.csv");
const MOVIES: &[u8] = include_bytes!("../../../public/data/movielens-small-2016/movies.csv");

/// Prepares the embedded data set.
pub fn load() -> anyhow::Result<Dataset> {
    let ratings = movielens::read_ratings(RATINGS, "embedded ratings.csv")?;
    let movies = movielens::read_movies(MOVIES, "embedded movies.csv")?;
    prepare(NAME, ratings, movies)
}
