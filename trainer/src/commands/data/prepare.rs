//! `llamarec data prepare`: raw data in, a prepared data set out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{grouped, table, warn_of};
use crate::{
    cli::Common,
    data::{self, Columns, MIN_INTERACTIONS, Options, Prepared, Preset, Raw, SHORTEST, Stats, Titles},
    report::{Printer, UserError},
};

/// Arguments of `llamarec data prepare`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PrepareArgs {
    #[command(subcommand)]
    format: Format,
}

const EXAMPLES: &str = "\
Every row is an interaction, whatever its rating. Items without title fall
out, then the k-core is taken. A user's items are ordered by time, ties by
item id; when a user met an item twice, the earlier row is kept.

The folder then holds sequences.tsv.gz, items.jsonl.gz, stats.json and
provenance.json (inputs, options, rules, what fell out, checksums).
Equal inputs give equal bytes.

Examples:
  llamarec data prepare movielens --from ml-32m --out data/ml-32m
  llamarec data prepare beauty --from downloads --out data/beauty
  llamarec data prepare csv --from plays.csv --item-column song --out data/plays";

#[derive(Debug, Subcommand)]
enum Format {
    /// The paper's ML-100k: MovieLens latest-small of 2018
    #[command(name = "ml-100k")]
    Ml100k {
        #[command(flatten)]
        from: FromFolder,
        #[command(flatten)]
        target: Target,
    },
    /// The paper's Beauty: Amazon 2014, ratings_Beauty.csv and meta_Beauty.json.gz
    Beauty {
        #[command(flatten)]
        from: FromFolder,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        titles: AmazonTitles,
    },
    /// The paper's Games: ratings_Video_Games.csv of 2014 and meta_Video_Games.json.gz of 2018
    Games {
        #[command(flatten)]
        from: FromFolder,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        titles: AmazonTitles,
    },
    /// MovieLens of any size: ratings.csv and movies.csv, or ratings.dat and movies.dat
    Movielens {
        #[command(flatten)]
        from: FromFolder,
        #[command(flatten)]
        target: Target,
    },
    /// Any Amazon category: a ratings-only CSV and the metadata, JSON or Python lines
    Amazon {
        /// Ratings without header: user, asin, rating, Unix time (.csv or .csv.gz)
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Metadata, one object with asin and title a line (.json or .json.gz)
        #[arg(long, value_name = "FILE")]
        titles: PathBuf,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        amazon: AmazonTitles,
    },
    /// Any CSV file (comma, tab or semicolon) whose first line names the columns
    Csv(CsvArgs),
}

#[derive(Debug, Args)]
struct FromFolder {
    /// Folder with the files, compressed (.gz) or not, or with a finished sequences.tsv.gz and items.jsonl.gz
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
}

#[derive(Debug, Args)]
struct AmazonTitles {
    /// Decode HTML entities in titles (`&amp;`); the reference keeps them
    #[arg(long)]
    unescape_titles: bool,
}

#[derive(Debug, Args)]
struct CsvArgs {
    /// Interactions: user, item, time and perhaps title (.csv or .csv.gz)
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Titles in a file of their own: item and title
    #[arg(long, value_name = "FILE", conflicts_with = "titles_from_ids")]
    titles: Option<PathBuf>,
    /// Let the raw item ids stand for titles
    #[arg(long)]
    titles_from_ids: bool,
    /// Column of the user
    #[arg(long, value_name = "NAME", default_value = "user")]
    user_column: String,
    /// Column of the item
    #[arg(long, value_name = "NAME", default_value = "item")]
    item_column: String,
    /// Column of the time: whole numbers, for example Unix seconds
    #[arg(long, value_name = "NAME", default_value = "time")]
    time_column: String,
    /// Column of the title
    #[arg(long, value_name = "NAME", default_value = "title")]
    title_column: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
struct Target {
    /// Folder to write; it is made if needed
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name of the data set (default: the name of the folder)
    #[arg(long)]
    name: Option<String>,
    /// Fewest interactions of every user and every item
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(SHORTEST as i64..))]
    #[arg(default_value_t = MIN_INTERACTIONS)]
    k_core: u32,
    /// Leave out up to N rows that cannot be read
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_bad_rows: u64,
    /// Replace the prepared data set in the folder
    #[arg(long)]
    force: bool,
}

/// Runs `llamarec data prepare`.
pub fn run(args: &PrepareArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let target = args.format.target();
    data::check_free(&target.out, target.force)?;
    check_apart(args.format.from(), &target.out)?;
    let name = target.name.clone().unwrap_or_else(|| folder_name(&target.out));
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

impl Format {
    fn target(&self) -> &Target {
        match self {
            Self::Ml100k { target, .. }
            | Self::Beauty { target, .. }
            | Self::Games { target, .. }
            | Self::Movielens { target, .. }
            | Self::Amazon { target, .. } => target,
            Self::Csv(args) => &args.target,
        }
    }

    fn from(&self) -> &Path {
        match self {
            Self::Ml100k { from, .. }
            | Self::Beauty { from, .. }
            | Self::Games { from, .. }
            | Self::Movielens { from, .. } => &from.from,
            Self::Amazon { from, .. } => from,
            Self::Csv(args) => &args.from,
        }
    }

    fn preset(&self) -> Option<Preset> {
        match self {
            Self::Ml100k { .. } => Some(Preset::ML_100K),
            Self::Beauty { .. } => Some(Preset::BEAUTY),
            Self::Games { .. } => Some(Preset::GAMES),
            _ => None,
        }
    }

    fn raw(&self) -> Result<Raw, UserError> {
        match self {
            Self::Ml100k { from, .. } => data::find_preset(Preset::ML_100K, &from.from, false),
            Self::Beauty { from, titles, .. } => {
                data::find_preset(Preset::BEAUTY, &from.from, titles.unescape_titles)
            }
            Self::Games { from, titles, .. } => {
                data::find_preset(Preset::GAMES, &from.from, titles.unescape_titles)
            }
            Self::Movielens { from, .. } => data::find_movielens(&from.from),
            Self::Amazon { from, titles, amazon, .. } => Ok(Raw::Amazon {
                ratings: from.clone(),
                metadata: titles.clone(),
                unescape: amazon.unescape_titles,
            }),
            Self::Csv(args) => Ok(args.raw()),
        }
    }
}

impl CsvArgs {
    fn raw(&self) -> Raw {
        let titles = match &self.titles {
            Some(file) => Titles::File(file.clone()),
            None if self.titles_from_ids => Titles::Ids,
            None => Titles::Column,
        };
        let columns = Columns {
            user: self.user_column.clone(),
            item: self.item_column.clone(),
            time: self.time_column.clone(),
            title: self.title_column.clone(),
        };
        Raw::Csv { file: self.from.clone(), columns, titles }
    }
}

fn read(format: &Format, name: &str, printer: &Printer) -> Result<Prepared, UserError> {
    let target = format.target();
    if data::is_prepared(format.from()) {
        if target.k_core != MIN_INTERACTIONS || target.skip_bad_rows > 0 {
            return Err(UserError::usage(format!("{} holds a finished split", format.from().display()))
                .hint("it is taken as it is: leave out --k-core and --skip-bad-rows"));
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
