//! Reads R's serialisation, XDR format version 2 or 3, as far as data frames need it.

use anyhow::{Context, bail, ensure};

/// R's missing whole number.
pub const NA_INT: i32 = i32::MIN;
/// Lists nest a few levels; more would be a broken or hostile file.
const MAX_DEPTH: usize = 64;

// Type codes of R's serialisation.
const SYMBOL: u8 = 1;
const PAIRLIST: u8 = 2;
const CHARS: u8 = 9;
const LOGICAL: u8 = 10;
const INT: u8 = 13;
const REAL: u8 = 14;
const TEXT: u8 = 16;
const LIST: u8 = 19;
const NIL: u8 = 254;
const REFERENCE: u8 = 255;

/// An R object: a value and named attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The value.
    pub value: Value,
    /// Attributes such as `names`, `levels`, `class`.
    pub attributes: Vec<(String, Object)>,
}

/// The values that occur in data frames.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `NULL`.
    Null,
    /// Whole numbers, logical values and the codes of a factor; [`NA_INT`] is missing.
    Int(Vec<i32>),
    /// Floating-point numbers.
    Real(Vec<f64>),
    /// Strings; `None` is missing.
    Text(Vec<Option<String>>),
    /// A list, also a data frame with its columns.
    List(Vec<Object>),
}

impl Object {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Self> {
        self.attributes.iter().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The element of a list, or the column of a data frame, of this name.
    pub fn field(&self, name: &str) -> Option<&Self> {
        let (Value::List(elements), Value::Text(names)) = (&self.value, &self.attribute("names")?.value)
        else {
            return None;
        };
        elements.get(names.iter().position(|other| other.as_deref() == Some(name))?)
    }
}

/// Reads one object from a whole serialisation, header included.
pub fn read(bytes: &[u8]) -> anyhow::Result<Object> {
    let mut reader = Reader { bytes, at: 0, symbols: Vec::new() };
    ensure!(reader.take(2)? == b"X\n", "it is not an R serialisation in XDR format");
    let version = reader.int()?;
    let _written_by = reader.int()?;
    let _readable_by = reader.int()?;
    match version {
        2 => {}
        3 => {
            let length = reader.length(1)?;
            let encoding = reader.take(length)?;
            ensure!(encoding == b"UTF-8", "its strings are not UTF-8");
        }
        other => bail!("version {other} of R's serialisation is not known"),
    }
    reader.object(0)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Symbols seen so far: later ones are references to these, counted from 1.
    symbols: Vec<String>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> anyhow::Result<&'a [u8]> {
        let bytes = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.get(..length))
            .with_context(|| format!("it ends at byte {}, within a value", self.bytes.len()))?;
        self.at += length;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> anyhow::Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn int(&mut self) -> anyhow::Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A number of elements that take `size` bytes each or more; never more than the rest can hold.
    fn length(&mut self, size: usize) -> anyhow::Result<usize> {
        let length = self.int()?;
        let room = (self.bytes.len() - self.at) / size;
        usize::try_from(length)
            .ok()
            .filter(|length| *length <= room)
            .with_context(|| format!("a length of {length} at byte {} is too much", self.at - 4))
    }

    fn object(&mut self, depth: usize) -> anyhow::Result<Object> {
        ensure!(depth < MAX_DEPTH, "it is nested more than {MAX_DEPTH} deep");
        let flags = self.int()?;
        let value = match flags as u8 {
            NIL => Value::Null,
            LOGICAL | INT => {
                let length = self.length(4)?;
                Value::Int((0..length).map(|_| self.int()).collect::<Result<_, _>>()?)
            }
            REAL => {
                let length = self.length(8)?;
                let real = |_| Ok(f64::from_be_bytes(self.array()?));
                Value::Real((0..length).map(real).collect::<anyhow::Result<_>>()?)
            }
            TEXT => {
                let length = self.length(8)?;
                let text = |_| {
                    let flags = self.int()?;
                    self.chars(flags)
                };
                Value::Text((0..length).map(text).collect::<Result<_, _>>()?)
            }
            LIST => {
                let length = self.length(4)?;
                let element = |_| self.object(depth + 1);
                Value::List((0..length).map(element).collect::<Result<_, _>>()?)
            }
            other => bail!("type {other} at byte {} is not one of a data frame", self.at - 4),
        };
        let has_attributes = flags & 0x200 != 0;
        let attributes = if has_attributes { self.pairs(depth + 1)? } else { Vec::new() };
        Ok(Object { value, attributes })
    }

