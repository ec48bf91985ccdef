//! `llamarec data prepare`: raw data in, a prepared data set out.

mod args;

use std::{fs, path::Path};

use serde_json::json;

use super::{grouped, table, warn_of};
use crate::{
    cli::Common,
    data::{self, MIN_INTERACTIONS, Options, Prepared, Preset, Stats},
    report::{Printer, UserError},
};

use args::Format;
pub use args::PrepareArgs;

/// Runs `llamarec data prepare`.
pub fn run(args: &PrepareArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let target = args.format.target();
    data::check_free(&target.out, target.force)?;
    check_apart(args.format.from(), &target.out)?;
    let name = target.name.clone().unwrap_or_else(|| folder_name(&target.out));
    // Runs are kept in a folder of this name.
    if name.trim().is_empty() || [".", ".."].contains(&name.as_str()) || name.contains(['/', '\\']) {
        let message = format!("--name {name:?} is no name for a folder of runs");
        return Err(UserError::usage(message).hint("give one without slashes").into());
    }
    let mut prepared = read(&args.format, &name, printer)?;
    data::write(&target.out, &mut prepared)?;

    let stats = Stats::of(&prepared.dataset);
    if let Some(preparation) = &prepared.provenance.preparation {
        for row in &preparation.first_skipped_rows {
            printer.warn(&format!("skipped {row}"));
        }
        if preparation.skipped_rows > 0 {
            printer.warn(&format!("bad rows skipped: {}", grouped(preparation.skipped_rows as usize)));
        }
        warn_of(&preparation.dropped, printer);
    }
    if let Some(preset) = args.format.preset() {
        compare(preset, &stats, printer);
    }
    if common.json {
        let provenance = &prepared.provenance;
        printer.result(&json!({ "out": target.out, "stats": stats, "provenance": provenance }).to_string());
    } else {
        printer.result(&format!("{}\n{}", summary(&prepared), table(&stats)));
        printer.note(&format!(
            "written to {}; use it with: llamarec train retriever --data {0}",
            target.out.display()
        ));
    }
    Ok(())
}

fn read(format: &Format, name: &str, printer: &Printer) -> Result<Prepared, UserError> {
    let target = format.target();
    if data::is_prepared(format.from()) {
        let ignored = [
            ("--k-core", target.k_core != MIN_INTERACTIONS),
            ("--skip-bad-rows", target.skip_bad_rows > 0),
            ("--unescape-titles", format.unescapes_titles()),
        ];
        if let Some((option, _)) = ignored.into_iter().chain(format.of_raw_data()).find(|(_, given)| *given) {
            let hint = match format {
                // Which cannot be left out there.
                Format::Amazon { .. } => {
                    "it is taken as it is: llamarec data prepare csv --from DIR --out DIR".into()
                }
                _ => format!("it is taken as it is: leave out {option}"),
            };
            let message = format!("{} holds a finished split", format.from().display());
            return Err(UserError::usage(message).hint(hint));
        }
        let mut prepared = data::load_split(name, format.from(), printer)?;
        prepared.rename(name);
        return Ok(prepared);
    }
    let options = Options { k_core: target.k_core, skip_bad_rows: target.skip_bad_rows };
    data::prepare(name, &format.raw()?, options, printer)
}

/// Input and output must not be one folder: a folder with both would be ambiguous, and files could be replaced.
fn check_apart(from: &Path, out: &Path) -> Result<(), UserError> {
    let same = fs::canonicalize(from).ok().zip(fs::canonicalize(out).ok()).is_some_and(|(a, b)| a == b);
    if same {
        let message = format!("{} is the input, it cannot be the output too", out.display());
        return Err(UserError::usage(message).hint("choose another folder for --out"));
    }
    Ok(())
}

fn folder_name(folder: &Path) -> String {
    // `.` and `..` have a name only when they are resolved.
    let named = folder.file_name().map(ToOwned::to_owned);
    let named = named.or_else(|| fs::canonicalize(folder).ok()?.file_name().map(ToOwned::to_owned));
    named.map_or_else(|| "data".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Says whether a preset came out as in the paper.
fn compare(preset: Preset, stats: &Stats, printer: &Printer) {
    let (users, items, interactions) = preset.size;
    if preset.size == (stats.users, stats.items, stats.interactions) {
        printer.note(&format!("users, items and interactions are those of the paper's {}", preset.name));
    } else {
        printer.warn(&format!(
            "the paper's {} has {} users, {} items and {} interactions: these are other data",
            preset.name,
            grouped(users),
            grouped(items),
            grouped(interactions)
        ));
    }
}

/// What was read and what fell out.
fn summary(prepared: &Prepared) -> String {
    let Some(preparation) = &prepared.provenance.preparation else {
        return "a finished split, taken as it is\n".to_owned();
    };
    let dropped = &preparation.dropped;
    let mut lines = vec![format!("{} interactions read", grouped(dropped.interactions_read))];
    for (n, round) in dropped.k_core_rounds.iter().enumerate() {
        lines.push(format!(
            "{}-core, round {}: {} items, {} users and their {} interactions dropped",
            preparation.k_core,
            n + 1,
            grouped(round.items),
            grouped(round.users),
            grouped(round.interactions)
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}
