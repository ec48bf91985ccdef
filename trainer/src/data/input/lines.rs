//! The lines of a file, with their numbers.

use super::Source;
use crate::report::UserError;

/// Longest line in bytes: a file without line ends must not fill the memory.
const LONGEST: usize = 1 << 26;

/// Rows between two updates of the progress bar.
const PROGRESS_EVERY: u64 = 1 << 17;

/// Reads one line at a time.
pub struct Lines<'a> {
    source: &'a mut Source,
    line: Vec<u8>,
    number: u64,
}

impl<'a> Lines<'a> {
    /// The lines of a file from its beginning.
    ///
    /// # Errors
    /// An empty file.
    pub fn new(source: &'a mut Source) -> Result<Self, UserError> {
        if source.peek()?.is_empty() {
            return Err(UserError::input(format!("{} is empty", source.shown())));
        }
        Ok(Self { source, line: Vec::new(), number: 0 })
    }

    /// The next line without its line end; `None` after the last one.
    pub fn next(&mut self) -> Result<Option<&[u8]>, UserError> {
        self.line.clear();
        let length = self.source.read_line(&mut self.line, LONGEST as u64)?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        if length == LONGEST && self.line.last() != Some(&b'\n') {
            let message =
                format!("{} line {} is longer than {} MiB", self.source.shown(), self.number, LONGEST >> 20);
            return Err(UserError::input(message).hint("is it a text file?"));
        }
        if self.number.is_multiple_of(PROGRESS_EVERY) {
            self.source.progress(self.number);
        }
        let mut line = self.line.as_slice();
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        // Some editors put a byte order mark before the first character.
        if self.number == 1 {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        Ok(Some(line))
    }

    /// Number of the last line that was read, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What messages call the file.
    pub fn shown(&self) -> &str {
        self.source.shown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_and_marks_are_taken_off() {
        let mut source = Source::memory("x", b"\xef\xbb\xbfone\r\n\ntwo\nlast");
        let mut lines = Lines::new(&mut source).unwrap();
        for (number, expected) in [(1, &b"one"[..]), (2, b""), (3, b"two"), (4, b"last")] {
            assert_eq!(lines.next().unwrap(), Some(expected));
            assert_eq!(lines.number(), number);
        }
        assert_eq!(lines.next().unwrap(), None);
        let error = Lines::new(&mut Source::memory("x.csv", b"")).err().unwrap();
        assert_eq!(error.message, "x.csv is empty");
    }
}
