//! `llamarec evaluate`: measures either stage on a data set.

mod ranker;
mod retriever;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{
    cli::Common,
    data::{self, Dataset},
    report::{Printer, UserError},
    train::measure::Part,
};

pub use retriever::{check_data, load_retrievers};

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
    /// Also measure, or measure instead, as the paper's code does, for comparison with published numbers
    #[arg(long, value_enum)]
    compat: Option<Compat>,
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

/// What the paper's code does otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compat {
    /// Retriever: also means of the means of batches of users; a short last batch weighs too much
    BatchMean,
    /// Ranker: letters are read as tokens of their own, not as those that follow the prompt
    ReferenceVerbalizer,
}

const EXAMPLES: &str = "\
Examples:
  llamarec evaluate --retriever runs/movielens/lrurec --retriever runs/movielens/sasrec
  llamarec evaluate --stage ranker --candidates games.candidates --adapter runs/games-ranker --data games";

/// Runs `llamarec evaluate`.
pub fn run(args: &EvaluateArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    // What is given for the other stage would be ignored, and the figures taken for that stage's.
    match args.stage {
        Stage::Retriever => {
            if let Some(name) = args.ranker.given() {
                let message = format!("{name} is about the ranker");
                return Err(UserError::usage(message).hint("give: --stage ranker").into());
            }
        }
        Stage::Ranker => {
            if let Some(name) = args.retriever.given() {
                let message = format!("{name} is about the retriever");
                let hint = "leave it out: the ranker is measured over the --candidates of a retriever";
                return Err(UserError::usage(message).hint(hint).into());
            }
        }
    }
    let dataset: Dataset = data::load(args.data.as_deref())?;
    match (args.stage, args.compat) {
        (Stage::Retriever, None | Some(Compat::BatchMean)) => {
            let batch_mean = args.compat.is_some();
            retriever::run(&args.retriever, &dataset, args.split, batch_mean, common, printer)
        }
        (Stage::Ranker, None | Some(Compat::ReferenceVerbalizer)) => {
            let like_reference = args.compat.is_some();
            ranker::run(&args.ranker, &dataset, args.split, like_reference, common, printer)
        }
        (Stage::Retriever, Some(Compat::ReferenceVerbalizer)) => {
            let message = "--compat reference-verbalizer is about the ranker";
            Err(UserError::usage(message).hint("give: --stage ranker").into())
        }
        (Stage::Ranker, Some(Compat::BatchMean)) => {
            let message = "--compat batch-mean is about the retriever";
            Err(UserError::usage(message).hint("leave out: --stage ranker").into())
        }
    }
}
