//! Any CSV file of interactions: a column each for user, item, time and, if it is there, title.

use std::iter;

use super::Titles;
use crate::{
    data::{
        input::{BadRows, Layout, Source, Table},
        raw::RawData,
    },
    report::UserError,
};

/// Names of the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Of the user's id.
    pub user: String,
    /// Of the item's id.
    pub item: String,
    /// Of the time, a whole number.
    pub time: String,
    /// Of the item's title.
    pub title: String,
}

/// Reads the interactions and, if they are beside them, the titles.
pub fn read(
    file: &mut Source,
    columns: &Columns,
    titles: &Titles,
    bad: &mut BadRows,
    raw: &mut RawData,
) -> Result<(), UserError> {
    let names = [&*columns.user, &*columns.item, &*columns.time, &*columns.title];
    let shown = file.shown().to_owned();
    let table = Table::open(file, Layout::Header, &names, 3).map_err(name_the_options)?;
    if *titles == Titles::Column && !table.has(3) {
        return Err(UserError::input(format!("{shown} has no column {}", columns.title)).hint(
            "name the column with --title-column, give a file of items and titles with --titles, or let the \
             ids stand for titles with --titles-from-ids",
        ));
    }
    let with_title = *titles == Titles::Column;
    table.for_each(bad, |row| {
        let (user, item, time) = (row.id(0)?, row.id(1)?, row.time(2)?);
        let title = if with_title { row.title(3)? } else { "".into() };
        raw.add(user, item, time);
        raw.add_title(item, &title, iter::empty());
        Ok(())
    })
}

/// Reads titles from a file of their own.
pub fn read_titles(
    file: &mut Source,
    columns: &Columns,
    bad: &mut BadRows,
    raw: &mut RawData,
) -> Result<(), UserError> {
    let names = [&*columns.item, &*columns.title];
    let table = Table::open(file, Layout::Header, &names, 2).map_err(name_the_options)?;
    table.for_each(bad, |row| {
        raw.add_title(row.id(0)?, &row.title(1)?, iter::empty());
        Ok(())
    })
}

/// The remedy for a missing column.
fn name_the_options(error: UserError) -> UserError {
    if error.hint.is_none() {
        return error;
    }
    error.hint("name other columns with --user-column, --item-column, --time-column and --title-column")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        let [user, item, time, title] = ["user", "item", "time", "title"].map(str::to_owned);
        Columns { user, item, time, title }
    }

    #[test]
    fn titles_stand_beside_or_in_their_own_file() {
        let (mut raw, mut bad) = (RawData::default(), BadRows::new(0));
        let mut file = Source::memory("x.csv", b"user,item,time,title\na,x,1,\"X, again\"\na,y,2,\n");
        read(&mut file, &columns(), &Titles::Column, &mut bad, &mut raw).unwrap();
        assert_eq!(raw.rows.len(), 2);
        assert_eq!(raw.titles.len(), 1);
        assert_eq!(raw.titles[0].as_ref().unwrap().text, "X, again");

        let mut raw = RawData::default();
        let mut file = Source::memory("x.csv", b"user\titem\ttime\na\tx\t1\n");
        read(&mut file, &columns(), &Titles::Ids, &mut bad, &mut raw).unwrap();
        let mut file = Source::memory("t.csv", b"item,title\nx,X\nz,Z\n");
        read_titles(&mut file, &columns(), &mut bad, &mut raw).unwrap();
        assert_eq!(raw.titles[0].as_ref().unwrap().text, "X");
    }

    #[test]
    fn a_missing_column_is_named_with_the_option() {
        let (mut raw, mut bad) = (RawData::default(), BadRows::new(0));
        let mut file = Source::memory("x.csv", b"user,item,time\na,x,1\n");
        let error = read(&mut file, &columns(), &Titles::Column, &mut bad, &mut raw).unwrap_err();
        assert_eq!(error.message, "x.csv has no column title");
        assert!(error.hint.unwrap().contains("--titles-from-ids"));
        let mut file = Source::memory("x.csv", b"uid,item,time\na,x,1\n");
        let error = read(&mut file, &columns(), &Titles::Column, &mut bad, &mut raw).unwrap_err();
        assert_eq!(error.message, "x.csv has no column user; it has: uid,item,time");
        assert!(error.hint.unwrap().contains("--user-column"));
    }
}
