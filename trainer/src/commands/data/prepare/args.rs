//! The arguments of `llamarec data prepare`, and the raw data that they name.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::{
    data::{self, Columns, MIN_INTERACTIONS, Preset, Raw, SHORTEST, Titles},
    report::UserError,
};

/// Arguments of `llamarec data prepare`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PrepareArgs {
    #[command(subcommand)]
    pub(super) format: Format,
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

/// Columns of user, item, time and title, if nobody says otherwise.
const COLUMNS: [&str; 4] = ["user", "item", "time", "title"];

#[derive(Debug, Subcommand)]
pub(super) enum Format {
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
pub(super) struct FromFolder {
    /// Folder with the files, compressed (.gz) or not, or with a finished sequences.tsv.gz and items.jsonl.gz
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct AmazonTitles {
    /// Decode HTML entities in titles (`&amp;`); the reference keeps them
    #[arg(long)]
    unescape_titles: bool,
}

#[derive(Debug, Args)]
pub(super) struct CsvArgs {
    /// Interactions: user, item, time and perhaps title (.csv or .csv.gz)
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Titles in a file of their own: item and title
    #[arg(long, value_name = "FILE", conflicts_with = "titles_from_ids")]
    titles: Option<PathBuf>,
    /// Let the raw item ids stand for titles
    #[arg(long, conflicts_with = "title_column")]
    titles_from_ids: bool,
    /// Column of the user
    #[arg(long, value_name = "NAME", default_value = COLUMNS[0])]
    user_column: String,
    /// Column of the item
    #[arg(long, value_name = "NAME", default_value = COLUMNS[1])]
    item_column: String,
    /// Column of the time: whole numbers, for example Unix seconds
    #[arg(long, value_name = "NAME", default_value = COLUMNS[2])]
    time_column: String,
    /// Column of the title
    #[arg(long, value_name = "NAME", default_value = COLUMNS[3])]
    title_column: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Target {
    /// Folder to write; it is made if needed
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Name of the data set (default: the name of the folder)
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Fewest interactions of every user and every item
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(SHORTEST as i64..))]
    #[arg(default_value_t = MIN_INTERACTIONS)]
    pub(super) k_core: u32,
    /// Leave out up to N rows that cannot be read
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) skip_bad_rows: u64,
    /// Replace the prepared data set in the folder
    #[arg(long)]
    pub(super) force: bool,
}

impl Format {
    pub(super) fn target(&self) -> &Target {
        match self {
            Self::Ml100k { target, .. }
            | Self::Beauty { target, .. }
            | Self::Games { target, .. }
            | Self::Movielens { target, .. }
            | Self::Amazon { target, .. } => target,
            Self::Csv(args) => &args.target,
        }
    }

    pub(super) fn from(&self) -> &Path {
        match self {
            Self::Ml100k { from, .. }
            | Self::Beauty { from, .. }
            | Self::Games { from, .. }
            | Self::Movielens { from, .. } => &from.from,
            Self::Amazon { from, .. } => from,
            Self::Csv(args) => &args.from,
        }
    }

    pub(super) fn preset(&self) -> Option<Preset> {
        match self {
            Self::Ml100k { .. } => Some(Preset::ML_100K),
            Self::Beauty { .. } => Some(Preset::BEAUTY),
            Self::Games { .. } => Some(Preset::GAMES),
            _ => None,
        }
    }

    pub(super) fn unescapes_titles(&self) -> bool {
        match self {
            Self::Beauty { titles, .. } | Self::Games { titles, .. } => titles.unescape_titles,
            Self::Amazon { amazon, .. } => amazon.unescape_titles,
            Self::Ml100k { .. } | Self::Movielens { .. } | Self::Csv(_) => false,
        }
    }

    /// Options that say how raw data are read, and whether they were given.
    pub(super) fn of_raw_data(&self) -> Vec<(&'static str, bool)> {
        match self {
            Self::Amazon { .. } => vec![("--titles", true)],
            Self::Csv(args) => vec![
                ("--titles", args.titles.is_some()),
                ("--titles-from-ids", args.titles_from_ids),
                ("--user-column", args.user_column != COLUMNS[0]),
                ("--item-column", args.item_column != COLUMNS[1]),
                ("--time-column", args.time_column != COLUMNS[2]),
                ("--title-column", args.title_column != COLUMNS[3]),
            ],
            Self::Ml100k { .. } | Self::Beauty { .. } | Self::Games { .. } | Self::Movielens { .. } => {
                Vec::new()
            }
        }
    }

    pub(super) fn raw(&self) -> Result<Raw, UserError> {
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
