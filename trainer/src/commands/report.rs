//! `llamarec report`: the results of runs beside the paper's tables, as Markdown.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;

use crate::{
    cli::Common,
    files::write_atomic,
    report::{Printer, UserError, ranked::Ranked, tables},
    run_dir::{METRICS, TEST},
    train::{
        RunReport,
        measure::Part,
        ranker::{Evaluation, RankerReport},
    },
};

/// Arguments of `llamarec report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folders to look for finished runs in, at any depth
    #[arg(value_name = "DIR", default_value = "runs")]
    runs: Vec<PathBuf>,
    /// Show all settings of a network, not only those with the best validation Recall@10
    #[arg(long)]
    all: bool,
    /// Also write the tables to this file, in the place of what is there
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `llamarec report`.
pub fn run(args: &ReportArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let mut found = Found::default();
    for folder in &args.runs {
        if !folder.is_dir() {
            let message = format!("{} is no folder", folder.display());
            return Err(UserError::input(message)
                .hint("name the folder of your runs, or make some with: llamarec train retriever")
                .into());
        }
        collect(folder, &mut found, printer)?;
    }
    let Found { retrievers, rankers, .. } = found;
    if retrievers.is_empty() {
        let names: Vec<String> = args.runs.iter().map(|folder| folder.display().to_string()).collect();
        let message = format!("there is no finished run of a retriever in {}", names.join(", "));
        return Err(UserError::input(message).hint("make one with: llamarec train retriever").into());
    }
    let systems = tables::systems(&retrievers);
    let shown = if args.all { systems.iter().collect() } else { tables::chosen(&systems) };
    // As JSON all are printed.
    if shown.len() < systems.len() && !common.json {
        let (hidden, all) = (systems.len() - shown.len(), systems.len());
        printer.note(&format!(
            "{hidden} of {all} settings are not shown: others of the same network do better on validation; --all shows them"
        ));
    }
    let text = tables::markdown(&systems, &shown, &rankers);
    if let Some(out) = &args.out {
        write_atomic(out, text.as_bytes())?;
    }
    if common.json {
        printer.result(&serde_json::to_string(
            &serde_json::json!({ "retrievers": systems, "rankers": rankers }),
        )?);
    } else {
        printer.result(text.trim_end());
    }
    Ok(())
}

/// The finished runs of some folders.
#[derive(Default)]
struct Found {
    /// Folders that were looked through, by their real paths: a run counts once, however it is reached.
    seen: HashSet<PathBuf>,
    retrievers: Vec<RunReport>,
    rankers: Vec<Ranked>,
}

/// All runs below a folder, in the order of their paths.
fn collect(folder: &Path, found: &mut Found, printer: &Printer) -> anyhow::Result<()> {
    let real = fs::canonicalize(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    if !found.seen.insert(real) {
        return Ok(());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, found, printer)?;
        } else if path.file_name().is_some_and(|name| name == METRICS) {
            let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            match serde_json::from_slice(&text) {
                Ok(report) => found.retrievers.push(report),
                Err(error) => match serde_json::from_slice::<RankerReport>(&text) {
                    Ok(report) => {
                        found.rankers.extend(ranked(&report, &path.with_file_name(TEST), printer)?);
                    }
                    Err(_) => printer.warn(&format!("{} is left out: {error}", path.display())),
                },
            }
        }
    }
    Ok(())
}

/// A ranker's run, if its test measures lie beside it.
fn ranked(report: &RankerReport, test: &Path, printer: &Printer) -> anyhow::Result<Option<Ranked>> {
    let folder = test.parent().unwrap_or(Path::new(".")).display();
    if !test.exists() {
        let command = format!(
            "llamarec evaluate --stage ranker --data DIR --adapter {folder} --candidates FILE --json"
        );
        printer.note(&format!("{folder} has no {TEST}; make it with: {command} > {}", test.display()));
        return Ok(None);
    }
    let text = fs::read(test).with_context(|| format!("cannot read {}", test.display()))?;
    let unusable = match serde_json::from_slice::<Evaluation>(&text) {
        Ok(found) if found.tuned_for.as_ref() != Some(&report.tuned_for) => {
            "it measures another adapter than this run's".to_owned()
        }
        Ok(found) if found.split != Part::Test => "it measures validation users".to_owned(),
        Ok(found) => return Ok(Some(Ranked::new(report, &found))),
        Err(error) => error.to_string(),
    };
    printer.warn(&format!("{} is left out: {unusable}", test.display()));
    Ok(None)
}
