//! Where a prepared data set comes from and how it was made: nothing that differs between two equal runs.

use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::manifest::FileEntry;

use super::{Dataset, Stats, pipeline::Dropped};
use crate::fetch::hex;

/// The content of `provenance.json`. It names files without their folders and holds no time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Provenance {
    /// Version of the program.
    pub llamarec: String,
    /// Name of the data set.
    pub name: String,
    /// Format of the input.
    pub format: String,
    /// The files that were read, in their order.
    pub inputs: Vec<FileEntry>,
    /// How the input was made into sequences; missing if it was a finished split, taken as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
    /// What came out.
    pub result: Outcome,
    /// The files of the prepared data set.
    pub files: Vec<FileEntry>,
}

/// Options, rules and what they dropped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preparation {
    /// Every user and every item has so many interactions or more.
    pub k_core: u32,
    /// Names of the columns that were read; only of files that do not have fixed ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// How many bad rows were allowed.
    pub skip_bad_rows: u64,
    /// How many rows could not be read and were skipped.
    pub skipped_rows: u64,
    /// The first of them: file, line, reason.
    pub first_skipped_rows: Vec<String>,
    /// What became of the titles.
    pub titles: String,
    /// The rules in words.
    pub rules: Vec<String>,
    /// What fell out.
    pub dropped: Dropped,
}

/// Size and checksum of the sequences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Number of users.
    pub users: usize,
    /// Number of items.
    pub items: usize,
    /// Number of interactions.
    pub interactions: usize,
    /// SHA-256 of all sequences as lines of item ids, as in the report of a training run.
    pub sequences_sha256: String,
}

impl Outcome {
    /// Counts and hashes a data set.
    pub fn of(data: &Dataset) -> Self {
        let Stats { users, items, interactions, .. } = Stats::of(data);
        Self { users, items, interactions, sequences_sha256: sequences_sha256(data) }
    }
}

fn sequences_sha256(data: &Dataset) -> String {
    let mut hash = Sha256::new();
    let mut line = String::new();
    for sequence in &data.sequences {
        line.clear();
        for (at, item) in sequence.iter().enumerate() {
            if at > 0 {
                line.push(' ');
            }
            line.push_str(&item.0.to_string());
        }
        line.push('\n');
        hash.update(line.as_bytes());
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use shared::catalog::ItemId;

    use super::*;
    use crate::fetch;

    #[test]
    fn the_checksum_is_that_of_the_lines() {
        let sequences = vec![vec![ItemId(1), ItemId(22)], vec![ItemId(3)]];
        let outcome = Outcome::of(&Dataset { sequences, ..Dataset::default() });
        assert_eq!(outcome.sequences_sha256, fetch::sha256(&b"1 22\n3\n"[..], |_| ()).unwrap());
        assert_eq!((outcome.users, outcome.interactions), (2, 3));
    }
}
