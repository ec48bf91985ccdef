//! GGUF, the file format of llama.cpp (ggml `docs/gguf.md`, versions 2 and 3), read with every length
//! checked against the file before it is used.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{File, TensorBytes, TensorSource, WeightError};
use crate::quant::Format;

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any unsigned or signed integer.
    Int(i64),
    /// Any float.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A string.
    Text(String),
    /// An array.
    Array(Vec<Value>),
}

/// A parsed file: metadata and tensor table; tensor bytes stay where they are until a tensor is asked for.
pub struct Gguf {
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Place>,
    file: Box<dyn File>,
}

/// Where a tensor lies; within the file.
struct Place {
    range: Range<usize>,
    format: Format,
    shape: [usize; 2],
}

impl std::fmt::Debug for Gguf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gguf({} metadata keys, {} tensors)", self.metadata.len(), self.tensors.len())
    }
}

const MAGIC: &[u8; 4] = b"GGUF";
/// Where tensors may begin unless a file says otherwise.
pub(super) const DEFAULT_ALIGNMENT: usize = 32;
/// Deepest nesting of metadata arrays; real files have one level.
const MAX_DEPTH: usize = 4;
/// Bytes in which the header, with a usual vocabulary, is looked for first.
const HEADER: usize = 4 << 20;

impl Gguf {
    /// Parses a file in memory. Fails on anything that does not fit the format or the file's length.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, WeightError> {
        Self::open(Box::new(Arc::new(bytes)))
    }

    /// Parses the header of a file of which nothing else is read yet.
    ///
    /// # Errors
    /// As [`Self::parse`], and what the file says when it is read.
    pub fn open(file: Box<dyn File>) -> Result<Self, WeightError> {
        let len = file.len();
        let mut taken = len.min(HEADER);
        let (metadata, tensors) = loop {
            let (bytes, range) = file.part(0..taken)?;
            match header(&bytes[range], len) {
                Err(WeightError::Truncated { .. }) if taken < len => taken = len.min(2 * taken),
                header => break header?,
            }
        };
        Ok(Self { metadata, tensors, file })
    }

    /// An integer metadata entry.
    pub fn int(&self, key: &str) -> Result<usize, WeightError> {
        match self.metadata.get(key) {
            Some(&Value::Int(value)) if value >= 0 => Ok(value as usize),
            _ => Err(missing(key, "a non-negative integer")),
        }
    }

    /// An integer metadata entry, or `default` where there is none.
    pub fn int_or(&self, key: &str, default: usize) -> Result<usize, WeightError> {
        if self.metadata.contains_key(key) { self.int(key) } else { Ok(default) }
    }

    /// Whether a boolean metadata entry is there and true.
    pub fn flag(&self, key: &str) -> bool {
        self.metadata.get(key) == Some(&Value::Bool(true))
    }

    /// The metadata keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.metadata.keys().map(String::as_str)
    }

    /// The tensors' names.
    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Format and shape `[rows, cols]` of a tensor.
    ///
    /// # Errors
    /// A name that no tensor has.
    pub fn kind(&self, name: &str) -> Result<(Format, [usize; 2]), WeightError> {
        self.place(name).map(|place| (place.format, place.shape))
    }

    fn place(&self, name: &str) -> Result<&Place, WeightError> {
        self.tensors.get(name).ok_or_else(|| WeightError::Missing(name.to_owned()))
    }

    /// A float metadata entry.
    pub fn float(&self, key: &str) -> Result<f64, WeightError> {
        match self.metadata.get(key) {
            Some(&Value::Float(value)) => Ok(value),
            _ => Err(missing(key, "a float")),
        }
    }

    /// The same, or what holds where there is no such entry.
    ///
    /// # Errors
    /// An entry that is no float.
    pub fn float_or(&self, key: &str, default: f64) -> Result<f64, WeightError> {
        if self.metadata.contains_key(key) { self.float(key) } else { Ok(default) }
    }

    /// A text metadata entry.
    pub fn text(&self, key: &str) -> Result<&str, WeightError> {
        match self.metadata.get(key) {
            Some(Value::Text(value)) => Ok(value),
            _ => Err(missing(key, "a text")),
        }
    }

    /// An array of texts.
    pub fn texts(&self, key: &str) -> Result<Vec<&str>, WeightError> {
        let Some(Value::Array(values)) = self.metadata.get(key) else {
            return Err(missing(key, "an array of texts"));
        };
        values
            .iter()
            .map(|value| match value {
                Value::Text(text) => Ok(text.as_str()),
                _ => Err(missing(key, "an array of texts")),
            })
            .collect()
    }

    /// An array of integers.
    pub fn ints(&self, key: &str) -> Result<Vec<i64>, WeightError> {
        let Some(Value::Array(values)) = self.metadata.get(key) else {
            return Err(missing(key, "an array of integers"));
        };
        values
            .iter()
            .map(|value| match value {
                Value::Int(int) => Ok(*int),
                _ => Err(missing(key, "an array of integers")),
            })
            .collect()
    }
}

