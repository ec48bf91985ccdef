//! `llamarec evaluate`: measures a trained retriever, with popularity beside it.

use std::{fmt::Write, path::PathBuf};

use clap::Args;
use serde::Serialize;
use shared::{
    metrics::{Interval, Metric},
    retriever::LruRec,
};

use crate::{
    cli::Common,
    data,
    report::{Printer, UserError},
    train::measure::{Measured, Part, difference, model_ranks, popularity_ranks},
};

/// Arguments of `llamarec evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Weights of the retriever
    #[arg(long, value_name = "FILE")]
    retriever: PathBuf,
    /// Folder of the data set (default: the embedded MovieLens data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which item of each user is to be found
    #[arg(long, value_enum, default_value_t = Part::Test)]
    split: Part,
}

/// The result, as printed with `--json`.
#[derive(Debug, Serialize)]
struct Evaluation {
    data: String,
    split: Part,
    retriever: Measured,
    popularity: Measured,
    /// Retriever minus popularity, paired over users.
    recall_10_difference: Interval,
    ndcg_10_difference: Interval,
}

/// Runs `llamarec evaluate`.
pub fn run(args: &EvaluateArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let device = common.device.resolve()?;
    let path = args.retriever.display();
    let bytes = std::fs::read(&args.retriever).map_err(|error| {
        UserError::input(format!("cannot read the retriever {path}: {error}"))
            .hint("train one with: llamarec train retriever --out FILE")
    })?;
    let model = LruRec::from_safetensors(&bytes, &device).map_err(|error| {
        UserError::input(format!("{path}: {error}")).hint("give a file that llamarec train retriever wrote")
    })?;
    let dataset = data::load(args.data.as_deref())?;
    let (known, items) = (model.config().num_items, dataset.catalog.len());
    if known != items {
        let message =
            format!("the retriever {path} knows {known} items, the data set {} has {items}", dataset.name);
        return Err(UserError::input(message).hint("give the --data it was trained on").into());
    }
    let ranks = model_ranks(&model, &dataset, args.split)?;
    let popular = popularity_ranks(&dataset, args.split);
    let evaluation = Evaluation {
        data: dataset.name,
        split: args.split,
        retriever: Measured::new(&ranks),
        popularity: Measured::new(&popular),
        recall_10_difference: difference(Metric::Recall(10), &ranks, &popular),
        ndcg_10_difference: difference(Metric::Ndcg(10), &ranks, &popular),
    };
    if common.json {
        printer.result(&serde_json::to_string(&evaluation)?);
    } else {
        printer.result(text(&evaluation).trim_end());
    }
    Ok(())
}

fn text(evaluation: &Evaluation) -> String {
    let mut text = format!(
        "{}: {} item of {} users among all items, seen ones left out\n\n",
        evaluation.data,
        evaluation.split.name(),
        evaluation.retriever.summary.users
    );
    for (name, measured) in [("retriever", &evaluation.retriever), ("popularity", &evaluation.popularity)] {
        let _ = writeln!(text, "{name:<12}{:>8}{:>8}{:>9}{:>9}{:>9}", "k", "hits", "Recall", "MRR", "NDCG");
        for at in &measured.summary.at {
            let (k, hits) = (at.k, at.hits);
            let _ =
                writeln!(text, "{:<12}{k:>8}{hits:>8}{:>9.4}{:>9.4}{:>9.4}", "", at.recall, at.mrr, at.ndcg);
        }
    }
    let lines = [
        ("Recall@10", evaluation.retriever.recall_10),
        ("NDCG@10", evaluation.retriever.ndcg_10),
        ("Recall@10 over popularity", evaluation.recall_10_difference),
        ("NDCG@10 over popularity", evaluation.ndcg_10_difference),
    ];
    let _ = writeln!(text, "\n95 % bootstrap intervals over users");
    for (name, interval) in lines {
        let Interval { mean, low, high } = interval;
        let _ = writeln!(text, "{name:<28}{mean:.4}  [{low:.4}, {high:.4}]");
    }
    text
}
