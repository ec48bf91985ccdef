//! `llamarec sweep`: one run for every combination of settings, in processes of their own.

use std::path::PathBuf;

use clap::Args;

use super::train::retriever::layers;
use crate::{
    cli::Common,
    data,
    device::DeviceArg,
    report::{Printer, UserError},
    sweep::{Axis, Sweep},
};

const EXAMPLES: &str = "\
Examples:
  llamarec sweep --recipe ml-100k --data ml-latest-small \\
      --vary dropout=0.1,0.2,0.3,0.4,0.5 --vary weight_decay=0,0.01 --vary seed=1,2,3
  llamarec sweep --recipe beauty --data beauty --vary model=lrurec,sasrec --jobs 2 --threads 1";

/// Arguments of `llamarec sweep`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SweepArgs {
    /// Folder of a data set (default: the embedded MovieLens data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for the runs and their table (default: runs/<data set>-sweep)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Settings to start from: movielens, ml-100k, beauty, games, or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    recipe: Option<String>,
    /// A setting and the values it takes; given several times, all combinations
    #[arg(long, value_name = "KEY=V1,V2,...", required = true)]
    vary: Vec<Axis>,
    /// Runs at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Cards that the runs share with --device cuda, one a run: numbers as in CUDA_VISIBLE_DEVICES
    #[arg(long, value_name = "N,N,...", value_delimiter = ',')]
    cards: Vec<u16>,
    /// List the runs and where they stand; start none
    #[arg(long)]
    dry_run: bool,
}

/// Runs `llamarec sweep`.
pub fn run(args: &SweepArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    if !args.cards.is_empty() && common.device != DeviceArg::Cuda {
        let message = format!("--cards is about CUDA cards, the runs are on {}", common.device.name());
        return Err(UserError::usage(message).hint("give --device cuda, or leave --cards out").into());
    }
    let dataset = data::load(args.data.as_deref())?;
    let base = layers(args.recipe.as_deref())?;
    for (n, axis) in args.vary.iter().enumerate() {
        if args.vary[..n].iter().any(|other| other.key == axis.key) {
            let message = format!("--vary {} is given twice", axis.key);
            return Err(UserError::usage(message).hint("name all values of a setting in one --vary").into());
        }
    }
    let out =
        args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(format!("{}-sweep", dataset.name)));
    // Every combination is tried before the first run starts.
    let sweep = Sweep::new(&out, &args.vary, &base, &dataset)?;
    let ran = if args.dry_run {
        Ok(())
    } else {
        sweep.run(&sweep_options(args, common), usize::from(args.jobs), &args.cards, printer)
    };
    // What did run is told even where something failed.
    let table = sweep.table()?;
    if !args.dry_run {
        table.write(&out)?;
    }
    if common.json {
        printer.result(&serde_json::to_string(&table)?);
    } else {
        printer.result(table.to_string().trim_end());
    }
    ran
}

/// The options that all runs share.
fn sweep_options(args: &SweepArgs, common: &Common) -> Vec<String> {
    let mut options = vec!["--device".to_owned(), common.device.name().to_owned()];
    let mut push = |name: &str, value: String| options.extend([name.to_owned(), value]);
    if let Some(data) = &args.data {
        push("--data", data.display().to_string());
    }
    if let Some(recipe) = &args.recipe {
        push("--recipe", recipe.clone());
    }
    if let Some(threads) = common.threads {
        push("--threads", threads.to_string());
    }
    options
}
