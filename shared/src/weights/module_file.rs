//! Weights of a Burn module as one safetensors file: tensors by module path, metadata beside them.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// Writes all parameters as f32. A tensor's name is its module path without the first `wrappers` parts.
///
/// # Errors
/// A message: a tensor that cannot be read.
pub fn to_safetensors(
    module: &impl Module,
    wrappers: usize,
    metadata: &BTreeMap<&str, String>,
) -> Result<Vec<u8>, String> {
    let mut collector = Collector { path: Path::new(wrappers), tensors: BTreeMap::new(), error: None };
    module.visit(&mut collector);
    if let Some(message) = collector.error {
        return Err(message);
    }
    let unwritable = |error| format!("cannot write safetensors: {error}");
    let tensors: BTreeMap<&String, TensorView> = collector
        .tensors
        .iter()
        .map(|(name, (shape, data))| Ok((name, TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<Result<_, _>>()
        .map_err(unwritable)?;
    let file = safetensors::serialize(tensors, None).map_err(unwritable)?;
    let metadata = serde_json::to_string(metadata).map_err(|error| error.to_string())?;
    Ok(with_metadata(&file, &metadata))
}

/// Replaces every parameter of `module` by the file's tensor of the same name.
///
/// # Errors
/// A message: not a safetensors file, or not exactly the tensors of the module.
pub fn from_safetensors<M: Module>(module: M, wrappers: usize, bytes: &[u8]) -> Result<M, String> {
    check_size(bytes, module.num_params() as u128)?;
    let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let mut loader = Loader { file, path: Path::new(wrappers), error: None };
    let module = module.map(&mut loader);
    loader.error.map_or(Ok(module), Err)
}

/// Refuses a file whose tensors do not hold so many numbers together. Ask before a module of a size that the
/// file itself claims is made.
///
/// # Errors
/// A message: not a safetensors file, or another size.
pub fn check_size(bytes: &[u8], needed: u128) -> Result<(), String> {
    let file = SafeTensors::deserialize(bytes).map_err(unreadable)?;
    let stored: usize = file.iter().map(|(_, tensor)| tensor.shape().iter().product::<usize>()).sum();
    if needed == stored as u128 {
        return Ok(());
    }
    Err(format!("the config needs {needed} numbers, the file has {stored}"))
}

/// An entry of a file's metadata; `None` if there is none of that name.
///
/// # Errors
/// A message: not a safetensors file.
pub fn metadata(bytes: &[u8], key: &str) -> Result<Option<String>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    Ok(header.metadata().as_ref().and_then(|metadata| metadata.get(key)).cloned())
}

fn unreadable(error: safetensors::SafeTensorError) -> String {
    format!("not a readable safetensors file: {error}")
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

/// Where a walk over a module stands.
struct Path {
    parts: Vec<String>,
    wrappers: usize,
}

impl Path {
    fn new(wrappers: usize) -> Self {
        Self { parts: Vec::new(), wrappers }
    }

    fn name(&self) -> String {
        self.parts.get(self.wrappers..).unwrap_or_default().join(".")
    }
}

/// Copies every parameter out, by path.
struct Collector {
    path: Path,
    tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)>,
    error: Option<String>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.parts.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.parts.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
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
    path: Path,
    error: Option<String>,
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.parts.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.parts.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
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
