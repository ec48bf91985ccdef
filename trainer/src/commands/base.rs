//! The options that name the ranker's parts, and how they are loaded.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use shared::{ranker::Ranker, scoring::Mode, tuned::TunedFor};

use crate::{device::DeviceArg, fetch, report::UserError, run_dir::weights_of};

/// Which base model and adapter rank.
#[derive(Debug, Args)]
pub struct BaseArgs {
    /// GGUF file of a Llama (default: the one that `llamarec model fetch` brought)
    #[arg(long, value_name = "PATH")]
    base: Option<PathBuf>,
    /// Adapter of the ranker or the folder of its run; of two, one film by film and one by letters, the first decides; `none`
    /// is the untuned base model (default: those of the bundle, where there is a bundle that has some)
    #[arg(long, value_name = "PATH|none")]
    adapter: Vec<PathBuf>,
}

impl BaseArgs {
    /// Reads the base model and the adapters, by default those of a bundle, and takes them to the device.
    pub fn load(&self, bundled: &[Vec<u8>], device: DeviceArg) -> anyhow::Result<Ranker> {
        if self.adapter.len() > 1 && self.adapter.iter().any(|adapter| is_none(adapter)) {
            let message = "--adapter none is given beside another adapter";
            return Err(UserError::usage(message).hint("give only one of them").into());
        }
        let (mut ranker, sum) = load(self.base.as_deref(), device)?;
        let mut modes = Vec::new();
        for adapter in &self.adapter {
            let mode = tune(&mut ranker, &sum, adapter)?;
            // It would replace the one before it.
            if modes.contains(&mode) {
                let message = format!("--adapter {} is asked in the same way as another", adapter.display());
                let hint = "give one of them; two are one that is asked film by film and one by letters";
                return Err(UserError::usage(message).hint(hint).into());
            }
            modes.push(mode);
        }
        for adapter in bundled.iter().filter(|_| self.adapter.is_empty()) {
            // A base model of one's own ranks untuned rather than not at all; the Trace says so.
            if TunedFor::of(adapter)?.base_sha256 == sum {
                use_adapter(&mut ranker, &sum, adapter, "of the bundle")?;
            }
        }
        Ok(ranker)
    }

    /// Reads the base model and the adapters for texts that are answered by letters.
    pub fn load_for_letters(&self, device: DeviceArg) -> anyhow::Result<Ranker> {
        let ranker = self.load(&[], device)?;
        if ranker.tuned().is_some() && ranker.tuned_by(Mode::Letters).is_none() {
            let message = "--adapter is asked film by film, and this text is answered by letters: it would not take part";
            return Err(UserError::usage(message)
                .hint("give an adapter tuned by letters, or leave --adapter out")
                .into());
        }
        Ok(ranker)
    }
}

/// Whether this stands for no adapter.
pub fn is_none(adapter: &Path) -> bool {
    adapter.as_os_str() == "none"
}

/// Uses the adapter of this file or run folder, unless it is `none`; tells how it is asked.
///
/// # Errors
/// A file that is no adapter, or one of another base model.
pub fn tune(ranker: &mut Ranker, base_sha256: &str, adapter: &Path) -> anyhow::Result<Option<Mode>> {
    if is_none(adapter) {
        return Ok(None);
    }
    let path = weights_of(adapter);
    let bytes = fs::read(&path).map_err(|error| {
        UserError::input(format!("cannot read adapter {}: {error}", path.display()))
            .hint("give the folder of a run of llamarec train ranker, or: --adapter none")
    })?;
    use_adapter(ranker, base_sha256, &bytes, &path.display().to_string()).map(Some)
}

fn use_adapter(ranker: &mut Ranker, base_sha256: &str, adapter: &[u8], name: &str) -> anyhow::Result<Mode> {
    let tuned_for = ranker.tune(adapter, base_sha256).map_err(|error| {
        UserError::input(format!("adapter {name}: {error}"))
            .hint("give the folder of a run of llamarec train ranker, or: --adapter none")
    })?;
    Ok(tuned_for.scoring.mode)
}

/// SHA-256 of a model's file.
///
/// # Errors
/// A file that cannot be read.
pub fn sha256(file: &Path) -> anyhow::Result<String> {
    let read = || format!("cannot read {}", file.display());
    fetch::sha256(File::open(file).with_context(read)?, |_| ()).with_context(read)
}

/// Reads the base model, untuned, and takes it to the device; also the SHA-256 of its file.
///
/// # Errors
/// No such file, one that is damaged or no Llama, no such device, or one that fails its self-test.
pub fn load(base: Option<&Path>, device: DeviceArg) -> anyhow::Result<(Ranker, String)> {
    let path = fetch::base_model_path(base)?;
    let device = device.resolve()?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let sum = fetch::sha256(bytes.as_slice(), |_| ())?;
    if base.is_none() {
        // Damaged, it would pass for a base model of one's own, which no adapter belongs to.
        fetch::check_base_model(&path, &sum)?;
    }
    let ranker = Ranker::from_gguf(bytes, &device).map_err(|error| {
        UserError::input(format!("base model {}: {error}", path.display()))
            .hint("fetch it again with: llamarec model fetch, or name a GGUF file of a Llama with --base")
    })?;
    if !ranker.llama().on_cpu() {
        pollster::block_on(ranker.warm_up())
            .map_err(|error| UserError::device(error.to_string()).hint("use --device cpu"))?;
    }
    Ok((ranker, sum))
}
