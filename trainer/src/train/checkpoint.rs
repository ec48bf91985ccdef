//! Everything a run needs to go on, in one file that is replaced atomically.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use anyhow::{Context, ensure};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{TrainConfig, adamw::Moments, report::Validation};
use crate::{files::write_atomic, report::UserError};

/// Where a run stands. Shuffling and dropout are functions of seed and step, so no generator is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Settings of the run.
    pub config: TrainConfig,
    /// SHA-256 of the data's sequences.
    pub sequences_sha256: String,
    /// Steps taken.
    pub step: usize,
    /// Seconds spent.
    pub seconds: f64,
    /// Step of the best weights.
    pub best_step: usize,
    /// All validations so far.
    pub curve: Vec<Validation>,
}

/// A run at rest.
#[derive(Clone, Debug)]
pub struct Checkpoint<P = Progress> {
    /// Where it stands.
    pub progress: P,
    /// The current weights, as a safetensors file.
    pub model: Vec<u8>,
    /// The best weights, as a safetensors file.
    pub best: Vec<u8>,
    /// The optimizer's moments by parameter path.
    pub moments: BTreeMap<String, Moments>,
}

const PROGRESS: &str = "progress";
const MODEL: &str = "model";
const BEST: &str = "best";
const FIRST: &str = "first.";
const SECOND: &str = "second.";

impl<P: Serialize + DeserializeOwned> Checkpoint<P> {
    /// Replaces the file at `path`.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        let mut arrays: Vec<(String, Vec<u8>, Dtype)> = vec![
            (MODEL.to_owned(), self.model.clone(), Dtype::U8),
            (BEST.to_owned(), self.best.clone(), Dtype::U8),
        ];
        for (name, moments) in &self.moments {
            for (prefix, tensor) in [(FIRST, &moments.first), (SECOND, &moments.second)] {
                let values: Vec<f32> = tensor.clone().try_into_vec_as()?;
                let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                arrays.push((format!("{prefix}{name}"), bytes, Dtype::F32));
            }
        }
        let mut views = Vec::with_capacity(arrays.len());
        for (name, bytes, dtype) in &arrays {
            let elements = bytes.len() * 8 / dtype.bitsize();
            views.push((name, TensorView::new(*dtype, vec![elements], bytes)?));
        }
        let progress = HashMap::from([(PROGRESS.to_owned(), serde_json::to_string(&self.progress)?)]);
        write_atomic(path, &safetensors::serialize(views, Some(progress))?)
    }

    /// Reads what [`Self::save`] wrote; the moments lie on `device`.
    ///
    /// # Errors
    /// No checkpoint there, or one that cannot be read.
    pub fn load(path: &Path, device: &Device) -> anyhow::Result<Self> {
        if !path.is_file() {
            let message = format!("there is no checkpoint {}", path.display());
            return Err(UserError::input(message).hint("leave --resume out to start a new run").into());
        }
        let bytes = fs::read(path).with_context(|| format!("cannot read checkpoint {}", path.display()))?;
        Self::parse(&bytes, device).with_context(|| format!("checkpoint {} is unusable", path.display()))
    }

    fn parse(bytes: &[u8], device: &Device) -> anyhow::Result<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let progress = header.metadata().as_ref().and_then(|metadata| metadata.get(PROGRESS));
        let progress = serde_json::from_str(progress.context("it holds no progress")?)?;
        let file = SafeTensors::deserialize(bytes)?;
        let flat = |name: &str| -> anyhow::Result<Tensor<1>> {
            let data = file.tensor(name)?;
            ensure!(data.dtype() == Dtype::F32, "tensor {name} is not F32");
            let values: Vec<f32> =
                data.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            let count = values.len();
            Ok(Tensor::from_data(TensorData::new(values, [count]), device))
        };
        let mut moments = BTreeMap::new();
        for name in file.names() {
            if let Some(parameter) = name.strip_prefix(FIRST) {
                let second = flat(&format!("{SECOND}{parameter}"))?;
                moments.insert(parameter.to_owned(), Moments { first: flat(name)?, second });
            }
        }
        let blob = |name: &str| -> anyhow::Result<Vec<u8>> { Ok(file.tensor(name)?.data().to_vec()) };
        Ok(Self { progress, model: blob(MODEL)?, best: blob(BEST)?, moments })
    }
}
