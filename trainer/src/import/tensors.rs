//! The tensors of a checkpoint, in one safetensors file or in parts, read one at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::Context;
use safetensors::{Dtype, tensor::Metadata};
use serde::Deserialize;

use super::text;
use crate::report::UserError;

const WHOLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// Longest header that is believed.
const LONGEST_HEADER: u64 = 100 << 20;

/// Where the tensors lie.
pub(super) struct Tensors {
    parts: Vec<(PathBuf, File)>,
    places: BTreeMap<String, Place>,
}

struct Place {
    part: usize,
    start: u64,
    bytes: usize,
    dtype: Dtype,
    shape: Vec<usize>,
}

/// The index beside a checkpoint in parts.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Tensors {
    /// Reads the headers of all parts.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let names: BTreeSet<String> = if folder.join(WHOLE).exists() {
            [WHOLE.to_owned()].into()
        } else {
            let index: Index = serde_json::from_str(&text(folder, INDEX)?).map_err(|error| {
                UserError::input(format!("{} is no index of tensors: {error}", folder.join(INDEX).display()))
            })?;
            index.weight_map.into_values().collect()
        };
        let mut tensors = Self { parts: Vec::new(), places: BTreeMap::new() };
        for name in names {
            // A name in the index is a file beside it and nothing else.
            let name = Path::new(&name).file_name().unwrap_or_default();
            tensors.add(folder.join(name))?;
        }
        Ok(tensors)
    }

    fn add(&mut self, path: PathBuf) -> anyhow::Result<()> {
        let broken = |what: String| {
            UserError::input(format!("{}: {what}", path.display()))
                .hint("fetch the file again; it may be cut")
        };
        let mut file = File::open(&path).map_err(|error| broken(error.to_string()))?;
        let len = file.metadata()?.len();
        let mut head = [0; 8];
        file.read_exact(&mut head).map_err(|error| broken(error.to_string()))?;
        let header = u64::from_le_bytes(head);
        if header > LONGEST_HEADER.min(len) {
            return Err(broken(format!("a header of {header} bytes in a file of {len}")).into());
        }
        let mut head = vec![0; header as usize];
        file.read_exact(&mut head).map_err(|error| broken(error.to_string()))?;
        let metadata: Metadata =
            serde_json::from_slice(&head).map_err(|error| broken(format!("no safetensors: {error}")))?;
        let part = self.parts.len();
        for (name, info) in metadata.tensors() {
            let (start, end) = info.data_offsets;
            let place = |offset: usize| (8 + header).saturating_add(offset as u64);
            if start > end || place(end) > len {
                let end = place(end);
                return Err(broken(format!("tensor {name} ends at byte {end}, the file at {len}")).into());
            }
            let (start, bytes) = (place(start), end - start);
            let place = Place { part, start, bytes, dtype: info.dtype, shape: info.shape.clone() };
            self.places.insert(name, place);
        }
        self.parts.push((path, file));
        Ok(())
    }

    /// Whether there is such a tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Whether a tensor can be read and has this shape, `[rows, cols]`, a vector one row.
    pub(super) fn check(&self, name: &str, expected: [usize; 2]) -> Result<(), String> {
        let place = self.places.get(name).ok_or_else(|| format!("tensor {name} is missing"))?;
        let fits = match place.shape[..] {
            [cols] => [1, cols] == expected,
            [rows, cols] => [rows, cols] == expected,
            _ => false,
        };
        if !fits {
            return Err(format!("tensor {name} has shape {:?}, config.json says {expected:?}", place.shape));
        }
        match place.dtype {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => Ok(()),
            other => Err(format!("tensor {name} has type {other:?}; supported are F32, F16 and BF16")),
        }
    }

    /// The numbers of a tensor that was checked.
    pub(super) fn read(&mut self, name: &str) -> anyhow::Result<Vec<f32>> {
        let place = &self.places[name];
        let (path, file) = &mut self.parts[place.part];
        let cannot = || format!("cannot read tensor {name} of {}", path.display());
        let mut bytes = vec![0; place.bytes];
        file.seek(SeekFrom::Start(place.start)).with_context(cannot)?;
        file.read_exact(&mut bytes).with_context(cannot)?;
        let pairs = || bytes.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
        Ok(match place.dtype {
            Dtype::F16 => pairs().map(|pair| half::f16::from_le_bytes(pair).to_f32()).collect(),
            Dtype::BF16 => pairs().map(|pair| half::bf16::from_le_bytes(pair).to_f32()).collect(),
            _ => bytes
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes(std::array::from_fn(|n| four[n])))
                .collect(),
        })
    }
}
