//! The options that name the ranker's parts, and how they are loaded.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use shared::{ranker::Ranker, tuned::TunedFor};

use crate::{device::DeviceArg, fetch, report::UserError, run_dir::weights_of};

/// Which base model and adapter rank.
#[derive(Debug, Args)]
pub struct BaseArgs {
    /// GGUF file of a Llama (default: the one that `llamarec model fetch` brought)
    #[arg(long, value_name = "PATH")]
    base: Option<PathBuf>,
    /// Adapter of the ranker or the folder of its run; given twice, the first decides and each is asked as it was tuned; `none`
    /// is the untuned base model (default: those of the bundle, where there is a bundle that has some)
    #[arg(long, value_name = "PATH|none")]
    adapter: Vec<PathBuf>,
}

impl BaseArgs {
    /// Reads the base model and the adapters, by default those of a bundle, and takes them to the device.
    pub fn load(&self, bundled: &[Vec<u8>], device: DeviceArg) -> anyhow::Result<Ranker> {
        let (mut ranker, base) = load(self.base.as_deref(), device)?;
        if self.adapter.is_empty() && bundled.is_empty() {
            return Ok(ranker);
        }
        let sum = sha256(&base)?;
        for adapter in &self.adapter {
            tune(&mut ranker, &sum, adapter)?;
        }
        for adapter in bundled.iter().filter(|_| self.adapter.is_empty()) {
            // A base model of one's own ranks untuned rather than not at all; the Trace says so.
            if TunedFor::of(adapter)?.base_sha256 == sum {
                use_adapter(&mut ranker, &sum, adapter, "of the bundle")?;
            }
        }
        Ok(ranker)
    }
}

/// Uses the adapter of this file or run folder, unless it is `none`.
///
/// # Errors
/// A file that is no adapter, or one of another base model.
pub fn tune(ranker: &mut Ranker, base_sha256: &str, adapter: &Path) -> anyhow::Result<()> {
    if adapter.as_os_str() == "none" {
        return Ok(());
    }
    let path = weights_of(adapter);
    let bytes = fs::read(&path).map_err(|error| {
        UserError::input(format!("cannot read adapter {}: {error}", path.display()))
            .hint("give the folder of a run of llamarec train ranker, or: --adapter none")
    })?;
    use_adapter(ranker, base_sha256, &bytes, &path.display().to_string())
}

fn use_adapter(ranker: &mut Ranker, base_sha256: &str, adapter: &[u8], name: &str) -> anyhow::Result<()> {
    ranker.tune(adapter, base_sha256).map_err(|error| {
        UserError::input(format!("adapter {name}: {error}"))
            .hint("give the folder of a run of llamarec train ranker, or: --adapter none")
    })?;
    Ok(())
}

/// SHA-256 of a base model's file.
///
/// # Errors
/// A file that cannot be read.
pub fn sha256(base: &Path) -> anyhow::Result<String> {
    let read = || format!("cannot read {}", base.display());
    fetch::sha256(File::open(base).with_context(read)?, |_| ()).with_context(read)
}

/// Reads the base model, untuned, and takes it to the device; also where it was found.
///
/// # Errors
/// No such file, one that is no Llama, no such device, or one that fails its self-test.
pub fn load(base: Option<&Path>, device: DeviceArg) -> anyhow::Result<(Ranker, PathBuf)> {
    let path = fetch::base_model_path(base)?;
    let device = device.resolve()?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let ranker = Ranker::from_gguf(bytes, &device).map_err(|error| {
        UserError::input(format!("base model {}: {error}", path.display()))
            .hint("fetch it again with: llamarec model fetch, or name a GGUF file of a Llama with --base")
    })?;
    if !ranker.llama().on_cpu() {
        pollster::block_on(ranker.warm_up())
            .map_err(|error| UserError::device(error.to_string()).hint("use --device cpu"))?;
    }
    Ok((ranker, path))
}
