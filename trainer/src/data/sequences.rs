//! Ratings to sequences: titles, 5-core, chronological order, dense ids, leave-last-two-out split.

use std::collections::{BTreeMap, BTreeSet};

use shared::catalog::{Catalog, Item, ItemId};

use super::{Dataset, Movie, Rating, k_core, titles::clean_title};
use crate::report::UserError;

/// Every user and every item has this many interactions or more (paper section 4.0.1).
pub const MIN_INTERACTIONS: usize = 5;

/// Prepares ratings as the paper does.
///
/// Items without title fall out first, then the 5-core is taken. Users and items are numbered by ascending
/// raw id, items from 1. A user's items are ordered by time, ties by raw movie id: with this rule every test
/// item of the paper's MovieLens split is the reference's (which breaks ties by a hash order).
///
/// # Errors
/// A movie id that occurs twice, or nothing left after the 5-core.
pub fn prepare(name: &str, ratings: Vec<Rating>, movies: Vec<Movie>) -> anyhow::Result<Dataset> {
    let mut titled = BTreeMap::new();
    for movie in movies.into_iter().filter(|movie| !movie.title.is_empty()) {
        if let Some(twice) = titled.insert(movie.id, movie) {
            let message = format!("movieId {} occurs twice in the movies of {name}", twice.id);
            return Err(UserError::input(message).into());
        }
    }
    let rated = ratings.len();
    let mut kept: Vec<Rating> = ratings;
    kept.retain(|rating| titled.contains_key(&rating.movie));
    let mut kept = k_core(kept, MIN_INTERACTIONS, |rating| (rating.user, rating.movie));
    if kept.is_empty() {
        let message = format!(
            "none of the {rated} ratings of {name} is left when users and items with fewer than \
             {MIN_INTERACTIONS} ratings are dropped"
        );
        return Err(UserError::input(message).hint("use a larger data set").into());
    }

    let items: BTreeSet<u32> = kept.iter().map(|rating| rating.movie).collect();
    let dense: BTreeMap<u32, ItemId> =
        items.iter().enumerate().map(|(row, &raw)| (raw, ItemId(row as u32 + 1))).collect();
    let catalog = Catalog::new(items.iter().filter_map(|raw| titled.remove(raw)).map(item).collect());

    kept.sort_by_key(|rating| (rating.user, rating.timestamp, rating.movie));
    let (users, sequences) = kept
        .chunk_by(|left, right| left.user == right.user)
        .map(|rows| {
            let sequence: Vec<ItemId> = rows.iter().map(|rating| dense[&rating.movie]).collect();
            (rows[0].user.to_string(), sequence)
        })
        .unzip();
    Ok(Dataset { name: name.to_owned(), catalog, users, sequences })
}

fn item(movie: Movie) -> Item {
    Item { raw: movie.id.to_string(), title: clean_title(&movie.title), genres: movie.genres }
}

/// Leave-last-two-out (paper section 4.0.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// Everything but the last two items.
    pub train: &'a [ItemId],
    /// The second to last item, the label of validation.
    pub valid: ItemId,
    /// The last item, the label of the test.
    pub test: ItemId,
    sequence: &'a [ItemId],
}

impl<'a> Split<'a> {
    /// Splits a sequence; `None` if it has fewer than three items.
    pub fn of(sequence: &'a [ItemId]) -> Option<Self> {
        match sequence {
            [train @ .., valid, test] if !train.is_empty() => {
                Some(Self { train, valid: *valid, test: *test, sequence })
            }
            _ => None,
        }
    }

    /// The history before the test item: training items and the validation item.
    pub fn before_test(&self) -> &'a [ItemId] {
        &self.sequence[..self.sequence.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn movie(id: u32, title: &str) -> Movie {
        Movie { id, title: title.to_owned(), genres: Vec::new() }
    }

    /// Five users who all rated the movies 10, 20, .. 50, each second one at the same time.
    fn ratings() -> Vec<Rating> {
        let rating = |user, movie| Rating { user, movie, stars: 3.0, timestamp: i64::from(movie / 20) };
        (1..=5).flat_map(|user| [50, 40, 10, 30, 20].map(|movie| rating(user, movie))).collect()
    }

    #[test]
    fn order_is_time_then_raw_id_and_ids_are_dense() {
        let movies = [50, 40, 30, 20, 10].map(|id| movie(id, &format!("Film {id}, The (1990)")));
        let data = prepare("five", ratings(), movies.to_vec()).unwrap();
        assert_eq!(data.users, ["1", "2", "3", "4", "5"]);
        assert_eq!(data.sequences[0], [1, 2, 3, 4, 5].map(ItemId));
        assert_eq!(data.catalog.title(ItemId(5)), "The Film 50 (1990)");
        assert_eq!(data.catalog.get(ItemId(1)).unwrap().raw, "10");

        let split = data.split(2);
        assert_eq!(split.train, [1, 2, 3].map(ItemId));
        assert_eq!((split.valid, split.test), (ItemId(4), ItemId(5)));
        assert_eq!(split.before_test(), [1, 2, 3, 4].map(ItemId));
        assert_eq!(data.user("3"), Some(2));
    }

    #[test]
    fn items_without_title_fall_out_before_the_core() {
        let movies = vec![movie(10, "A (1990)"), movie(20, ""), movie(30, "C (1990)")];
        let error = prepare("few", ratings(), movies).unwrap_err();
        assert!(error.to_string().starts_with("none of the 25 ratings of few is left"), "{error}");
    }

    #[test]
    fn a_movie_listed_twice_is_an_error() {
        let error = prepare("x", ratings(), vec![movie(1, "A"), movie(1, "B")]).unwrap_err();
        assert_eq!(error.to_string(), "movieId 1 occurs twice in the movies of x");
    }

    #[test]
    fn short_sequences_have_no_split() {
        assert!(Split::of(&[ItemId(1), ItemId(2)]).is_none());
        assert!(Split::of(&[]).is_none());
    }
}
