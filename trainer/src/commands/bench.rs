//! `llamarec bench`: measures this machine at the project's work.

use std::{fmt::Display, path::PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use shared::{CANDIDATES, PROMPT_HISTORY, catalog::ItemId, prompt::Prompt};

use super::{base::BaseArgs, explain::read_prompt};
use crate::{
    bench::{
        figure3::{Figure3, Race},
        rank::{Alike, RankBench},
        retrieve::{Plan, RetrieveBench},
    },
    cli::Common,
    data,
    files::write_atomic,
    memory,
    report::{Printer, UserError},
};

/// Arguments of `llamarec bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One forward pass of the ranker over a prompt, and what is left of it when the history was read before
    Rank(RankArgs),
    /// One ranking through the verbalizer beside writing it out, for longer and longer titles (the paper's Figure 3)
    Figure3(Figure3Args),
    /// Find the best 20 of a large catalogue; add one item to a history
    Retrieve(RetrieveArgs),
}

#[derive(Debug, Args)]
struct RankArgs {
    /// File with the prompt, `-` is standard input (default: the paper's prompt with the 20 first and the 20 next titles of the embedded data)
    #[arg(long, value_name = "F")]
    prompt_file: Option<PathBuf>,
    /// Measured passes after the first, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    #[command(flatten)]
    base: BaseArgs,
}

#[derive(Debug, Args)]
struct Figure3Args {
    /// Tokens of each title
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_values_t = [5, 10, 15, 20, 25], value_parser = clap::value_parser!(u16).range(1..=64))]
    lengths: Vec<u16>,
    /// Measured rankings of each length, of which the median counts; they are written out once
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// File for the figure
    #[arg(long, value_name = "F.svg")]
    out: Option<PathBuf>,
    #[command(flatten)]
    base: BaseArgs,
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
    match &args.what {
        What::Rank(args) => print(&rank(args, common)?, common, printer),
        What::Figure3(args) => {
            let figure = figure3(args, common, printer)?;
            print(&figure, common, printer)?;
            // Last: a file that cannot be written costs nothing that was measured.
            args.out.as_ref().map_or(Ok(()), |out| write_atomic(out, figure.svg()?.as_bytes()))
        }
        What::Retrieve(args) => print(&retrieve(args, common)?, common, printer),
    }
}

fn figure3(args: &Figure3Args, common: &Common, printer: &Printer) -> anyhow::Result<Figure3> {
    let ranker = args.base.load_for_letters(common.device)?;
    let dataset = data::load(None)?;
    let count = PROMPT_HISTORY + CANDIDATES;
    let titles: Vec<&str> = (1..=count).map(|n| dataset.catalog.title(ItemId(n as u32))).collect();
    let lengths: Vec<usize> = args.lengths.iter().map(|&length| length.into()).collect();
    let progress = |race: &Race| {
        printer.note(&format!("titles of {} tokens: {:.1} times as long", race.title_tokens, race.ratio));
    };
    Figure3::run(&ranker, &titles, &lengths, args.repeats.into(), common.device.name(), progress)
}

fn print<B: Serialize + Display>(bench: &B, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    if common.json {
        printer.result(&serde_json::to_string(bench)?);
    } else {
        printer.result(bench.to_string().trim_end());
    }
    Ok(())
}

fn rank(args: &RankArgs, common: &Common) -> anyhow::Result<RankBench> {
    let (prompt, alike) = match &args.prompt_file {
        Some(file) => (read_prompt(file)?, None),
        None => example().map(|(prompt, alike)| (prompt, Some(alike)))?,
    };
    let ranker = args.base.load_for_letters(common.device)?;
    RankBench::run(&ranker, &prompt, alike.as_ref(), args.repeats.into(), common.device.name())
}

/// The paper's prompt, with as many titles as it shows; other candidates behind the same history, and [`ORDERS`] orders of
/// the same ones.
fn example() -> anyhow::Result<(String, Alike)> {
    let dataset = data::load(None)?;
    let titles = |first: usize, count: usize| -> Vec<&str> {
        (first..first + count).map(|n| dataset.catalog.title(ItemId(n as u32 + 1))).collect()
    };
    let history = titles(0, PROMPT_HISTORY);
    let prompt = |candidates: &[&str]| Prompt::render(&history, candidates).text;
    let mut candidates = titles(PROMPT_HISTORY, CANDIDATES);
    let first = prompt(&candidates);
    let orders = (0..ORDERS).map(|_| {
        candidates.rotate_left(CANDIDATES / ORDERS);
        prompt(&candidates)
    });
    let orders = orders.collect();
    Ok((first, Alike { other: prompt(&titles(PROMPT_HISTORY + CANDIDATES, CANDIDATES)), orders }))
}

/// Orders of the candidates that are asked about at once.
const ORDERS: usize = 8;

fn retrieve(args: &RetrieveArgs, common: &Common) -> anyhow::Result<RetrieveBench> {
    let table = 4 * u64::from(args.items) * u64::from(args.d_model);
    if let Some(total) = memory::total().filter(|&total| table > total) {
        let message = format!(
            "--items {} with --d-model {} is a table of {:.0} GB, this machine has {:.0} GB of memory",
            args.items,
            args.d_model,
            table as f64 / 1e9,
            total as f64 / 1e9
        );
        return Err(UserError::usage(message).hint("make one of them smaller").into());
    }
    let device = common.device.resolve()?;
    let plan = Plan {
        items: args.items as usize,
        d_model: args.d_model.into(),
        batches: args.batch.iter().map(|&batch| batch.into()).collect(),
        lengths: args.length.iter().map(|&length| length.into()).collect(),
        repeats: args.repeats.into(),
    };
    RetrieveBench::run(&plan, &device, common.device.name())
}
