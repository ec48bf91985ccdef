//! The data set inside the program: MovieLens latest-small of 2016, see its `README.txt` for the terms.

use super::{
    Dataset, MIN_INTERACTIONS,
    formats::movielens,
    input::{BadRows, Source},
    pipeline,
    raw::RawData,
};
use crate::report::UserError;

/// Name of the embedded data set.
const NAME: &str = "movielens-small-2016";

const RATINGS: &[u8] = include_bytes!("../../../public/data/movielens-small-2016/ratings.csv");
const MOVIES: &[u8] = include_bytes!("../../../public/data/movielens-small-2016/movies.csv");

/// Prepares the embedded data set.
pub fn load() -> Result<Dataset, UserError> {
    let (mut raw, mut bad) = (RawData::default(), BadRows::new(0));
    movielens::read_ratings(&mut Source::memory("embedded ratings.csv", RATINGS), &mut bad, &mut raw)?;
    movielens::read_movies(&mut Source::memory("embedded movies.csv", MOVIES), &mut bad, &mut raw)?;
    Ok(pipeline::sequences(NAME, raw, MIN_INTERACTIONS)?.0)
}
