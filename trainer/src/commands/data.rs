//! `llamarec data`: prepare, inspect and import data sets.

mod prepare;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    cli::Common,
    data::{self, Dropped, PAPER_TABLE_2, Stats},
    report::Printer,
};

/// Arguments of `llamarec data`.
#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Turn raw ratings into a data set: titles, k-core, order, checksums
    Prepare(prepare::PrepareArgs),
    /// Count users, items and interactions of a data set, beside the paper's Table 2
    Stats {
        /// Folder that `data prepare` wrote, or one with ratings.csv and movies.csv as in MovieLens (default: the
        /// embedded MovieLens data set)
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
    },
    /// Convert the MovieLens data of the Debian package r-cran-dslabs to ratings.csv and movies.csv
    ImportDslabs {
        /// The package file
        #[arg(value_name = "PACKAGE.deb")]
        package: PathBuf,
        /// Folder for the two files; it is made if needed
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Write made-up ratings in the format of MovieLens, to try a size
    Synthetic {
        /// Number of ratings; MovieLens 32M has 32,000,204
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4_000_000_000))]
        rows: u64,
        /// Seed; the same seed gives the same files
        #[arg(long, value_name = "N", default_value_t = 42)]
        seed: u64,
        /// Folder for ratings.csv and movies.csv; it is made if needed
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Runs `llamarec data`.
pub fn run(args: &DataArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    match &args.command {
        DataCommand::Prepare(args) => prepare::run(args, common, printer)?,
        DataCommand::Stats { data } => {
            let stats = match data {
                None => Stats::of(&data::load(None)?),
                Some(folder) => {
                    let prepared = data::load_folder(folder, printer)?;
                    if let Some(preparation) = &prepared.provenance.preparation {
                        warn_of(&preparation.dropped, printer);
                    }
                    Stats::of(&prepared.dataset)
                }
            };
            let text = if common.json { serde_json::to_string(&stats)? } else { table(&stats) };
            printer.result(&text);
        }
        DataCommand::Synthetic { rows, seed, out } => {
            data::synthetic(out, *rows, *seed, printer)?;
            printer.result(&if common.json {
                json!({ "out": out, "rows": rows, "seed": seed }).to_string()
            } else {
                format!("{} made-up ratings written to {}", grouped(*rows as usize), out.display())
            });
        }
        DataCommand::ImportDslabs { package, out } => {
            let imported = data::import(package, out)?;
            let text = if common.json {
                serde_json::to_string(&imported)?
            } else {
                format!(
                    "{} ratings and {} movies written to {} ({} rated movies have no title)",
                    grouped(imported.ratings),
                    grouped(imported.movies),
                    out.display(),
                    imported.untitled
                )
            };
            printer.result(&text);
        }
    }
    Ok(())
}

/// Says what a user may not expect to be dropped.
fn warn_of(dropped: &Dropped, printer: &Printer) {
    if dropped.untitled_interactions > 0 {
        printer.warn(&format!(
            "left out, for want of a title: {} interactions (items: {})",
            grouped(dropped.untitled_interactions),
            grouped(dropped.untitled_items)
        ));
    }
    if dropped.repeated_interactions > 0 {
        printer.warn(&format!(
            "left out, as the user met the item before: {} interactions",
            grouped(dropped.repeated_interactions)
        ));
    }
    if dropped.replaced_titles > 0 {
        printer.warn(&format!(
            "items listed with another title than before, the last one counts: {}",
            grouped(dropped.replaced_titles as usize)
        ));
    }
}

/// The data set above the rows of the paper's Table 2.
fn table(stats: &Stats) -> String {
    let mut rows = vec![
        ["data set", "users", "items", "interactions", "mean length", "density"].map(str::to_owned),
        [
            stats.name.clone(),
            grouped(stats.users),
            grouped(stats.items),
            grouped(stats.interactions),
            format!("{:.2}", stats.mean_length),
            format!("{:.2e}", stats.density),
        ],
    ];
    rows.extend(PAPER_TABLE_2.map(|row| {
        [
            format!("paper: {}", row.name),
            grouped(row.users),
            grouped(row.items),
            row.interactions.to_owned(),
            format!("{:.2}", row.mean_length),
            format!("{:.0e}", row.density),
        ]
    }));
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(widths).skip(1);
            let right: Vec<String> = cells.map(|(cell, width)| format!("{cell:>width$}")).collect();
            format!("{:<width$}  {}", row[0], right.join("  "), width = widths[0])
        })
        .collect();
    lines.push(format!(
        "\nsequence lengths: {} to {}, median {}",
        grouped(stats.min_length),
        grouped(stats.max_length),
        stats.median_length
    ));
    lines.join("\n")
}

/// `100004` as `100,004`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let texts = [0, 999, 1000, 100_004, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "100,004", "1,234,567"]);
    }

    #[test]
    fn the_table_stands_beside_the_paper() {
        let stats = Stats {
            name: "mine".into(),
            users: 671,
            items: 3496,
            interactions: 90_072,
            mean_length: 134.235,
            density: 0.038_397,
            min_length: 16,
            median_length: 66.0,
            max_length: 1449,
        };
        let expected = "\
data set         users   items  interactions  mean length  density
mine               671   3,496        90,072       134.24   3.84e-2
paper: ML-100k     610   3,650          100K       147.99     4e-2";
        let table = table(&stats);
        let squeeze = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(squeeze(&table)[..squeeze(expected).len()], squeeze(expected));
        let widths: Vec<usize> = table.lines().take(5).map(|line| line.chars().count()).collect();
        assert_eq!(widths, [widths[0]; 5], "{table}");
        assert!(table.ends_with("\nsequence lengths: 16 to 1,449, median 66"), "{table}");
    }
}
