//! `llamarec train`: trains either stage on this machine.

mod ranker;
pub mod retriever;

use std::path::PathBuf;

use clap::{Args, Subcommand, builder::RangedU64ValueParser};

use crate::{cli::Common, interrupt, report::Printer};

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

/// Seeds are kept in recipes, whose whole numbers go up to 2^63 - 1.
fn seeds() -> RangedU64ValueParser {
    clap::value_parser!(u64).range(..=i64::MAX as u64)
}

/// Whoever ends a run hears whether it can go on.
fn say_how_to_go_on(checkpoint: PathBuf, printer: &Printer) {
    let printer = *printer;
    interrupt::before_end(move || {
        printer.note(if checkpoint.exists() {
            "stopped; the same command with --resume, in the place of --force and --start, goes on from the last checkpoint"
        } else {
            "stopped before the first checkpoint: there is nothing to go on from; begin anew, with --force if it asks for it"
        });
    });
}
