//! The head of a GGUF file; the tensors' bytes follow it, one behind the other, each filled up with
//! [`padding`].

use super::{
    WeightError,
    gguf::{DEFAULT_ALIGNMENT, Value},
};
use crate::quant::Format;

/// What is said of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// `[rows, cols]`; a vector has one row.
    pub shape: [usize; 2],
    /// How its numbers are stored.
    pub format: Format,
}

impl Entry {
    /// Bytes of the tensor.
    ///
    /// # Errors
    /// Rows that are not whole blocks.
    pub fn bytes(&self) -> Result<usize, WeightError> {
        let Self { name, shape, format } = self;
        format
            .bytes(shape[0], shape[1])
            .ok_or_else(|| WeightError::Format(format!("tensor {name}: {shape:?} does not fit {format:?}")))
    }
}

/// Bytes to write behind so many, so that the next tensor may begin.
pub fn padding(bytes: usize) -> usize {
    bytes.next_multiple_of(DEFAULT_ALIGNMENT) - bytes
}

/// Everything that comes before the first tensor's bytes.
///
/// # Errors
/// A tensor whose rows are not whole blocks, a number too large, an array of unlike things.
pub fn header(metadata: &[(&str, Value)], tensors: &[Entry]) -> Result<Vec<u8>, WeightError> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(&mut out, key);
        out.extend(kind(value).to_le_bytes());
        write(&mut out, key, value)?;
    }
    let mut offset = 0;
    for tensor in tensors {
        text(&mut out, &tensor.name);
        // The fastest dimension first.
        let dims = match tensor.shape {
            [1, cols] => vec![cols],
            [rows, cols] => vec![cols, rows],
        };
        out.extend((dims.len() as u32).to_le_bytes());
        out.extend(dims.iter().flat_map(|&dim| (dim as u64).to_le_bytes()));
        out.extend(tensor.format.to_ggml().to_le_bytes());
        out.extend((offset as u64).to_le_bytes());
        let bytes = tensor.bytes()?;
        offset += bytes + padding(bytes);
    }
    out.resize(out.len() + padding(out.len()), 0);
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The type numbers of what is written: u32, f32, boolean, text, array.
fn kind(value: &Value) -> u32 {
    match value {
        Value::Int(_) => 4,
        Value::Float(_) => 6,
        Value::Bool(_) => 7,
        Value::Text(_) => 8,
        Value::Array(_) => 9,
    }
}

fn write(out: &mut Vec<u8>, key: &str, value: &Value) -> Result<(), WeightError> {
    match value {
        Value::Int(int) => {
            let int = u32::try_from(*int).map_err(|_| {
                WeightError::Format(format!("metadata {key}: {int} does not fit 32 bits without a sign"))
            })?;
            out.extend(int.to_le_bytes());
        }
        Value::Float(float) => out.extend((*float as f32).to_le_bytes()),
        Value::Bool(flag) => out.push(u8::from(*flag)),
        Value::Text(value) => text(out, value),
        Value::Array(values) => {
            let element = values.first().map_or(4, kind);
            if values.iter().any(|value| kind(value) != element) {
                return Err(WeightError::Format(format!("metadata {key}: an array of unlike things")));
            }
            out.extend(element.to_le_bytes());
            out.extend((values.len() as u64).to_le_bytes());
            for value in values {
                write(out, key, value)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{TensorSource, gguf::Gguf},
        *,
    };

    #[test]
    fn a_written_file_is_read_back() {
        let metadata = [
            ("a.int", Value::Int(7)),
            ("a.float", Value::Float(0.5)),
            ("a.flag", Value::Bool(true)),
            ("a.text", Value::Text("Léon".to_owned())),
            ("a.texts", Value::Array(vec![Value::Text("x".to_owned()), Value::Text(String::new())])),
        ];
        let entry = |name: &str, shape, format| Entry { name: name.to_owned(), shape, format };
        let tensors = [
            entry("norm", [1, 3], Format::F32),
            entry("w", [2, 32], Format::Q4_1),
            entry("h", [2, 2], Format::F16),
        ];
        let values: [Vec<f32>; 3] =
            [vec![1.0, -2.0, 3.0], (0..64).map(|n| f32::from(n as u8 % 16)).collect(), vec![0.5; 4]];
        let mut file = header(&metadata, &tensors).unwrap();
        for (tensor, values) in tensors.iter().zip(&values) {
            tensor.format.quantize(values, tensor.shape[1], &mut file);
            file.resize(file.len() + padding(file.len()), 0);
        }
        let gguf = Gguf::parse(file).unwrap();
        assert_eq!(gguf.int("a.int").unwrap(), 7);
        assert_eq!(gguf.float("a.float").unwrap(), 0.5);
        assert!(gguf.flag("a.flag"));
        assert_eq!(gguf.text("a.text").unwrap(), "Léon");
        assert_eq!(gguf.texts("a.texts").unwrap(), ["x", ""]);
        for (tensor, values) in tensors.iter().zip(&values) {
            assert_eq!(gguf.shaped(&tensor.name, tensor.shape).unwrap().to_f32(), *values);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let ragged = [Entry { name: "w".to_owned(), shape: [2, 33], format: Format::Q4_1 }];
        assert!(header(&[], &ragged).unwrap_err().to_string().contains("tensor w"));
        let large = [("n", Value::Int(1 << 40))];
        assert!(header(&large, &[]).unwrap_err().to_string().contains("metadata n"));
        let unlike = [("n", Value::Array(vec![Value::Int(1), Value::Bool(true)]))];
        assert!(header(&unlike, &[]).unwrap_err().to_string().contains("unlike"));
    }
}