type Metadata = BTreeMap<String, Value>;

/// Metadata and tensor table at the beginning of a file that is `len` bytes long.
fn header(bytes: &[u8], len: usize) -> Result<(Metadata, BTreeMap<String, Place>), WeightError> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.take(4, "magic")? != MAGIC {
        return Err(WeightError::Format("not a GGUF file: it does not begin with \"GGUF\"".to_owned()));
    }
    let version = reader.u32("version")?;
    if !(2..=3).contains(&version) {
        return Err(WeightError::Format(format!("GGUF version {version} is not supported, only 2 and 3")));
    }
    let tensor_count = reader.count("tensor count", 24)?;
    let metadata_count = reader.count("metadata count", 12)?;

    let mut metadata = BTreeMap::new();
    for _ in 0..metadata_count {
        let key = reader.text("metadata key")?;
        let kind = reader.u32(&key)?;
        let value = reader.value(kind, &key, 0)?;
        metadata.insert(key, value);
    }

    let mut infos = Vec::with_capacity(tensor_count);
    for _ in 0..tensor_count {
        infos.push(TensorInfo::read(&mut reader)?);
    }
    let alignment = match metadata.get("general.alignment") {
        Some(&Value::Int(alignment)) if (1..=1 << 20).contains(&alignment) => alignment as usize,
        Some(_) => return Err(missing("general.alignment", "between 1 and 1048576")),
        None => DEFAULT_ALIGNMENT,
    };
    let data = reader.at.next_multiple_of(alignment);

    let mut tensors = BTreeMap::new();
    for info in infos {
        let [rows, cols] = info.shape;
        let size = info.format.bytes(rows, cols).ok_or_else(|| {
            WeightError::Format(format!(
                "tensor {}: shape {:?} does not fit format {:?}",
                info.name, info.shape, info.format
            ))
        })?;
        let start = data.saturating_add(info.offset);
        let end = start.saturating_add(size);
        if end > len {
            let what = format!("tensor {}", info.name);
            return Err(WeightError::Truncated { what, start, end, len });
        }
        let place = Place { range: start..end, format: info.format, shape: info.shape };
        tensors.insert(info.name, place);
    }
    Ok((metadata, tensors))
}

impl TensorSource for Gguf {
    fn tensor(&self, name: &str) -> Result<TensorBytes, WeightError> {
        let place = self.place(name)?;
        let (file, range) = self.file.part(place.range.clone())?;
        Ok(TensorBytes::new(file, range, place.format, place.shape))
    }
}

fn missing(key: &str, wanted: &'static str) -> WeightError {
    WeightError::Metadata { key: key.to_owned(), wanted }
}

struct TensorInfo {
    name: String,
    shape: [usize; 2],
    format: Format,
    offset: usize,
}

