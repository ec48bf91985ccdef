//! A file of records, seen through the columns that are wanted.

use std::borrow::Cow;

use super::{BadRows, Lines, Source, fields::Fields};
use crate::report::UserError;

/// A quoted field may go on for so many lines; longer ones are a quote that was never closed.
const LONGEST_RECORD: u64 = 100;

/// How long a value may be in a message.
const SHOWN: usize = 60;

/// How a file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// CSV whose first line names the columns; the delimiter (comma, tab, semicolon) is found out.
    Header,
    /// CSV without header: the columns are exactly the wanted ones, in their order.
    Bare,
    /// The same with `::` between fields, UTF-8 or Latin-1.
    Dat,
}

/// Records of which some columns are wanted.
pub struct Table<'a> {
    lines: Lines<'a>,
    name: String,
    layout: Layout,
    delimiter: u8,
    columns: &'a [&'a str],
    /// Place of each wanted column; `None` if an optional one is not there.
    places: Vec<Option<usize>>,
    width: usize,
}

impl<'a> Table<'a> {
    /// Begins a file. Of the wanted `columns` the first `required` must be there.
    ///
    /// # Errors
    /// An empty file, or a header without a required column.
    pub fn open(
        source: &'a mut Source,
        layout: Layout,
        columns: &'a [&'a str],
        required: usize,
    ) -> Result<Self, UserError> {
        let name = source.name().to_owned();
        let delimiter = if layout == Layout::Header { delimiter(source.peek()?) } else { b',' };
        let mut table = Self {
            lines: Lines::new(source)?,
            name,
            layout,
            delimiter,
            columns,
            places: (0..columns.len()).map(Some).collect(),
            width: columns.len(),
        };
        if layout == Layout::Header {
            table.read_header(required)?;
        }
        Ok(table)
    }

    fn read_header(&mut self, required: usize) -> Result<(), UserError> {
        let mut fields = Fields::default();
        self.read_record(&mut fields)?;
        let header: Vec<String> =
            (0..fields.len()).map(|n| String::from_utf8_lossy(fields.get(n)).trim().to_owned()).collect();
        self.places = self.columns.iter().map(|name| header.iter().position(|at| at == name)).collect();
        self.width = header.len();
        if let Some(missing) = self.places[..required].iter().position(Option::is_none) {
            let (shown, missing, header) = (self.lines.shown(), self.columns[missing], header.join(","));
            let wanted = self.columns[..required].join(",");
            return Err(UserError::input(format!("{shown} has no column {missing}; it has: {header}"))
                .hint(format!("the first line must name the columns {wanted}")));
        }
        Ok(())
    }

    /// Whether the n-th wanted column is there.
    pub fn has(&self, column: usize) -> bool {
        self.places[column].is_some()
    }

    /// Gives every row to `take`; what it refuses is a bad row.
    ///
    /// # Errors
    /// More bad rows than allowed, a bad row over several lines (a stray quote may have swallowed good ones), or
    /// no row at all.
    pub fn for_each(
        mut self,
        bad: &mut BadRows,
        mut take: impl FnMut(&Row<'_>) -> Result<(), String>,
    ) -> Result<(), UserError> {
        let mut fields = Fields::default();
        let mut any = false;
        while let Some(record) = self.read_record(&mut fields)? {
            any = true;
            let result = match record.error {
                Some(error) => Err(error.to_owned()),
                None if fields.len() != self.width => Err(self.wrong_width(fields.len())),
                None => take(&Row { fields: &fields, columns: self.columns, places: &self.places }),
            };
            let Err(what) = result else { continue };
            let last = self.lines.number();
            if record.line != last {
                let file = self.lines.shown();
                return Err(UserError::input(format!("{file} lines {} to {last}: {what}", record.line))
                    .hint("is a quote missing? A field that begins with a quote ends at the next one"));
            }
            bad.add(self.lines.shown(), &self.name, record.line, &what)?;
        }
        if !any {
            let what =
                if self.layout == Layout::Header { "has a header line but no rows" } else { "has no rows" };
            return Err(UserError::input(format!("{} {what}", self.lines.shown())));
        }
        Ok(())
    }

    fn wrong_width(&self, found: usize) -> String {
        let expected = self.width;
        match self.layout {
            Layout::Header => format!("{found} columns where the first line has {expected}"),
            Layout::Bare | Layout::Dat => {
                format!("{found} columns where {expected} are expected: {}", self.columns.join(", "))
            }
        }
    }

    /// Reads the next record; blank lines are passed over.
    fn read_record(&mut self, fields: &mut Fields) -> Result<Option<Record>, UserError> {
        fields.clear();
        let mut first = None;
        while let Some(line) = self.lines.next()? {
            if first.is_none() && line.is_empty() {
                continue;
            }
            let whole = match self.layout {
                Layout::Dat => {
                    fields.add_dat(line);
                    Ok(true)
                }
                Layout::Header | Layout::Bare => fields.add_csv(line, self.delimiter),
            };
            let number = self.lines.number();
            let first = *first.get_or_insert(number);
            match whole {
                Ok(true) => return Ok(Some(Record { line: first, error: None })),
                Err(error) => return Ok(Some(Record { line: first, error: Some(error) })),
                Ok(false) if number - first >= LONGEST_RECORD => return Err(self.open_quote(first)),
                Ok(false) => {}
            }
        }
        first.map_or(Ok(None), |first| Err(self.open_quote(first)))
    }

    fn open_quote(&self, line: u64) -> UserError {
        UserError::input(format!("{} line {line}: a quote is opened and not closed", self.lines.shown()))
            .hint("a field that begins with a quote ends at the next one; a quote inside it is doubled")
    }
}

