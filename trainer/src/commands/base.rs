//! The options that name the ranker's parts, and how they are loaded.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use shared::ranker::Ranker;

use crate::{device::DeviceArg, fetch, report::UserError};

/// Which base model and adapter rank.
#[derive(Debug, Args)]
pub struct BaseArgs {
    /// GGUF file of a Llama (default: the one that `llamarec model fetch` brought)
    #[arg(long, value_name = "PATH")]
    base: Option<PathBuf>,
    /// Adapter of the ranker; `none` is the untuned base model
    #[arg(long, value_name = "PATH|none", default_value = "none")]
    adapter: String,
}

impl BaseArgs {
    /// Reads the base model and takes it to the device.
    pub fn load(&self, device: DeviceArg) -> anyhow::Result<Ranker> {
        if self.adapter != "none" {
            let message = format!(
                "adapter {} cannot be used: this version ranks with the untuned base model only",
                self.adapter
            );
            return Err(UserError::usage(message)
                .hint("leave out --adapter, or give: --adapter none")
                .into());
        }
        Ok(load(self.base.as_deref(), device)?.0)
    }
}

/// Reads the base model, untuned, and takes it to the device; also where it was found.
///
/// # Errors
/// No such file, one that is no Llama, or no such device.
pub fn load(base: Option<&Path>, device: DeviceArg) -> anyhow::Result<(Ranker, PathBuf)> {
    let path = fetch::base_model_path(base)?;
    let device = device.resolve()?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let ranker = Ranker::from_gguf(bytes, &device).map_err(|error| {
        UserError::input(format!("base model {}: {error}", path.display()))
            .hint("fetch it again with: llamarec model fetch, or name a GGUF file of a Llama with --base")
    })?;
    Ok((ranker, path))
}
