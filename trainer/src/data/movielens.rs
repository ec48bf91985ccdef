//! Reads `ratings.csv` and `movies.csv` in the format of MovieLens, line by line.

use std::{fs::File, io::Read, path::Path, str::FromStr};

use csv::StringRecord;

use crate::report::UserError;

/// One rating; every rating, whatever its value, counts as an interaction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rating {
    /// Raw user id.
    pub user: u32,
    /// Raw movie id.
    pub movie: u32,
    /// Stars, 0.5 to 5.
    pub stars: f32,
    /// Seconds since 1970.
    pub timestamp: i64,
}

/// One row of `movies.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movie {
    /// Raw movie id.
    pub id: u32,
    /// Title as in the file, for example `Heat, The (1995)`.
    pub title: String,
    /// Genres, possibly none.
    pub genres: Vec<String>,
}

/// What MovieLens writes in the column `genres` of a movie without genres.
pub(super) const NO_GENRES: &str = "(no genres listed)";

/// Reads a `ratings.csv`.
pub fn read_ratings_file(path: &Path) -> Result<Vec<Rating>, UserError> {
    read_ratings(open(path)?, &path.display().to_string())
}

/// Reads a `movies.csv`.
pub fn read_movies_file(path: &Path) -> Result<Vec<Movie>, UserError> {
    read_movies(open(path)?, &path.display().to_string())
}

/// Reads ratings with the columns `userId,movieId,rating,timestamp`, in any order; `file` is for errors.
pub fn read_ratings(reader: impl Read, file: &str) -> Result<Vec<Rating>, UserError> {
    let columns = ["userId", "movieId", "rating", "timestamp"];
    let mut ratings = Vec::new();
    Table::open(reader, file, columns)?.for_each(|row| {
        let rating = Rating {
            user: row.number(0)?,
            movie: row.number(1)?,
            stars: row.number(2)?,
            timestamp: row.number(3)?,
        };
        if !rating.stars.is_finite() {
            return Err(row.error(2, "is not a number of stars"));
        }
        ratings.push(rating);
        Ok(())
    })?;
    Ok(ratings)
}

/// Reads movies with the columns `movieId,title,genres`, in any order; `file` is for errors.
pub fn read_movies(reader: impl Read, file: &str) -> Result<Vec<Movie>, UserError> {
    let mut movies = Vec::new();
    Table::open(reader, file, ["movieId", "title", "genres"])?.for_each(|row| {
        let genres = match row.text(2) {
            "" | NO_GENRES => Vec::new(),
            genres => genres.split('|').map(str::to_owned).collect(),
        };
        movies.push(Movie { id: row.number(0)?, title: row.text(1).trim().to_owned(), genres });
        Ok(())
    })?;
    Ok(movies)
}

fn open(path: &Path) -> Result<File, UserError> {
    File::open(path).map_err(|error| {
        UserError::input(format!("cannot read {}: {error}", path.display()))
            .hint("a MovieLens folder holds ratings.csv and movies.csv")
    })
}

/// A CSV file of which N named columns are wanted.
struct Table<'a, R, const N: usize> {
    csv: csv::Reader<R>,
    file: &'a str,
    names: [&'static str; N],
    at: [usize; N],
}

impl<'a, R: Read, const N: usize> Table<'a, R, N> {
    fn open(reader: R, file: &'a str, names: [&'static str; N]) -> Result<Self, UserError> {
        let mut csv = csv::Reader::from_reader(reader);
        let header = csv.headers().map_err(|error| unreadable(file, &error))?;
        let mut at = [0; N];
        for (slot, name) in at.iter_mut().zip(names) {
            // Some editors put a byte order mark before the first name.
            *slot = header
                .iter()
                .position(|column| column.trim_start_matches('\u{feff}').trim() == name)
                .ok_or_else(|| {
                    let columns = header.iter().collect::<Vec<_>>().join(",");
                    UserError::input(format!("{file} has no column {name}; it has: {columns}"))
                        .hint(format!("the first line must be {}", names.join(",")))
                })?;
        }
        Ok(Self { csv, file, names, at })
    }

    fn for_each(
        mut self,
        mut take: impl FnMut(Row<'_, N>) -> Result<(), UserError>,
    ) -> Result<(), UserError> {
        let mut record = StringRecord::new();
        while self.csv.read_record(&mut record).map_err(|error| unreadable(self.file, &error))? {
            take(Row { record: &record, file: self.file, names: &self.names, at: &self.at })?;
        }
        Ok(())
    }
}

fn unreadable(file: &str, error: &csv::Error) -> UserError {
    UserError::input(format!("{file} is malformed: {error}"))
        .hint("the file must be UTF-8 text with as many comma-separated fields in each line as in the first")
}

/// One line, seen through the wanted columns.
struct Row<'a, const N: usize> {
    record: &'a StringRecord,
    file: &'a str,
    names: &'a [&'static str; N],
    at: &'a [usize; N],
}

impl<const N: usize> Row<'_, N> {
    fn text(&self, column: usize) -> &str {
        self.record.get(self.at[column]).unwrap_or_default()
    }

    fn number<T: FromStr>(&self, column: usize) -> Result<T, UserError> {
        self.text(column).trim().parse().map_err(|_| self.error(column, "is not a valid number"))
    }

    fn error(&self, column: usize, what: &str) -> UserError {
        let line = self.record.position().map_or(0, csv::Position::line);
        let (name, value) = (self.names[column], self.text(column));
        UserError::input(format!("{} line {line}: {name} \"{value}\" {what}", self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ratings_and_movies() {
        let ratings = "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\r\n7,2,5,-1\n";
        let ratings = read_ratings(ratings.as_bytes(), "ratings.csv").unwrap();
        assert_eq!(ratings[0], Rating { user: 1, movie: 31, stars: 2.5, timestamp: 1_260_759_144 });
        assert_eq!(ratings[1].timestamp, -1);

        let movies = "\u{feff}title,movieId,genres\n\"Heat, The (1995)\",6,Action|Crime\nX (1990),7,(no genres listed)\n";
        let movies = read_movies(movies.as_bytes(), "movies.csv").unwrap();
        assert_eq!(movies[0].title, "Heat, The (1995)");
        assert_eq!(movies[0].genres, ["Action", "Crime"]);
        assert_eq!((movies[1].id, movies[1].genres.len()), (7, 0));
    }

    #[test]
    fn malformed_lines_are_named() {
        let message = |text: &str| read_ratings(text.as_bytes(), "r.csv").unwrap_err().message;
        let header = "userId,movieId,rating,timestamp\n";
        assert_eq!(
            message(&format!("{header}1,2,3,4\n1,x,3,4\n")),
            "r.csv line 3: movieId \"x\" is not a valid number"
        );
        assert_eq!(
            message(&format!("{header}1,2,NaN,4\n")),
            "r.csv line 2: rating \"NaN\" is not a number of stars"
        );
        assert!(message(&format!("{header}1,2,3,4\n1,2,3\n")).contains("line: 3"));
        assert_eq!(
            message("user,movieId,rating,timestamp\n"),
            "r.csv has no column userId; it has: user,movieId,rating,timestamp"
        );
        assert!(message("").contains("has no column userId"));
    }

    #[test]
    fn text_that_is_not_utf8_is_named() {
        let bytes = b"movieId,title,genres\n1,L\xe9on (1994),Action\n";
        let error = read_movies(bytes.as_slice(), "movies.csv").unwrap_err();
        assert!(error.message.contains("line 2") && error.message.contains("UTF-8"), "{error}");
    }
}
