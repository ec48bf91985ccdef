//! `llamarec bench`: measures this machine at the project's work.

use clap::{Args, Subcommand};

use crate::{
    bench::retrieve::{Plan, RetrieveBench},
    cli::Common,
    report::Printer,
};

/// Arguments of `llamarec bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Find the best 20 of a large catalogue; add one item to a history
    Retrieve(RetrieveArgs),
}

#[derive(Debug, Args)]
struct RetrieveArgs {
    /// Items of the catalogue
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    items: u32,
    /// Width of the embedding
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    d_model: u16,
    /// Histories at a time
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_values_t = [1, 64], value_parser = clap::value_parser!(u16).range(1..))]
    batch: Vec<u16>,
    /// Lengths of the history that one item is added to
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_values_t = [10, 50, 200, 1000], value_parser = clap::value_parser!(u16).range(1..))]
    length: Vec<u16>,
    /// Measured calls, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
}

/// Runs `llamarec bench`.
pub fn run(args: &BenchArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let What::Retrieve(args) = &args.what;
    let device = common.device.resolve()?;
    let plan = Plan {
        items: args.items as usize,
        d_model: args.d_model.into(),
        batches: args.batch.iter().map(|&batch| batch.into()).collect(),
        lengths: args.length.iter().map(|&length| length.into()).collect(),
        repeats: args.repeats.into(),
    };
    let bench = RetrieveBench::run(&plan, &device, common.device.name())?;
    if common.json {
        printer.result(&serde_json::to_string(&bench)?);
    } else {
        printer.result(bench.to_string().trim_end());
    }
    Ok(())
}
