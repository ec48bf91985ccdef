//! Rows that cannot be read: an error, or skipped up to a number that the user chose.

use crate::report::UserError;

/// How many skipped rows are remembered word by word.
const SHOWN: usize = 5;

/// Counts the rows that were skipped.
#[derive(Clone, Debug)]
pub struct BadRows {
    allowed: u64,
    skipped: u64,
    first: Vec<String>,
}

impl BadRows {
    /// Tolerates so many bad rows.
    pub fn new(allowed: u64) -> Self {
        Self { allowed, skipped: 0, first: Vec::new() }
    }

    /// One row more that cannot be read; `what` names column, value and reason. The file is `shown` to the user
    /// now and called by its `name` in what is kept.
    ///
    /// # Errors
    /// When as many rows as allowed were skipped before.
    pub fn add(&mut self, shown: &str, name: &str, line: u64, what: &str) -> Result<(), UserError> {
        if self.skipped == self.allowed {
            let message = format!("{shown} line {line}: {what}");
            let message = match self.allowed {
                0 => message,
                allowed => format!("{message}; bad rows skipped before it: {allowed}, as many as allowed"),
            };
            return Err(UserError::input(message).hint(
                "correct the row; `llamarec data prepare` leaves out up to N such rows with --skip-bad-rows N",
            ));
        }
        self.skipped += 1;
        if self.first.len() < SHOWN {
            self.first.push(format!("{name} line {line}: {what}"));
        }
        Ok(())
    }

    /// Number of rows that were skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The first of them: file, line and reason.
    pub fn first(&self) -> &[String] {
        &self.first
    }
}

#[cfg(test)]
mod tests {
    use super::BadRows;

    #[test]
    fn as_many_as_allowed_are_skipped() {
        let mut bad = BadRows::new(7);
        for line in 1..=7 {
            bad.add("raw/r.csv", "r.csv", line, "is odd").unwrap();
        }
        let error = bad.add("raw/r.csv", "r.csv", 9, "time \"x\" is not a whole number").unwrap_err();
        let expected = "raw/r.csv line 9: time \"x\" is not a whole number; bad rows skipped before it: 7, as many as allowed";
        assert_eq!(error.message, expected);
        assert_eq!((bad.skipped(), bad.first().len()), (7, 5));
        assert_eq!(bad.first()[0], "r.csv line 1: is odd");

        let error = BadRows::new(0).add("raw/r.csv", "r.csv", 2, "is odd").unwrap_err();
        assert_eq!(error.message, "raw/r.csv line 2: is odd");
        assert!(error.hint.unwrap().contains("--skip-bad-rows N"));
    }
}
