//! `llamarec train`: trains either stage on this machine.

mod ranker;
pub mod retriever;

use clap::{Args, Subcommand};

use crate::{cli::Common, report::Printer};

/// Arguments of `llamarec train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Train a retriever and measure its best weights
    #[command(after_help = retriever::EXAMPLES)]
    Retriever(Box<retriever::RetrieverArgs>),
    /// Fine-tune an adapter of the base model on a retriever's candidates
    #[command(after_help = ranker::EXAMPLES)]
    Ranker(Box<ranker::RankerArgs>),
}

/// Runs `llamarec train`.
pub fn run(args: &TrainArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    match &args.what {
        What::Retriever(args) => retriever::run(args, common, printer),
        What::Ranker(args) => ranker::run(args, common, printer),
    }
}
