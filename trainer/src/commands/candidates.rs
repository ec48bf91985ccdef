//! `llamarec candidates`: the retriever's best items for every user, as one compact file for the ranker.

use std::{fmt::Write, fs, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::evaluate::load_retrievers;
use crate::{
    candidates::{Candidates, Source, prefixes},
    cli::Common,
    data, fetch,
    report::Printer,
    run_dir::weights_of,
    train::{DataUsed, measure::Part},
};

/// Arguments of `llamarec candidates`.
#[derive(Debug, Args)]
pub struct CandidatesArgs {
    /// Weights of a retriever or the folder of its run; given several times, the ensemble of them
    #[arg(long, value_name = "PATH", required = true)]
    retriever: Vec<PathBuf>,
    /// Folder of the data set (default: the embedded MovieLens data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File to write, in the place of what is there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Candidates a history, at most the number of items
    #[arg(long, value_name = "K", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: u16,
    /// Also for every prefix of every training sequence, as hard negatives
    #[arg(long)]
    train: bool,
}

/// What was written, as printed with `--json`.
#[derive(Debug, Serialize)]
struct Written {
    out: PathBuf,
    bytes: u64,
    users: usize,
    k: usize,
    /// Users whose validation, or test, item is among the candidates.
    valid_hits: usize,
    test_hits: usize,
    prefixes: Option<usize>,
    /// Prefixes whose next item is among the candidates. The retriever was trained on these items.
    prefix_hits: Option<usize>,
}

/// Runs `llamarec candidates`.
pub fn run(args: &CandidatesArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let device = common.device.resolve()?;
    let dataset = data::load(args.data.as_deref())?;
    let models = load_retrievers(&args.retriever, &dataset, &device)?;
    let mut retrievers_sha256 = Vec::with_capacity(models.len());
    for path in &args.retriever {
        retrievers_sha256.push(fetch::sha256(fs::read(weights_of(path))?.as_slice(), |_| ())?);
    }
    // No history has more.
    let k = usize::from(args.top).min(dataset.catalog.len());
    let source = Source {
        data: dataset.name.clone(),
        sequences_sha256: DataUsed::of(&dataset).sequences_sha256,
        retrievers_sha256,
        k,
    };
    if args.train {
        printer.note(&format!("{} training prefixes", prefixes(&dataset).count()));
    }
    let candidates = Candidates::retrieve(&models, &dataset, source, args.train, printer)?;
    candidates.save(&args.out)?;

    let hits =
        |part: Part, table: &crate::candidates::CandidateTable| table.hits(|user| part.of(&dataset, user).1);
    let prefix_hits = candidates.train.as_ref().map(|(prefixes, table)| {
        table.hits(|row| dataset.sequences[prefixes[row].user][prefixes[row].length])
    });
    let written = Written {
        out: args.out.clone(),
        bytes: fs::metadata(&args.out)?.len(),
        users: candidates.test.rows(),
        k,
        valid_hits: hits(Part::Valid, &candidates.valid),
        test_hits: hits(Part::Test, &candidates.test),
        prefixes: candidates.train.as_ref().map(|(prefixes, _)| prefixes.len()),
        prefix_hits,
    };
    if common.json {
        printer.result(&serde_json::to_string(&written)?);
    } else {
        printer.result(&text(&written));
    }
    Ok(())
}

fn text(written: &Written) -> String {
    let Written { out, bytes, users, k, valid_hits, test_hits, .. } = written;
    let mut text = format!(
        "{}: {:.1} MB, the {k} best items of {users} users\n\
         validation items among them {valid_hits}, test items {test_hits}",
        out.display(),
        *bytes as f64 / 1e6,
    );
    if let (Some(prefixes), Some(hits)) = (written.prefixes, written.prefix_hits) {
        let _ = write!(
            text,
            "\ntraining prefixes {prefixes}, with their next item among them {hits} (it was trained on)"
        );
    }
    text
}
