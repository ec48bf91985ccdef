//! `llamarec report`: the results of runs beside the paper's tables, as Markdown.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;

use crate::{
    cli::Common,
    files::write_atomic,
    report::{Printer, UserError, tables},
    run_dir::METRICS,
    train::{RunReport, ranker::RankerReport},
};

/// Arguments of `llamarec report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folders to look for finished runs in, at any depth
    #[arg(value_name = "DIR", default_value = "runs")]
    runs: Vec<PathBuf>,
    /// Also write the tables to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `llamarec report`.
pub fn run(args: &ReportArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let mut reports = Vec::new();
    for folder in &args.runs {
        if !folder.is_dir() {
            let message = format!("{} is no folder", folder.display());
            return Err(UserError::input(message)
                .hint("name the folder of your runs, or make some with: llamarec train retriever")
                .into());
        }
        collect(folder, &mut reports, printer)?;
    }
    if reports.is_empty() {
        let names: Vec<String> = args.runs.iter().map(|folder| folder.display().to_string()).collect();
        let message = format!("there is no finished run in {}", names.join(", "));
        return Err(UserError::input(message).hint("make one with: llamarec train retriever").into());
    }
    let systems = tables::systems(&reports);
    let text = tables::markdown(&systems);
    if let Some(out) = &args.out {
        write_atomic(out, text.as_bytes())?;
    }
    if common.json {
        printer.result(&serde_json::to_string(&systems)?);
    } else {
        printer.result(text.trim_end());
    }
    Ok(())
}

/// All reports below a folder, in the order of their paths.
fn collect(folder: &Path, reports: &mut Vec<RunReport>, printer: &Printer) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, reports, printer)?;
        } else if path.file_name().is_some_and(|name| name == METRICS) {
            let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            match serde_json::from_slice(&text) {
                Ok(report) => reports.push(report),
                // A ranker's measures are those of `llamarec evaluate --stage ranker`.
                Err(_) if serde_json::from_slice::<RankerReport>(&text).is_ok() => {}
                Err(error) => printer.warn(&format!("{} is left out: {error}", path.display())),
            }
        }
    }
    Ok(())
}
