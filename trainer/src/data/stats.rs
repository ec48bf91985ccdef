//! The figures of a data set, as in the paper's Table 2.

use serde::Serialize;

use super::Dataset;

/// Size and shape of a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// Name of the data set.
    pub name: String,
    /// Number of users.
    pub users: usize,
    /// Number of items.
    pub items: usize,
    /// Number of interactions.
    pub interactions: usize,
    /// Interactions a user.
    pub mean_length: f64,
    /// Interactions divided by users times items.
    pub density: f64,
    /// Length of the shortest sequence.
    pub min_length: usize,
    /// Median length; the mean of the middle two for an even number of users.
    pub median_length: f64,
    /// Length of the longest sequence.
    pub max_length: usize,
}

/// One row of the paper's Table 2.
#[derive(Clone, Copy, Debug)]
pub struct PaperRow {
    /// The paper's name of the data set.
    pub name: &'static str,
    /// Number of users.
    pub users: usize,
    /// Number of items.
    pub items: usize,
    /// Number of interactions as printed; for ML-100k it is the size before the 5-core.
    pub interactions: &'static str,
    /// Mean length as printed.
    pub mean_length: f64,
    /// Density as printed.
    pub density: f64,
}

/// The paper's Table 2. Its `ML-100k` is MovieLens latest-small of 2018.
pub const PAPER_TABLE_2: [PaperRow; 3] = [
    row("ML-100k", 610, 3_650, "100K", 147.99, 4e-2),
    row("Beauty", 22_332, 12_086, "198K", 8.87, 7e-4),
    row("Games", 15_264, 7_676, "148K", 9.69, 1e-3),
];

const fn row(
    name: &'static str,
    users: usize,
    items: usize,
    interactions: &'static str,
    mean_length: f64,
    density: f64,
) -> PaperRow {
    PaperRow { name, users, items, interactions, mean_length, density }
}

impl Stats {
    /// Counts a data set.
    pub fn of(data: &Dataset) -> Self {
        let mut lengths: Vec<usize> = data.sequences.iter().map(Vec::len).collect();
        lengths.sort_unstable();
        let (users, items) = (lengths.len(), data.catalog.len());
        let interactions: usize = lengths.iter().sum();
        let per = |count: usize| {
            if count == 0 { 0.0 } else { interactions as f64 / count as f64 }
        };
        Self {
            name: data.name.clone(),
            users,
            items,
            interactions,
            mean_length: per(users),
            density: per(users * items),
            min_length: lengths.first().copied().unwrap_or(0),
            median_length: median(&lengths),
            max_length: lengths.last().copied().unwrap_or(0),
        }
    }
}

fn median(sorted: &[usize]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[middle] as f64,
        _ => f64::midpoint(sorted[middle - 1] as f64, sorted[middle] as f64),
    }
}

#[cfg(test)]
mod tests {
    use shared::catalog::{Catalog, Item, ItemId};

    use super::*;

    #[test]
    fn counts_by_hand() {
        let item = Item { raw: String::new(), title: "A".into(), genres: Vec::new() };
        let data = Dataset {
            name: "hand".into(),
            catalog: Catalog::new(vec![item; 10]),
            users: vec!["1".into(), "2".into()],
            sequences: vec![vec![ItemId(1); 3], vec![ItemId(2); 6]],
        };
        let stats = Stats::of(&data);
        assert_eq!((stats.users, stats.items, stats.interactions), (2, 10, 9));
        assert_eq!((stats.mean_length, stats.density), (4.5, 0.45));
        assert_eq!((stats.min_length, stats.median_length, stats.max_length), (3, 4.5, 6));
    }

    #[test]
    fn an_empty_set_has_no_division_by_zero() {
        let stats = Stats::of(&Dataset::default());
        assert_eq!((stats.mean_length, stats.density, stats.median_length), (0.0, 0.0, 0.0));
    }
}
