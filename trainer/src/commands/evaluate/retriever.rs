//! `llamarec evaluate --retriever`: a trained retriever over the whole catalogue, with popularity beside it.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use clap::Args;
use serde::Serialize;
use shared::{
    CANDIDATES,
    metrics::{AtCutoff, Interval, Metric, Summary},
    retriever::Retriever,
};

use crate::{
    cli::Common,
    data::Dataset,
    report::{Printer, UserError},
    run_dir::{METRICS, weights_of},
    train::{
        DataUsed, RunReport,
        measure::{Measured, Part, difference, model_ranks, popularity_ranks},
    },
};

/// Options that are about the retriever.
#[derive(Debug, Args)]
#[command(next_help_heading = "Retriever")]
pub(super) struct RetrieverArgs {
    /// Weights of a retriever or the folder of its run; given several times, the ensemble of them
    #[arg(long, value_name = "PATH")]
    retriever: Vec<PathBuf>,
    /// Another retriever to compare with, user by user; given several times, an ensemble
    #[arg(long, value_name = "PATH")]
    against: Vec<PathBuf>,
    /// Users a batch with --compat batch-mean: the paper has 16 on ML-100k, 64 elsewhere [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    compat_batch: Option<u16>,
}

impl RetrieverArgs {
    /// An option that was given, if any was.
    pub fn given(&self) -> Option<&'static str> {
        let options = [
            ("--retriever", !self.retriever.is_empty()),
            ("--against", !self.against.is_empty()),
            ("--compat-batch", self.compat_batch.is_some()),
        ];
        options.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
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
    /// Users whose item is among the candidates, and the measures on them alone.
    subset: Summary,
    against: Option<Against>,
    /// Means of batch means, for comparison with published numbers only.
    batch_mean: Option<Summary>,
}

/// Another retriever, and this one minus it, paired over users.
#[derive(Debug, Serialize)]
struct Against {
    retriever: Measured,
    recall_10_difference: Interval,
    ndcg_10_difference: Interval,
    recall_20_difference: Interval,
}

/// Measures a retriever over the whole catalogue, with popularity beside it.
pub(super) fn run(
    args: &RetrieverArgs,
    dataset: &Dataset,
    split: Part,
    batch_mean: bool,
    common: &Common,
    printer: &Printer,
) -> anyhow::Result<()> {
    if args.retriever.is_empty() {
        return Err(UserError::usage("no retriever is named").hint("give --retriever PATH").into());
    }
    if args.compat_batch.is_some() && !batch_mean {
        let message = "--compat-batch is about means of batches";
        return Err(UserError::usage(message).hint("give: --compat batch-mean").into());
    }
    let device = common.device.resolve()?;
    let ranks_of = |paths: &[PathBuf]| -> anyhow::Result<Vec<usize>> {
        model_ranks(&load_retrievers(paths, dataset, &device)?, dataset, split)
    };
    let ranks = ranks_of(&args.retriever)?;
    let against = if args.against.is_empty() { None } else { Some(ranks_of(&args.against)?) };
    let popular = popularity_ranks(dataset, split);
    let found: Vec<usize> = ranks.iter().copied().filter(|&rank| rank < CANDIDATES).collect();
    let evaluation = Evaluation {
        split,
        retriever: Measured::new(&ranks),
        popularity: Measured::new(&popular),
        recall_10_difference: difference(Metric::Recall(10), &ranks, &popular),
        ndcg_10_difference: difference(Metric::Ndcg(10), &ranks, &popular),
        subset: Summary::new(&found),
        against: against.map(|other| Against {
            retriever: Measured::new(&other),
            recall_10_difference: difference(Metric::Recall(10), &ranks, &other),
            ndcg_10_difference: difference(Metric::Ndcg(10), &ranks, &other),
            recall_20_difference: difference(Metric::Recall(20), &ranks, &other),
        }),
        batch_mean: batch_mean
            .then(|| Summary::of_batches(&ranks, args.compat_batch.map_or(16, usize::from))),
        data: dataset.name.clone(),
    };
    if common.json {
        printer.result(&serde_json::to_string(&evaluation)?);
    } else {
        printer.result(text(&evaluation).trim_end());
    }
    Ok(())
}