struct Record {
    /// Its first line.
    line: u64,
    error: Option<&'static str>,
}

/// The delimiter that stands most often in the first line.
fn delimiter(start: &[u8]) -> u8 {
    let header = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: u8| header.split(|&byte| byte == delimiter).count();
    // The last of equal counts wins, so a header of one column is CSV.
    [b';', b'\t', b','].into_iter().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',')
}

/// One record, seen through the wanted columns. Its errors name column, value and reason.
pub struct Row<'a> {
    fields: &'a Fields,
    columns: &'a [&'a str],
    places: &'a [Option<usize>],
}

impl Row<'_> {
    /// The text of a wanted column without blanks around it; empty if an optional column is not there.
    pub fn text(&self, column: usize) -> Result<&str, String> {
        let bytes = self.places[column].map_or(&[][..], |place| self.fields.get(place));
        str::from_utf8(bytes).map(str::trim).map_err(|_| {
            let name = self.columns[column];
            format!("{name} is not UTF-8 text (if the file is Latin-1: iconv -f latin1 -t utf-8 FILE > NEW)")
        })
    }

    /// The text of a wanted column as a title: line ends, tabs and the like, which would break prompts and tables, are blanks.
    pub fn title(&self, column: usize) -> Result<Cow<'_, str>, String> {
        let text = self.text(column)?;
        if !text.contains(char::is_control) {
            return Ok(Cow::Borrowed(text));
        }
        Ok(Cow::Owned(text.replace("\r\n", " ").replace(char::is_control, " ").trim().to_owned()))
    }

    /// An id: any text but none.
    pub fn id(&self, column: usize) -> Result<&str, String> {
        let text = self.text(column)?;
        if text.is_empty() {
            return Err(format!("{} is empty", self.columns[column]));
        }
        // Prepared sequences are lines of `user TAB items`.
        if text.contains(['\t', '\n', '\r']) {
            return Err(self.error(column, "holds a tab or a line end"));
        }
        Ok(text)
    }

    /// An id that is a whole number, without leading zeros.
    pub fn number_id(&self, column: usize) -> Result<&str, String> {
        let text = self.text(column)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.error(column, "is not a valid number"));
        }
        let number = text.trim_start_matches('0');
        Ok(if number.is_empty() { "0" } else { number })
    }

    /// Checks that a value is a number; nothing reads it, but what is no rating is no row of ratings.
    pub fn check_number(&self, column: usize) -> Result<(), String> {
        match self.text(column)?.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(()),
            _ => Err(self.error(column, "is not a valid number")),
        }
    }

    /// A time: a whole number, `.0` allowed, as some programs write it.
    pub fn time(&self, column: usize) -> Result<i64, String> {
        let text = self.text(column)?;
        let whole = text
            .split_once('.')
            .map_or(text, |(whole, rest)| if rest.bytes().all(|byte| byte == b'0') { whole } else { text });
        whole.parse().map_err(|_| self.error(column, "is not a whole number"))
    }

    fn error(&self, column: usize, what: &str) -> String {
        let value = self.text(column).unwrap_or_default();
        let cut = if value.chars().count() > SHOWN { "…" } else { "" };
        let value: String = value.chars().take(SHOWN).collect();
        format!("{} \"{value}{cut}\" {what}", self.columns[column])
    }
}

#[cfg(test)]
mod tests;