impl TensorInfo {
    fn read(reader: &mut Reader) -> Result<Self, WeightError> {
        let name = reader.text("tensor name")?;
        let dims = reader.u32(&name)?;
        // GGUF lists the fastest dimension first: a matrix is [cols, rows].
        let shape = match dims {
            1 => [1, reader.size(&name)?],
            2 => {
                let cols = reader.size(&name)?;
                [reader.size(&name)?, cols]
            }
            _ => {
                return Err(WeightError::Format(format!(
                    "tensor {name} has {dims} dimensions, must be 1 or 2"
                )));
            }
        };
        let code = reader.u32(&name)?;
        let format = Format::from_ggml(code).ok_or_else(|| {
            WeightError::Format(format!(
                "tensor {name} has ggml type {code}; supported are F32, F16, Q4_0, Q4_1, Q8_0 and our NF4"
            ))
        })?;
        let offset = reader.size(&name)?;
        Ok(Self { name, shape, format, offset })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8], WeightError> {
        let end = self.at.saturating_add(len);
        let slice = self.bytes.get(self.at..end).ok_or_else(|| WeightError::Truncated {
            what: what.to_owned(),
            start: self.at,
            end,
            len: self.bytes.len(),
        })?;
        self.at = end;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], WeightError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, what)?);
        Ok(out)
    }

    fn u32(&mut self, what: &str) -> Result<u32, WeightError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn size(&mut self, what: &str) -> Result<usize, WeightError> {
        let value = u64::from_le_bytes(self.array(what)?);
        usize::try_from(value)
            .map_err(|_| WeightError::Format(format!("{what}: length {value} does not fit this machine")))
    }

    /// A number of things that take at least `least` bytes each: refused when the file cannot hold them.
    fn count(&mut self, what: &str, least: usize) -> Result<usize, WeightError> {
        let count = self.size(what)?;
        let left = self.bytes.len() - self.at;
        if count > left / least {
            return Err(WeightError::Truncated {
                what: format!("{what} {count}"),
                start: self.at,
                end: self.at.saturating_add(count.saturating_mul(least)),
                len: self.bytes.len(),
            });
        }
        Ok(count)
    }

    fn text(&mut self, what: &str) -> Result<String, WeightError> {
        let len = self.size(what)?;
        let bytes = self.take(len, what)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| WeightError::Format(format!("{what} is not UTF-8")))
    }

    fn value(&mut self, kind: u32, key: &str, depth: usize) -> Result<Value, WeightError> {
        Ok(match kind {
            0 => Value::Int(self.array::<1>(key)?[0].into()),
            1 => Value::Int(i8::from_le_bytes(self.array(key)?).into()),
            2 => Value::Int(u16::from_le_bytes(self.array(key)?).into()),
            3 => Value::Int(i16::from_le_bytes(self.array(key)?).into()),
            4 => Value::Int(self.u32(key)?.into()),
            5 => Value::Int(i32::from_le_bytes(self.array(key)?).into()),
            6 => Value::Float(f32::from_le_bytes(self.array(key)?).into()),
            7 => Value::Bool(self.array::<1>(key)?[0] != 0),
            8 => Value::Text(self.text(key)?),
            9 => {
                if depth == MAX_DEPTH {
                    return Err(WeightError::Format(format!("metadata {key}: arrays nest too deeply")));
                }
                let element = self.u32(key)?;
                let len = self.count(key, 1)?;
                let values: Result<_, _> = (0..len).map(|_| self.value(element, key, depth + 1)).collect();
                Value::Array(values?)
            }
            10 => Value::Int(u64::from_le_bytes(self.array(key)?) as i64),
            11 => Value::Int(i64::from_le_bytes(self.array(key)?)),
            12 => Value::Float(f64::from_le_bytes(self.array(key)?)),
            _ => return Err(WeightError::Format(format!("metadata {key} has unknown type {kind}"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use proptest::prelude::*;

    use super::*;

    fn text(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }

    /// One text, one array, one F32 vector `[1, 2, 3]` and one Q8_0 matrix `[2, 32]`.
    fn sample() -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend(2u64.to_le_bytes());
        out.extend(2u64.to_le_bytes());
        text(&mut out, "general.architecture");
        out.extend(8u32.to_le_bytes());
        text(&mut out, "llama");
        text(&mut out, "numbers");
        out.extend(9u32.to_le_bytes());
        out.extend(5u32.to_le_bytes());
        out.extend(2u64.to_le_bytes());
        out.extend((-7i32).to_le_bytes());
        out.extend(9i32.to_le_bytes());
        for (name, dims, code, offset) in [("norm", &[3u64][..], 0u32, 0u64), ("w", &[32, 2], 8, 32)] {
            text(&mut out, name);
            out.extend((dims.len() as u32).to_le_bytes());
            for dim in dims {
                out.extend(dim.to_le_bytes());
            }
            out.extend(code.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(32), 0);
        for value in [1.0f32, 2.0, 3.0] {
            out.extend(value.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(32), 0);
        for row in 0..2u8 {
            out.extend(half::f16::from_f32(0.5).to_le_bytes());
            out.extend((0..32).map(|i| i + row));
        }
        out
    }

    #[test]
    fn reads_metadata_and_tensors() {
        let gguf = Gguf::parse(sample()).unwrap();
        assert_eq!(gguf.text("general.architecture").unwrap(), "llama");
        assert_eq!(gguf.ints("numbers").unwrap(), [-7, 9]);
        assert_eq!(gguf.tensor("norm").unwrap().to_f32(), [1.0, 2.0, 3.0]);
        let w = gguf.shaped("w", [2, 32]).unwrap();
        assert_eq!(w.to_f32()[33], 1.0);
        assert!(matches!(gguf.shaped("w", [32, 2]), Err(WeightError::Shape { .. })));
        assert!(matches!(gguf.tensor("absent"), Err(WeightError::Missing(_))));
        assert!(matches!(gguf.int("general.architecture"), Err(WeightError::Metadata { .. })));
    }

    /// A file that gives copies of its parts, and counts them.
    struct Elsewhere(Vec<u8>, Rc<Cell<usize>>);

    impl File for Elsewhere {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn part(&self, range: Range<usize>) -> Result<(Arc<Vec<u8>>, Range<usize>), WeightError> {
            self.1.set(self.1.get() + range.len());
            Ok((Arc::new(self.0[range.clone()].to_vec()), 0..range.len()))
        }
    }

    #[test]
    fn of_a_file_elsewhere_only_what_is_asked_for_is_read() {
        let mut file = sample();
        file.resize(file.len() + 3 * HEADER, 0);
        let read = Rc::new(Cell::new(0));
        let gguf = Gguf::open(Box::new(Elsewhere(file, Rc::clone(&read)))).unwrap();
        assert_eq!(read.get(), HEADER);
        assert_eq!(
            gguf.tensor("w").unwrap().to_f32(),
            Gguf::parse(sample()).unwrap().tensor("w").unwrap().to_f32()
        );
        assert_eq!(read.get(), HEADER + 68);
    }

    #[test]
    fn a_long_header_is_read_on() {
        let mut file = b"GGUF".to_vec();
        file.extend(3u32.to_le_bytes());
        file.extend(0u64.to_le_bytes());
        file.extend(1u64.to_le_bytes());
        text(&mut file, "long");
        file.extend(8u32.to_le_bytes());
        text(&mut file, &"x".repeat(2 * HEADER));
        let len = file.len();
        let gguf = Gguf::open(Box::new(Elsewhere(file.clone(), Rc::default()))).unwrap();
        assert_eq!(gguf.text("long").unwrap().len(), 2 * HEADER);
        file.truncate(len - 1);
        let error = Gguf::open(Box::new(Elsewhere(file, Rc::default()))).unwrap_err();
        assert!(matches!(error, WeightError::Truncated { len: found, .. } if found == len - 1), "{error}");
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole = sample();
        for len in 0..whole.len() {
            assert!(Gguf::parse(whole[..len].to_vec()).is_err(), "cut to {len} bytes was accepted");
        }
    }

    proptest! {
        #[test]
        fn corruption_never_panics(position in 0usize..200, byte: u8) {
            let mut bytes = sample();
            let position = position % bytes.len();
            bytes[position] = byte;
            let _ = Gguf::parse(bytes);
        }
    }
}
