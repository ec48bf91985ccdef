//! Bytes in, weights out: the two file formats a Llama comes in, behind one interface.

pub mod gguf;
pub mod gguf_writer;
pub mod hugging_face;
pub mod module_file;
pub mod names;
pub mod safetensors;

use std::{fmt, ops::Range, sync::Arc};

use thiserror::Error;

use crate::{lanes::vectorized, quant::Format};

/// One tensor's bytes inside a file that is kept in memory once.
#[derive(Clone)]
pub struct TensorBytes {
    file: Arc<Vec<u8>>,
    range: Range<usize>,
    /// How the numbers are stored.
    pub format: Format,
    /// `[rows, cols]`, row-major; a vector has one row.
    pub shape: [usize; 2],
}

impl fmt::Debug for TensorBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.format, self.shape)
    }
}

impl TensorBytes {
    /// A view of `range` of `file`; the range was checked against the file's length.
    pub(crate) fn new(file: Arc<Vec<u8>>, range: Range<usize>, format: Format, shape: [usize; 2]) -> Self {
        debug_assert!(range.end <= file.len());
        Self { file, range, format, shape }
    }

    /// The stored bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.file[self.range.clone()]
    }

    /// A copy that no longer keeps the whole file alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        let bytes = self.bytes().to_vec();
        let range = 0..bytes.len();
        Self { file: Arc::new(bytes), range, ..*self }
    }

    /// All numbers as f32, row-major; for norms and other small tensors.
    pub fn to_f32(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.shape[0] * self.shape[1]];
        vectorized(
            #[inline(always)]
            || self.format.dequantize(self.bytes(), &mut out),
        );
        out
    }
}

/// A file from which tensors are taken by name.
pub trait TensorSource {
    /// The tensor of this name.
    fn tensor(&self, name: &str) -> Result<TensorBytes, WeightError>;

    /// The tensor of this name, which must have this shape `[rows, cols]`.
    fn shaped(&self, name: &str, shape: [usize; 2]) -> Result<TensorBytes, WeightError> {
        let tensor = self.tensor(name)?;
        if tensor.shape == shape {
            Ok(tensor)
        } else {
            Err(WeightError::Shape { name: name.to_owned(), found: tensor.shape, expected: shape })
        }
    }
}

/// Why weights cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WeightError {
    /// The file is not what it should be, or ends early.
    #[error("{0}")]
    Format(String),
    /// The file ends before what its header promises.
    #[error(
        "file ends early: {what} needs bytes {start}..{end}, the file has {len}; it is truncated, fetch it again"
    )]
    Truncated {
        /// What was being read.
        what: String,
        /// First byte needed.
        start: usize,
        /// One past the last byte needed.
        end: usize,
        /// Bytes there are.
        len: usize,
    },
    /// A tensor is absent.
    #[error("tensor {0} is missing: not a Llama-architecture model")]
    Missing(String),
    /// A tensor has another shape than the configuration says.
    #[error("tensor {name} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// Shape in the file, `[rows, cols]`.
        found: [usize; 2],
        /// Shape by the configuration, `[rows, cols]`.
        expected: [usize; 2],
    },
    /// A metadata entry is absent or of another type.
    #[error("metadata {key} is missing or not {wanted}")]
    Metadata {
        /// Its key.
        key: String,
        /// The type wanted.
        wanted: &'static str,
    },
}
