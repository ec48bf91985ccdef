//! The command line: definitions only. `--help` is the reference; the work is in [`crate::commands`].

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use shared::scoring::Mode;

use crate::{
    commands,
    device::DeviceArg,
    report::{Printer, Verbosity},
};

/// Two-stage recommendation: LRURec proposes 20 items, a Llama ranks them in one forward pass.
#[derive(Debug, Parser)]
#[command(name = "llamarec", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Device that models run on
    #[arg(long, global = true, value_enum, default_value_t, env = "LLAMAREC_DEVICE")]
    pub device: DeviceArg,
    /// CPU threads (default: all cores)
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Print one JSON object on standard output instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Print nothing but results, warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prepare and inspect data sets
    Data(commands::data::DataArgs),
    /// Fetch and check the base model, or import another
    Model(commands::model::ModelArgs),
    /// Train a retriever
    Train(Box<commands::train::TrainArgs>),
    /// Measure a trained retriever on a data set
    Evaluate(commands::evaluate::EvaluateArgs),
    /// Train a retriever once for every combination of settings
    Sweep(commands::sweep::SweepArgs),
    /// Retrieve the best items of every user, as one file for the ranker
    Candidates(commands::candidates::CandidatesArgs),
    /// Put the results of runs beside the paper's tables
    Report(commands::report::ReportArgs),
    /// Recommend for a history of titles or a user of the data set
    Rank(commands::rank::RankArgs),
    /// One forward pass over any text: tokens, letter logits, top of the vocabulary
    Explain(commands::explain::ExplainArgs),
    /// Write the bundle that the page and `rank` read
    Export(commands::export::ExportArgs),
    /// Record what the page shows before any model is loaded
    Exhibit(commands::exhibit::ExhibitArgs),
    /// Build and serve the page
    Demo(commands::demo::DemoArgs),
    /// Measure this machine at the project's work
    Bench(commands::bench::BenchArgs),
    /// Say what this machine can do and what is missing
    Doctor(commands::doctor::DoctorArgs),
}

const EXAMPLES: &str = "\
Examples:
  llamarec demo                                     build everything and open the page
  llamarec rank --title \"Heat (1995)\" --title \"Toy Story (1995)\"
  llamarec data stats                               the embedded MovieLens data set
  llamarec explain --prompt-file prompt.txt --json  letter logits of any text

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 missing or unusable input, 4 no such device,
            130 and 143 ended by Ctrl-C and SIGTERM";

/// Parses the command line, runs the command, prints the error if there is one.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let verbosity = if cli.common.quiet { Verbosity::Quiet } else { Verbosity::Normal };
    let printer = Printer::new(verbosity);
    if let Some(threads) = cli.common.threads {
        crate::device::limit_threads(threads.into());
    }
    let result = match &cli.command {
        Command::Data(args) => commands::data::run(args, &cli.common, &printer),
        Command::Model(args) => commands::model::run(args, &cli.common, &printer),
        Command::Train(args) => commands::train::run(args, &cli.common, &printer),
        Command::Evaluate(args) => commands::evaluate::run(args, &cli.common, &printer),
        Command::Sweep(args) => commands::sweep::run(args, &cli.common, &printer),
        Command::Candidates(args) => commands::candidates::run(args, &cli.common, &printer),
        Command::Report(args) => commands::report::run(args, &cli.common, &printer),
        Command::Rank(args) => commands::rank::run(args, &cli.common, &printer),
        Command::Explain(args) => commands::explain::run(args, &cli.common, &printer),
        Command::Exhibit(args) => commands::exhibit::run(args, &cli.common, &printer),
        Command::Export(args) => commands::export::run(args, &cli.common, &printer),
        Command::Demo(args) => commands::demo::run(args, &cli.common, &printer),
        Command::Bench(args) => commands::bench::run(args, &cli.common, &printer),
        Command::Doctor(args) => commands::doctor::run(args, &cli.common, &printer),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => printer.error(&error),
    }
}

/// Reads a mode of scoring by its name.
///
/// # Errors
/// The names there are.
pub fn scoring_mode(text: &str) -> Result<Mode, String> {
    serde_json::from_value(text.into()).map_err(|_| "give pointwise or letters".to_owned())
}
