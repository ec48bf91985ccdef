//! Which device the models run on, and how a choice that cannot be met is refused.

use burn::tensor::Device;
use clap::ValueEnum;

use crate::report::UserError;

/// The option `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// The CPU
    #[default]
    Auto,
    /// The CPU
    Cpu,
    /// A GPU through wgpu (Vulkan or Metal); needs a build with `--features wgpu`
    Wgpu,
    /// An NVIDIA GPU; needs a build with `--features cuda`
    Cuda,
}

impl DeviceArg {
    /// The Burn device, or why there is none.
    pub fn resolve(self) -> Result<Device, UserError> {
        match self {
            Self::Auto | Self::Cpu => Ok(Device::flex()),
            Self::Wgpu => wgpu(),
            Self::Cuda => cuda(),
        }
    }

    /// Name for Traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto | Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
            Self::Cuda => "cuda",
        }
    }
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<Device, UserError> {
    Device::wgpu_options().init().map_err(|error| {
        UserError::device(format!("there is no usable GPU: {error}"))
            .hint("install a Vulkan driver, or use --device cpu")
    })
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<Device, UserError> {
    Err(missing("wgpu"))
}

#[cfg(feature = "cuda")]
#[allow(clippy::unnecessary_wraps)] // One signature with and without the feature.
fn cuda() -> Result<Device, UserError> {
    Ok(Device::cuda(0))
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<Device, UserError> {
    Err(missing("cuda"))
}

#[cfg(not(all(feature = "wgpu", feature = "cuda")))]
fn missing(feature: &str) -> UserError {
    UserError::device(format!("this llamarec was built without {feature}"))
        .hint(format!("build it with: cargo build --release -p trainer --features {feature}"))
}

/// Limits the CPU's worker threads; call it before any model is made.
pub fn limit_threads(threads: usize) {
    // Burn's CPU backend runs on the global rayon pool, which reads this once.
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().ok();
}