/// Reads the members of an ensemble, each of which must know the data set's items.
///
/// # Errors
/// A file that is none, or one of other data.
pub fn load_retrievers(
    paths: &[PathBuf],
    dataset: &Dataset,
    device: &Device,
) -> anyhow::Result<Vec<Retriever>> {
    paths.iter().map(|path| load(path, dataset, device)).collect()
}

fn load(path: &Path, dataset: &Dataset, device: &Device) -> anyhow::Result<Retriever> {
    let path = weights_of(path);
    let name = path.display();
    let bytes = std::fs::read(&path).map_err(|error| {
        UserError::input(format!("cannot read the retriever {name}: {error}"))
            .hint("train one with: llamarec train retriever")
    })?;
    let model = Retriever::from_safetensors(&bytes, device).map_err(|error| {
        UserError::input(format!("{name}: {error}")).hint("give a file that llamarec train retriever wrote")
    })?;
    let (known, items) = (model.config().num_items, dataset.catalog.len());
    if known != items {
        let message =
            format!("the retriever {name} knows {known} items, the data set {} has {items}", dataset.name);
        return Err(UserError::input(message).hint("give the --data it was trained on").into());
    }
    check_data(&path, dataset)?;
    Ok(model)
}

/// As many items are not the same items: the run that made the weights, if they lie in its folder, knows its data.
///
/// # Errors
/// Weights of a run on other data.
pub fn check_data(weights: &Path, dataset: &Dataset) -> Result<(), UserError> {
    let report = std::fs::read(weights.with_file_name(METRICS)).ok();
    let Some(report) = report.and_then(|text| serde_json::from_slice::<RunReport>(&text).ok()) else {
        return Ok(());
    };
    let data = DataUsed::of(dataset);
    if report.data.sequences_sha256 == data.sequences_sha256 {
        return Ok(());
    }
    let message = format!(
        "the retriever {} was trained on other data: {} with {} interactions, not this {} with {}",
        weights.display(),
        report.data.name,
        report.data.interactions,
        data.name,
        data.interactions
    );
    Err(UserError::input(message).hint("give the --data it was trained on"))
}

fn text(evaluation: &Evaluation) -> String {
    let mut text = format!(
        "{}: {} item of {} users among all items, seen ones left out\n\n",
        evaluation.data,
        evaluation.split.name(),
        evaluation.retriever.summary.users
    );
    table(&mut text, "retriever", &evaluation.retriever.summary);
    if let Some(against) = &evaluation.against {
        table(&mut text, "against", &against.retriever.summary);
    }
    table(&mut text, "popularity", &evaluation.popularity.summary);
    let found = evaluation.subset.users;
    let _ = writeln!(text, "\nof the {found} users whose item is among the {CANDIDATES} candidates");
    table(&mut text, "retriever", &evaluation.subset);
    if let Some(summary) = &evaluation.batch_mean {
        let _ = writeln!(text, "\nmeans of batch means, for comparison with the paper's retriever rows only");
        table(&mut text, "retriever", summary);
    }
    let mut lines = vec![
        ("Recall@10", evaluation.retriever.recall_10),
        ("NDCG@10", evaluation.retriever.ndcg_10),
        ("Recall@10 over popularity", evaluation.recall_10_difference),
        ("NDCG@10 over popularity", evaluation.ndcg_10_difference),
    ];
    if let Some(against) = &evaluation.against {
        lines.extend([
            ("Recall@10 over the other", against.recall_10_difference),
            ("NDCG@10 over the other", against.ndcg_10_difference),
            ("Recall@20 over the other", against.recall_20_difference),
        ]);
    }
    let _ = writeln!(text, "\n95 % bootstrap intervals over users");
    for (name, interval) in lines {
        let Interval { mean, low, high } = interval;
        let _ = writeln!(text, "{name:<28}{mean:.4}  [{low:.4}, {high:.4}]");
    }
    text
}

fn table(text: &mut String, name: &str, summary: &Summary) {
    let _ = writeln!(text, "{name:<12}{:>8}{:>8}{:>9}{:>9}{:>9}", "k", "hits", "Recall", "MRR", "NDCG");
    for AtCutoff { k, hits, recall, mrr, ndcg } in &summary.at {
        let _ = writeln!(text, "{:<12}{k:>8}{hits:>8}{recall:>9.4}{mrr:>9.4}{ndcg:>9.4}", "");
    }
}
