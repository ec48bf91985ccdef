//! What a stretch of the prompt's text is: the page colours by it, the tests address by it.

use serde::{Deserialize, Serialize};

/// The role of a stretch of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SpanKind {
    /// Section header and instruction.
    Instruction,
    /// Separators and section headers.
    Frame,
    /// History item `n` (0 is the oldest shown), with its number.
    History {
        /// Position in the prompt, from 0.
        n: usize,
    },
    /// Candidate `n` (0 is letter A), with its letter.
    Candidate {
        /// Position in the prompt, from 0.
        n: usize,
    },
    /// The response header: the answer follows its last byte.
    Response,
}

/// Bytes `start..end` of the prompt's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The role.
    #[serde(flatten)]
    pub kind: SpanKind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}
