//! Hugging Face checkpoints: one safetensors file, numbers as f32, f16 or bf16.

use std::{collections::BTreeMap, sync::Arc};

use safetensors::{Dtype, SafeTensors};

use super::{TensorBytes, TensorSource, WeightError};
use crate::quant::Format;

/// A parsed file; bf16 tensors are widened to f32 once, the others stay in place.
pub struct Checkpoint {
    tensors: BTreeMap<String, TensorBytes>,
}

impl Checkpoint {
    /// Parses a whole file.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, WeightError> {
        let file = Arc::new(bytes);
        let parsed = SafeTensors::deserialize(&file)
            .map_err(|error| WeightError::Format(format!("not a readable safetensors file: {error}")))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in parsed.iter() {
            let shape = match *view.shape() {
                [cols] => [1, cols],
                [rows, cols] => [rows, cols],
                ref shape => {
                    return Err(WeightError::Format(format!(
                        "tensor {name} has shape {shape:?}, must be 1 or 2 long"
                    )));
                }
            };
            let data = view.data();
            let tensor = match view.dtype() {
                Dtype::F32 | Dtype::F16 => {
                    let format = if view.dtype() == Dtype::F32 { Format::F32 } else { Format::F16 };
                    // The view borrows from `file`, so its place is the distance of the two starts.
                    let start = data.as_ptr().addr() - file.as_ptr().addr();
                    TensorBytes::new(Arc::clone(&file), start..start + data.len(), format, shape)
                }
                Dtype::BF16 => {
                    let wide: Vec<u8> =
                        data.chunks_exact(2).flat_map(|half| [0, 0, half[0], half[1]]).collect();
                    let range = 0..wide.len();
                    TensorBytes::new(Arc::new(wide), range, Format::F32, shape)
                }
                other => {
                    return Err(WeightError::Format(format!(
                        "tensor {name} has type {other:?}; supported are F32, F16 and BF16"
                    )));
                }
            };
            tensors.insert(name.to_owned(), tensor);
        }
        Ok(Self { tensors })
    }
}

impl TensorSource for Checkpoint {
    fn tensor(&self, name: &str) -> Result<TensorBytes, WeightError> {
        self.tensors.get(name).cloned().ok_or_else(|| WeightError::Missing(name.to_owned()))
    }
}
