//! `llamarec export`: the bundle that the page and `llamarec rank` read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use super::evaluate::check_data;
use crate::{
    bundle::{self, Weights},
    cli::Common,
    data,
    report::{Printer, UserError},
    run_dir::weights_of,
};

/// Terms of the embedded data set in one line.
const GROUPLENS: &str =
    "GroupLens terms for MovieLens: research and education, no commercial use; see NOTICE";

/// Arguments of `llamarec export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Weights of a retriever or the folder of its run
    #[arg(long, value_name = "PATH")]
    retriever: PathBuf,
    /// Adapter of the ranker or the folder of its run (default: none, the base model is then untuned)
    #[arg(long, value_name = "PATH")]
    adapter: Option<PathBuf>,
    /// A second adapter that answers by index letters, or the folder of its run (default: none, letters are then those of
    /// the untuned base model unless --adapter was tuned for them)
    #[arg(long, value_name = "PATH")]
    letters: Option<PathBuf>,
    /// Folder of the data set it was trained on (default: the embedded data set)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Name of the bundle (default: movielens, or the data folder's name)
    #[arg(long)]
    name: Option<String>,
    /// Terms of the data, shown to visitors (default: GroupLens' for the embedded data set)
    #[arg(long, value_name = "TEXT")]
    licence: Option<String>,
    /// Folder to write
    #[arg(long, value_name = "DIR", default_value = "public/models/movielens")]
    out: PathBuf,
    /// Replace the bundle that is there, examples and results included
    #[arg(long)]
    force: bool,
}

/// Runs `llamarec export`.
pub fn run(args: &ExportArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    bundle::check_free(&args.out, args.force)?;
    let dataset = data::load(args.data.as_deref())?;
    let read = |run: &Path, maker: &str| {
        let path = weights_of(run);
        fs::read(&path).map_err(|error| {
            UserError::input(format!("cannot read {}: {error}", path.display()))
                .hint(format!("make it with: llamarec train {maker}"))
        })
    };
    let retriever = read(&args.retriever, "retriever")?;
    check_data(&weights_of(&args.retriever), &dataset)?;
    let adapter = args.adapter.as_deref().map(|run| read(run, "ranker")).transpose()?;
    let letters = args.letters.as_deref().map(|run| read(run, "ranker")).transpose()?;
    let (name, licence) = if args.data.is_none() {
        ("movielens".to_owned(), GROUPLENS.to_owned())
    } else {
        (dataset.name.clone(), format!("the terms of the data set {}", dataset.name))
    };
    let name = args.name.clone().unwrap_or(name);
    let licence = args.licence.clone().unwrap_or(licence);
    let weights = Weights { retriever: &retriever, adapter: adapter.as_deref(), letters: letters.as_deref() };
    let manifest = bundle::write(&args.out, &name, &licence, &dataset, weights)?;
    if common.json {
        printer.result(&json!({ "out": args.out, "manifest": manifest }).to_string());
    } else {
        printer.result(&format!(
            "{}: {} items, retriever of {} bytes",
            args.out.display(),
            dataset.catalog.len(),
            manifest.retriever.bytes
        ));
        printer.note(&format!("use it with: llamarec rank --bundle {}", args.out.display()));
    }
    Ok(())
}
