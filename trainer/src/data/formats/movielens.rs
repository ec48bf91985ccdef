//! MovieLens of any size: `ratings.csv` and `movies.csv`, or `ratings.dat` and `movies.dat` (1M, 10M).

use std::path::Path;

use crate::{
    data::{
        input::{BadRows, Layout, Source, Table},
        raw::RawData,
        titles::clean_title,
    },
    report::UserError,
};

/// What MovieLens writes in the column `genres` of a movie without genres.
pub const NO_GENRES: &str = "(no genres listed)";

/// `.dat` files have another layout than `.csv` files.
fn layout(file: &Source) -> Layout {
    let name = file.name().to_ascii_lowercase();
    let extension = Path::new(name.trim_end_matches(".gz")).extension();
    if extension.is_some_and(|extension| extension == "dat") { Layout::Dat } else { Layout::Header }
}

/// Reads ratings. Every rating, whatever its value, counts as an interaction.
pub fn read_ratings(file: &mut Source, bad: &mut BadRows, raw: &mut RawData) -> Result<(), UserError> {
    let layout = layout(file);
    let columns = ["userId", "movieId", "rating", "timestamp"];
    Table::open(file, layout, &columns, 4)?.for_each(bad, |row| {
        row.check_number(2)?;
        raw.add(row.number_id(0)?, row.number_id(1)?, row.time(3)?);
        Ok(())
    })
}

/// Reads titles and genres of the movies that were rated.
pub fn read_movies(file: &mut Source, bad: &mut BadRows, raw: &mut RawData) -> Result<(), UserError> {
    let layout = layout(file);
    Table::open(file, layout, &["movieId", "title", "genres"], 3)?.for_each(bad, |row| {
        let genres = match row.text(2)? {
            NO_GENRES => "",
            genres => genres,
        };
        let genres = genres.split('|').filter(|genre| !genre.is_empty());
        raw.add_title(row.number_id(0)?, &clean_title(&row.title(1)?), genres);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ratings: (&str, &'static [u8]), movies: (&str, &'static [u8])) -> Result<RawData, UserError> {
        let (mut raw, mut bad) = (RawData::default(), BadRows::new(0));
        read_ratings(&mut Source::memory(ratings.0, ratings.1), &mut bad, &mut raw)?;
        read_movies(&mut Source::memory(movies.0, movies.1), &mut bad, &mut raw)?;
        Ok(raw)
    }

    const RATINGS: &[u8] = b"userId,movieId,rating,timestamp\n1,31,2.5,1260759144\r\n7,2,5,-1\n";

    #[test]
    fn reads_ratings_and_movies() {
        let movies = "\u{feff}title,movieId,genres\n\"Heat, The (1995)\",31,Action|Crime\nX (1990),2,(no genres listed)\n";
        let raw = read(("ratings.csv", RATINGS), ("movies.csv", movies.as_bytes())).unwrap();
        let times: Vec<_> = raw.rows.iter().map(|row| (row.user, row.item, row.time)).collect();
        assert_eq!(times, [(0, 0, 1_260_759_144), (1, 1, -1)]);
        let titles: Vec<_> = raw.titles.iter().flatten().collect();
        assert_eq!((titles[0].text.as_str(), titles[1].text.as_str()), ("The Heat (1995)", "X (1990)"));
        assert_eq!(titles[0].genres, ["Action", "Crime"]);
        assert!(titles[1].genres.is_empty());
    }

    #[test]
    fn the_older_layout_gives_the_same() {
        let movies = "movieId,title,genres\n31,Léon (1994),Action|Crime\n2,X (1990),\n";
        let csv = read(("ratings.csv", RATINGS), ("movies.csv", movies.as_bytes())).unwrap();
        let ratings = b"1::31::2.5::1260759144\n7::2::5::-1\n";
        let movies = b"31::L\xe9on (1994)::Action|Crime\n2::X (1990)::\n99::Unseen (1999)::Drama\n";
        let dat = read(("ratings.dat", ratings), ("MOVIES.DAT", movies)).unwrap();
        assert_eq!((dat.rows, dat.titles), (csv.rows, csv.titles));
    }

    #[test]
    fn malformed_rows_are_named() {
        let message = |text: &'static str| {
            let (mut raw, mut bad) = (RawData::default(), BadRows::new(0));
            let mut file = Source::memory("r.csv", text.as_bytes());
            read_ratings(&mut file, &mut bad, &mut raw).unwrap_err().message
        };
        for (text, expected) in [
            (
                "userId,movieId,rating,timestamp\n1,2,3,4\n1,x,3,4\n",
                "r.csv line 3: movieId \"x\" is not a valid number",
            ),
            (
                "userId,movieId,rating,timestamp\n1,2,NaN,4\n",
                "r.csv line 2: rating \"NaN\" is not a valid number",
            ),
            (
                "user,movieId,rating,timestamp\n",
                "r.csv has no column userId; it has: user,movieId,rating,timestamp",
            ),
        ] {
            assert_eq!(message(text), expected);
        }
    }
}