    /// A pair list: (flags, tag, value) until `NULL`.
    fn pairs(&mut self, depth: usize) -> anyhow::Result<Vec<(String, Object)>> {
        let mut pairs = Vec::new();
        loop {
            let flags = self.int()?;
            match flags as u8 {
                NIL => return Ok(pairs),
                // With a tag (0x400), without attributes of its own (0x200).
                PAIRLIST if flags & 0x600 == 0x400 => {
                    let tag = self.symbol()?;
                    pairs.push((tag, self.object(depth)?));
                }
                other => bail!("type {other} at byte {} is no list of attributes", self.at - 4),
            }
        }
    }

    fn symbol(&mut self) -> anyhow::Result<String> {
        let flags = self.int()?;
        match flags as u8 {
            SYMBOL => {
                let flags = self.int()?;
                let name = self.chars(flags)?.context("a symbol has no name")?;
                self.symbols.push(name.clone());
                Ok(name)
            }
            REFERENCE => {
                let packed = flags >> 8;
                let number = if packed == 0 { self.int()? } else { packed };
                usize::try_from(number)
                    .ok()
                    .and_then(|number| self.symbols.get(number.checked_sub(1)?).cloned())
                    .with_context(|| format!("symbol {number} is not known"))
            }
            other => bail!("type {other} at byte {} is no symbol", self.at - 4),
        }
    }

    /// The rest of a string after its flags: length (-1: missing) and bytes.
    fn chars(&mut self, flags: i32) -> anyhow::Result<Option<String>> {
        ensure!(flags as u8 == CHARS, "a string was expected at byte {}", self.at - 4);
        if self.bytes.get(self.at..self.at + 4) == Some(&[0xff; 4]) {
            self.at += 4;
            return Ok(None);
        }
        let length = self.length(1)?;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).context("a string is not UTF-8")?;
        Ok(Some(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &[u8] = b"X\n\0\0\0\x03\0\x04\x01\x01\0\x03\x05\0\0\0\0\x05UTF-8";

    /// `list(a = c(1L, NA), b = c("é", NA))` with `names` twice: as a symbol, then as a reference.
    fn sample() -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        let chars = |text: &str| {
            [&0x9_i32.to_be_bytes()[..], &(text.len() as i32).to_be_bytes(), text.as_bytes()].concat()
        };
        let ints = |values: &[i32]| values.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<u8>>();
        bytes.extend(ints(&[0x213, 2, 13, 2, 1, NA_INT, 0x210, 2]));
        bytes.extend([chars("é"), ints(&[9, -1])].concat());
        bytes.extend([ints(&[0x402, 1]), chars("names"), ints(&[16, 0, 254])].concat());
        bytes.extend([ints(&[0x402, 0x1ff, 16, 2]), chars("a"), chars("b"), ints(&[254])].concat());
        bytes
    }

    #[test]
    fn reads_lists_attributes_and_missing_values() {
        let list = read(&sample()).unwrap();
        assert_eq!(list.field("a").unwrap().value, Value::Int(vec![1, NA_INT]));
        assert_eq!(list.field("b").unwrap().value, Value::Text(vec![Some("é".into()), None]));
        assert_eq!(list.field("c"), None);
    }

    #[test]
    fn every_cut_is_an_error_not_a_panic() {
        let sample = sample();
        for length in 0..sample.len() {
            assert!(read(&sample[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_huge_length_is_refused_before_it_is_allocated() {
        let bytes = [HEADER, &13_i32.to_be_bytes(), &i32::MAX.to_be_bytes()].concat();
        assert!(read(&bytes).unwrap_err().to_string().contains("too much"));
    }

    #[test]
    fn endless_nesting_is_refused() {
        let level = [19_i32.to_be_bytes(), 1_i32.to_be_bytes()].concat();
        let bytes = [HEADER, &level.repeat(10_000)].concat();
        assert!(read(&bytes).unwrap_err().to_string().contains("nested"));
    }

    proptest! {
        #[test]
        fn any_damage_is_survived(at in 0_usize..150, byte in any::<u8>()) {
            let mut bytes = sample();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = read(&bytes);
        }
    }
}
