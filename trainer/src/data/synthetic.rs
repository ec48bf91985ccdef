//! Made-up ratings in the format of MovieLens, to try large sizes without large data.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::Path,
};

use anyhow::Context;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::report::{Printer, UserError};

/// Fewest and mean number of ratings of a user, about those of MovieLens 32M.
const FEWEST: usize = 20;
const MEAN: f64 = 160.0;

/// Writes `ratings.csv` with exactly `rows` ratings and its `movies.csv`. The same seed gives the same files.
///
/// Popularity falls as a power of the rank, the length of histories exponentially; nobody rates a movie twice.
///
/// # Errors
/// Files that are there already, or a folder that cannot be written.
pub fn synthetic(folder: &Path, rows: u64, seed: u64, printer: &Printer) -> anyhow::Result<()> {
    for name in ["ratings.csv", "movies.csv"] {
        let path = folder.join(name);
        if path.exists() {
            let message = format!("{} is there already", path.display());
            return Err(UserError::usage(message).hint("choose another --out").into());
        }
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let movies = usize::try_from(rows / 350)?.clamp(100, 90_000);
    let bar = printer.steps_bar(rows, "ratings.csv");
    write(&folder.join("ratings.csv"), |file| {
        write_ratings(file, rows, movies, seed, |done| bar.set_position(done))
    })?;
    bar.finish_and_clear();
    // Last, for it is quick: whoever is interrupted before can begin again in the same folder.
    write(&folder.join("movies.csv"), |file| write_movies(file, movies))
}

/// Writes a file that is whole under its final name.
fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<fs::File>) -> io::Result<()>,
) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let partial = path.with_added_extension("partial");
        let mut file = BufWriter::with_capacity(1 << 18, fs::File::create(&partial)?);
        content(&mut file)?;
        file.flush()?;
        fs::rename(&partial, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn write_movies(file: &mut impl Write, movies: usize) -> io::Result<()> {
    writeln!(file, "movieId,title,genres")?;
    for id in 1..=movies {
        let genre = ["Drama", "Comedy", "Action|Crime", "(no genres listed)"][id % 4];
        writeln!(file, "{id},\"Film {id}, The ({})\",{genre}", 1920 + id % 100)?;
    }
    Ok(())
}

fn write_ratings(
    file: &mut impl Write,
    rows: u64,
    movies: usize,
    seed: u64,
    mut progress: impl FnMut(u64),
) -> io::Result<()> {
    writeln!(file, "userId,movieId,rating,timestamp")?;
    let popularity = Popularity::new(movies);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut rated = vec![0_u64; movies];
    let (mut user, mut left) = (0, rows);
    let mut history = Vec::new();
    while left > 0 {
        user += 1;
        let length = FEWEST + ((MEAN - FEWEST as f64) * -(1.0 - uniform(&mut random)).ln()) as usize;
        let length = length.min(movies / 4).min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut time = 800_000_000 + random.next_u32() % 900_000_000;
        history.clear();
        while history.len() < length {
            let movie = popularity.draw(uniform(&mut random));
            if rated[movie] != user {
                rated[movie] = user;
                time += random.next_u32() % 60;
                history.push((movie + 1, time));
            }
        }
        // MovieLens lists a user's ratings by movie.
        history.sort_unstable();
        for (movie, time) in &history {
            let half_stars = 1 + random.next_u32() % 10;
            writeln!(file, "{user},{movie},{}.{},{time}", half_stars / 2, half_stars % 2 * 5)?;
        }
        left -= length as u64;
        progress(rows - left);
    }
    Ok(())
}

/// A number from 0 to 1, 1 excluded.
fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Draws items by a power law of their rank.
struct Popularity {
    sums: Vec<f64>,
}

impl Popularity {
    fn new(items: usize) -> Self {
        let mut sum = 0.0;
        let sums = (0..items)
            .map(|rank| {
                sum += 1.0 / (rank as f64 + 20.0);
                sum
            })
            .collect();
        Self { sums }
    }

    fn draw(&self, uniform: f64) -> usize {
        let last = self.sums.len() - 1;
        let at = uniform * self.sums[last];
        self.sums.partition_point(|&sum| sum <= at).min(last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn ratings(seed: u64) -> String {
        let mut text = Vec::new();
        write_ratings(&mut text, 5_000, 100, seed, |_| ()).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn rows_are_counted_seeded_and_without_repeats() {
        let text = ratings(1);
        assert_eq!(text, ratings(1));
        assert_ne!(text, ratings(2));
        let pairs: HashSet<&str> =
            text.lines().skip(1).map(|line| line.rsplitn(3, ',').nth(2).unwrap()).collect();
        assert_eq!(pairs.len(), 5_000);
        let of = |movie: &str| pairs.iter().filter(|pair| pair.ends_with(&format!(",{movie}"))).count();
        assert!(of("1") > of("90"), "the first movie is the most popular one");
    }
}
