//! Weights as one safetensors file: tensors by module path, the config as JSON in the metadata.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Tensor, TensorData},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{Architecture, Retriever, RetrieverConfig, RetrieverError};

/// Metadata key of the architecture's name.
const MODEL_KEY: &str = "model";
/// Metadata key of the config.
const CONFIG_KEY: &str = "config";

impl Retriever {
    /// Reads a model that [`Self::to_safetensors`] wrote.
    ///
    /// The tensors must be exactly those of the config, so a wrong config cannot claim more memory than
    /// the file has.
    pub fn from_safetensors(bytes: &[u8], device: &Device) -> Result<Self, RetrieverError> {
        let unreadable = |error| RetrieverError::Weights(format!("not a readable safetensors file: {error}"));
        let config = read_config(bytes)?;
        let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
        let stored: usize = file.iter().map(|(_, tensor)| tensor.shape().iter().product::<usize>()).sum();
        if config.parameters() != stored as u128 {
            let needed = config.parameters();
            let message = format!("the config needs {needed} numbers, the file has {stored}");
            return Err(RetrieverError::Weights(message));
        }
        let mut loader = Loader { file, path: Vec::new(), error: None };
        let model = Self::new(config, 0, device)?.map(&mut loader);
        loader.error.map_or(Ok(model), |message| Err(RetrieverError::Weights(message)))
    }

    /// Writes all weights as f32 and the config.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, RetrieverError> {
        let mut collector = Collector::default();
        self.visit(&mut collector);
        if let Some(message) = collector.error {
            return Err(RetrieverError::Weights(message));
        }
        let unwritable = |error| RetrieverError::Weights(format!("cannot write safetensors: {error}"));
        let tensors: BTreeMap<&String, TensorView> = collector
            .tensors
            .iter()
            .map(|(name, (shape, data))| Ok((name, TensorView::new(Dtype::F32, shape.clone(), data)?)))
            .collect::<Result<_, _>>()
            .map_err(unwritable)?;
        let file = safetensors::serialize(tensors, None).map_err(unwritable)?;
        let metadata = serde_json::to_string(self.config()).and_then(|config| {
            let model = self.config().architecture.name();
            serde_json::to_string(&BTreeMap::from([(MODEL_KEY, model), (CONFIG_KEY, &config)]))
        });
        metadata
            .map(|metadata| with_metadata(&file, &metadata))
            .map_err(|error| RetrieverError::Weights(format!("cannot write the config: {error}")))
    }
}

/// Puts metadata, a JSON object, into a safetensors file that has none.
///
/// The library takes metadata in an order that differs from run to run; equal models shall be equal files.
fn with_metadata(file: &[u8], metadata: &str) -> Vec<u8> {
    // A file is the header's length as a 64-bit number, the header as a JSON object, the data.
    let (length, rest) = file.split_at(8);
    let length = length.iter().rev().fold(0, |length, &byte| length << 8 | usize::from(byte));
    let (header, data) = rest.split_at(length);
    let mut longer = format!("{{\"__metadata__\":{metadata},").into_bytes();
    longer.extend(header[1..].trim_ascii_end());
    // The data shall start at a multiple of 8.
    longer.resize(longer.len().next_multiple_of(8), b' ');
    let mut file = (longer.len() as u64).to_le_bytes().to_vec();
    file.extend(longer);
    file.extend(data);
    file
}

fn read_config(bytes: &[u8]) -> Result<RetrieverConfig, RetrieverError> {
    let (_, header) = SafeTensors::read_metadata(bytes)
        .map_err(|error| RetrieverError::Weights(format!("not a readable safetensors file: {error}")))?;
    let entry = |key: &str| {
        header.metadata().as_ref().and_then(|metadata| metadata.get(key)).ok_or_else(|| {
            RetrieverError::Weights(format!("the file has no {key} in its metadata, so it is no retriever"))
        })
    };
    let architecture: Architecture = entry(MODEL_KEY)?.parse().map_err(RetrieverError::Weights)?;
    let config: RetrieverConfig = serde_json::from_str(entry(CONFIG_KEY)?)
        .map_err(|error| RetrieverError::Weights(format!("the config is not understood: {error}")))?;
    if config.architecture != architecture {
        return Err(RetrieverError::Weights(format!(
            "the model is {architecture}, its config is {}'s",
            config.architecture
        )));
    }
    config.validate()?;
    Ok(config)
}

/// Name of a tensor in the file: its module path below the network.
fn tensor_name(path: &[String]) -> String {
    const WRAPPERS: usize = 2; // `Retriever` and `Network`
    path.get(WRAPPERS..).unwrap_or_default().join(".")
}

/// Copies every parameter out, by path.
#[derive(Default)]
struct Collector {
    path: Vec<String>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)>,
    error: Option<String>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = tensor_name(&self.path);
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        match tensor.try_into_vec_as::<f32>() {
            Ok(values) => {
                let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                self.tensors.insert(name, (shape, data));
            }
            Err(error) => self.error = Some(format!("tensor {name} cannot be read: {error}")),
        }
    }
}

/// Replaces every parameter by the file's tensor of the same path; keeps the first error.
struct Loader<'a> {
    file: SafeTensors<'a>,
    path: Vec<String>,
    error: Option<String>,
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = tensor_name(&self.path);
        let shape = param.lazy_shape().to_vec();
        match values(&self.file, &name, &shape) {
            Ok(values) => Param::from_data(TensorData::new(values, shape), &param.lazy_device()),
            Err(message) => {
                self.error.get_or_insert(message);
                param
            }
        }
    }
}

/// A tensor's values, if it has this shape and all are finite f32 numbers.
fn values(file: &SafeTensors, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let tensor = file.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
    if tensor.shape() != shape {
        return Err(format!("tensor {name} has shape {:?}, the config needs {shape:?}", tensor.shape()));
    }
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("tensor {name} has type {:?}, must be F32", tensor.dtype()));
    }
    let (numbers, _) = tensor.data().as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    if let Some(place) = values.iter().position(|value| !value.is_finite()) {
        return Err(format!("tensor {name} holds {} at place {place}", values[place]));
    }
    Ok(values)
}
