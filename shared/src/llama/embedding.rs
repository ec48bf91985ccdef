//! The token embedding, and the head that is tied to it: a table that stays quantized in host memory.
//!
//! A prompt reads a few hundred of its rows and the verbalizer twenty, so the table (30 MB for
//! SmolLM2-135M) never goes to a GPU: rows are expanded one at a time.

#![allow(unsafe_code, reason = "threads write to parts of one array")]

use burn::tensor::{Device, Tensor, TensorData};
use tracing::trace_span;

use crate::{
    lanes::{dot, vectorized},
    matmul::{Target, each},
    weights::TensorBytes,
};

/// Logits of a thread at a time.
const AT_A_TIME: usize = 512;

/// A `[n_vocab, d_model]` table.
#[derive(Clone)]
pub struct Embedding {
    table: TensorBytes,
    row_bytes: usize,
}

impl Embedding {
    /// Wraps the stored table.
    pub fn new(table: TensorBytes) -> Self {
        let row_bytes = table.bytes().len() / table.shape[0].max(1);
        Self { table, row_bytes }
    }

    /// Number of rows.
    pub fn n_vocab(&self) -> usize {
        self.table.shape[0]
    }

    /// The rows of these tokens, `[tokens, d_model]`.
    ///
    /// # Panics
    /// Panics if an id is outside the vocabulary.
    pub fn lookup(&self, ids: &[u32], device: &Device) -> Tensor<2> {
        let _part = trace_span!("embedding").entered();
        let d_model = self.table.shape[1];
        let mut rows = vec![0.0; ids.len() * d_model];
        for (&id, row) in ids.iter().zip(rows.chunks_exact_mut(d_model)) {
            self.row(id, row);
        }
        Tensor::from_data(TensorData::new(rows, [ids.len(), d_model]), device)
    }

    /// Logits of these tokens for a final hidden state `[d_model]`.
    pub fn logits(&self, hidden: &[f32], ids: impl IntoIterator<Item = u32>) -> Vec<f32> {
        let _part = trace_span!("head").entered();
        let ids: Vec<u32> = ids.into_iter().collect();
        let mut logits = vec![0.0; ids.len()];
        let target = Target::new(logits.as_mut_ptr(), 0);
        let work = |row: &mut Vec<f32>, n: usize| {
            let first = n * AT_A_TIME;
            let ids = &ids[first..ids.len().min(first + AT_A_TIME)];
            // SAFETY: logits that no other work has.
            let logits = unsafe { target.from(first).slice(ids.len()) };
            vectorized(
                #[inline(always)]
                || {
                    for (&id, logit) in ids.iter().zip(logits) {
                        self.row(id, row);
                        *logit = dot(row, hidden);
                    }
                },
            );
        };
        each(ids.len().div_ceil(AT_A_TIME), || vec![0.0; self.table.shape[1]], work);
        logits
    }

    #[inline(always)]
    fn row(&self, id: u32, out: &mut [f32]) {
        let start = id as usize * self.row_bytes;
        let bytes = &self.table.bytes()[start..start + self.row_bytes];
        self.table.format.dequantize(bytes, 0, out);
    }
}
