//! `llamarec evaluate`: measures either stage on a data set.

mod ranker;
mod retriever;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{
    cli::Common,
    data::{self, Dataset},
    report::Printer,
    train::measure::Part,
};

pub use retriever::load_retrievers;

/// Arguments of `llamarec evaluate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct EvaluateArgs {
    /// What is measured: the retriever over the whole catalogue, or the ranker over its candidates
    #[arg(long, value_enum, default_value_t = Stage::Retriever)]
    stage: Stage,
    /// Folder of the data set (default: the embedded MovieLens data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which item of each user is to be found
    #[arg(long, value_enum, default_value_t = Part::Test)]
    split: Part,
    #[command(flatten)]
    retriever: retriever::RetrieverArgs,
    #[command(flatten)]
    ranker: ranker::RankerArgs,
}

/// One of the two stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// Proposes candidates
    Retriever,
    /// Orders them
    Ranker,
}

const EXAMPLES: &str = "\
Examples:
  llamarec evaluate --retriever runs/movielens/lrurec --retriever runs/movielens/sasrec
  llamarec evaluate --stage ranker --candidates games.candidates --adapter runs/games-ranker --data games";

/// Runs `llamarec evaluate`.
pub fn run(args: &EvaluateArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let dataset: Dataset = data::load(args.data.as_deref())?;
    match args.stage {
        Stage::Retriever => retriever::run(&args.retriever, &dataset, args.split, common, printer),
        Stage::Ranker => ranker::run(&args.ranker, &dataset, args.split, common, printer),
    }
}
