//! `llamarec train`: trains the first stage on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::{
    cli::Common,
    data,
    report::{Printer, UserError},
    train::{
        RunReport,
        retriever::{TrainConfig, train},
    },
};

/// Arguments of `llamarec train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Train the retriever, `LRURec`, and measure its best weights
    Retriever(RetrieverArgs),
}

#[derive(Debug, Args)]
struct RetrieverArgs {
    /// Folder of a data set (default: the embedded MovieLens data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File for the best weights; a report and a checkpoint are written beside it
    #[arg(long, value_name = "FILE", default_value = "runs/retriever.safetensors")]
    out: PathBuf,
    /// Dropout in all places
    #[arg(long, value_name = "P", default_value_t = 0.2)]
    dropout: f64,
    /// Decay of all weights but biases and norms
    #[arg(long, value_name = "RATE", default_value_t = 0.01)]
    weight_decay: f64,
    /// Windows a step
    #[arg(long, value_name = "N", default_value_t = 16)]
    batch_size: usize,
    /// How many of the newest items are read
    #[arg(long, value_name = "N", default_value_t = 200)]
    max_len: usize,
    /// Learning rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    lr: f64,
    /// Steps at most
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    steps: usize,
    /// Steps between validations
    #[arg(long, value_name = "N", default_value_t = 250)]
    validate_every: usize,
    /// Stop after so many validations without a better Recall@10
    #[arg(long, value_name = "N", default_value_t = 20)]
    patience: usize,
    /// Seed of weights, shuffling and dropout
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Go on from the checkpoint beside the weights
    #[arg(long)]
    resume: bool,
    /// Start anew although there are weights or a checkpoint; they are replaced
    #[arg(long, conflicts_with = "resume")]
    force: bool,
}

/// Gradients are clipped to this global norm, as in the reference.
const CLIP_NORM: f64 = 5.0;

/// Runs `llamarec train`.
pub fn run(args: &TrainArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    match &args.what {
        What::Retriever(args) => retriever(args, common, printer),
    }
}

fn retriever(args: &RetrieverArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let device = common.device.resolve()?;
    let dataset = data::load(args.data.as_deref())?;
    let config = TrainConfig {
        dropout: args.dropout,
        weight_decay: args.weight_decay,
        batch_size: args.batch_size,
        max_len: args.max_len,
        learning_rate: args.lr,
        clip_norm: CLIP_NORM,
        steps: args.steps,
        validate_every: args.validate_every,
        patience: args.patience,
        seed: args.seed,
    };
    config.validate()?;
    // Last of the checks: with --force it removes files.
    if !args.resume {
        make_room(&args.out, args.force)?;
    }
    let report = train(&dataset, &config, &device, &args.out, args.resume, printer)?;
    if common.json {
        printer.result(&serde_json::to_string(&report)?);
    } else {
        printer.result(&text(&report, args));
    }
    Ok(())
}

/// Refuses to begin a run over the files of another one, unless it is told to.
fn make_room(out: &Path, force: bool) -> anyhow::Result<()> {
    if out.is_dir() {
        let message = format!("--out {} is a folder", out.display());
        return Err(UserError::usage(message).hint("name a file, for example runs/mine.safetensors").into());
    }
    let beside = ["checkpoint", "metrics.json"].map(|extension| out.with_extension(extension));
    let files = [out.to_owned()].into_iter().chain(beside).filter(|file| file.exists());
    for file in files {
        if !force {
            let message = format!("{} is there already", file.display());
            let hint = "go on with --resume, start anew with --force, or name another --out";
            return Err(UserError::usage(message).hint(hint).into());
        }
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    Ok(())
}

fn text(report: &RunReport, args: &RetrieverArgs) -> String {
    let recall = report.test.recall_10;
    let hits = report.test.summary.at(10).map_or(0, |at| at.hits);
    format!(
        "{}; best step {} of {}, {:.0} s\n\
         test Recall@10 {:.4} ({hits} of {} users, 95 % interval {:.4} to {:.4}), NDCG@10 {:.4}\n\
         popularity {:.4}\n\
         weights {}",
        report.stopped,
        report.best_step,
        report.steps,
        report.seconds,
        recall.mean,
        report.test.summary.users,
        recall.low,
        recall.high,
        report.test.ndcg_10.mean,
        report.popularity.recall_10.mean,
        args.out.display(),
    )
}
