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

/// A file of which parts are read: one in memory, or one somewhere else of which never all is.
pub trait File {
    /// Number of bytes.
    fn len(&self) -> usize;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These bytes, which are within the file: some bytes in memory, and where among them they are.
    ///
    /// # Errors
    /// A file that cannot be read.
    fn part(&self, range: Range<usize>) -> Result<(Arc<Vec<u8>>, Range<usize>), WeightError>;
}

impl File for Arc<Vec<u8>> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn part(&self, range: Range<usize>) -> Result<(Arc<Vec<u8>>, Range<usize>), WeightError> {
        Ok((Self::clone(self), range))
    }
}

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

    /// The stored bytes of each row.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        // A file may hold rows of nothing.
        let row = (self.range.len() / self.shape[0].max(1)).max(1);
        self.bytes().chunks_exact(row)
    }

    /// A copy that no longer keeps the whole file alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        if self.range.len() == self.file.len() {
            return self.clone();
        }
        let bytes = self.bytes().to_vec();
        let range = 0..bytes.len();
        Self { file: Arc::new(bytes), range, ..*self }
    }

    /// All numbers as f32, row-major; for norms and other small tensors.
    pub fn to_f32(&self) -> Vec<f32> {
        let [rows, cols] = self.shape;
        let mut out = vec![0.0; rows * cols];
        vectorized(
            #[inline(always)]
            || {
                for (row, out) in self.rows().zip(out.chunks_exact_mut(cols)) {
                    self.format.dequantize(row, 0, out);
                }
            },
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
