//! `llamarec exhibit`: records what the page shows before any model is loaded.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context;
use clap::Args;
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use shared::{
    CANDIDATES,
    catalog::ItemId,
    exhibit::{Example, Gain, Measured, Results},
    recommender::{Options, Recommender},
    scoring::Mode,
    trace::{Asking, Trace},
    tuned::TunedFor,
};

use super::base::BaseArgs;
use crate::{
    bundle::{self, Bundle},
    cli::Common,
    paper,
    report::{Printer, UserError},
    train::{measure::Part, ranker::Evaluation},
};

/// Tastes to record if none are given.
const EXAMPLES: &str = include_str!("../../recipes/examples.toml");
/// The command whose result stands beside the paper's.
const COMMAND: &str = "llamarec evaluate --stage ranker";
/// How many of the vocabulary's tokens a record keeps.
const TOP: usize = 20;
/// In how many orders the candidates are asked about.
const ORDERS: usize = 8;

/// Arguments of `llamarec exhibit`.
#[derive(Debug, Args)]
pub struct ExhibitArgs {
    /// Folder of the bundle: both stages run with its models, and the records are added to it
    #[arg(long, value_name = "DIR", default_value = "public/models/movielens")]
    bundle: PathBuf,
    /// Tastes to record, a TOML file of tables [[example]] with name and titles (default: five for MovieLens)
    #[arg(long, value_name = "FILE")]
    examples: Option<PathBuf>,
    /// What `llamarec evaluate --stage ranker --json` printed of the bundle's models, for the page's table of results (default:
    /// those that the bundle has stay)
    #[arg(long, value_name = "FILE")]
    measures: Option<PathBuf>,
    #[command(flatten)]
    base: BaseArgs,
}

/// The file of tastes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tastes {
    example: Vec<Taste>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Taste {
    name: String,
    titles: Vec<String>,
}

/// Runs `llamarec exhibit`.
pub fn run(args: &ExhibitArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let tastes = tastes(args.examples.as_deref())?;
    let bundle = bundle::load(Some(&args.bundle))?;
    let results = args.measures.as_deref().map(|path| results(path, &bundle)).transpose()?;
    let Bundle { mut recommender, adapters, .. } = bundle;
    let histories = tastes
        .iter()
        .map(|taste| history(taste, &recommender))
        .collect::<anyhow::Result<Vec<Vec<ItemId>>>>()?;
    let ranker = args.base.load(&adapters, common.device)?;
    recommender.set_ranker(Some(ranker), common.device.name().to_owned());
    let mut examples = Vec::new();
    for (taste, history) in tastes.into_iter().zip(histories) {
        let example = record(taste.name, &recommender, &history)?;
        let first = example.shipped.ranking.first().map_or("", |line| &line.title);
        printer.note(&format!("{}: {} films, first {first}", example.name, history.len()));
        examples.push(example);
    }
    bundle::add_exhibits(&args.bundle, &examples, results.as_ref())?;
    let rows = results.map_or(0, |results| results.rows.len());
    printer.result(&if common.json {
        serde_json::json!({ "bundle": args.bundle, "examples": examples.len(), "results": rows }).to_string()
    } else {
        format!("{}: {} examples, {rows} rows of results", args.bundle.display(), examples.len())
    });
    Ok(())
}

fn tastes(file: Option<&Path>) -> anyhow::Result<Vec<Taste>> {
    let (text, name) = match file {
        None => (EXAMPLES.to_owned(), "the built-in examples".to_owned()),
        Some(path) => (read(path)?, path.display().to_string()),
    };
    let unusable = |why: String| {
        UserError::input(format!("{name}: {why}"))
            .hint("write tables [[example]] with name = \"…\" and titles = [\"…\", \"…\"]")
    };
    let tastes: Tastes = toml::from_str(&text).map_err(|error| unusable(error.message().to_owned()))?;
    match tastes.example.iter().find(|taste| taste.titles.is_empty()) {
        Some(taste) => Err(unusable(format!("example {:?} has no titles", taste.name)).into()),
        None => Ok(tastes.example),
    }
}

fn history(taste: &Taste, recommender: &Recommender) -> anyhow::Result<Vec<ItemId>> {
    let find = |title: &String| {
        recommender.catalog().find(title).map_err(|error| {
            UserError::input(format!("example {:?}: {error}", taste.name))
                .hint("give titles as they are in the catalogue of the bundle")
                .into()
        })
    };
    let history = taste.titles.iter().map(find).collect::<anyhow::Result<Vec<ItemId>>>()?;
    if recommender.catalog().iter().all(|(item, _)| history.contains(&item)) {
        let message =
            format!("example {:?} holds every item of the bundle: nothing is left to propose", taste.name);
        return Err(UserError::input(message).hint("leave some of its titles out").into());
    }
    Ok(history)
}

/// Everything that the page can show of a taste.
fn record(name: String, recommender: &Recommender, history: &[ItemId]) -> anyhow::Result<Example> {
    let ranker = recommender.ranker().context("a record needs a ranker")?;
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64() * 1000.0;
    let ask = |letters: bool, untuned: bool| -> anyhow::Result<Trace> {
        // A record shows what a first ranking takes.
        ranker.forget();
        let asking = Asking { letters, untuned, order: Vec::new() };
        let options = Options { rank: true, asking, top: TOP };
        Ok(pollster::block_on(recommender.recommend(history, &options, &clock))?)
    };
    let shipped = ask(false, false)?;
    let mut others = vec![ask(true, false)?];
    for (mode, letters) in [(Mode::Pointwise, false), (Mode::Letters, true)] {
        if ranker.tuned_by(mode).is_some() {
            others.push(ask(letters, true)?);
        }
    }
    // The same orders for all tastes, and in every run.
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut order: Vec<usize> = (0..CANDIDATES.min(shipped.candidates.len())).collect();
    let orders = (0..ORDERS).map(|_| {
        order.shuffle(&mut random);
        order.clone()
    });
    let study = pollster::block_on(recommender.shuffle(history, orders.collect(), async |_| true))?;
    let race = pollster::block_on(recommender.race(history, &clock, async |_| true))?;
    Ok(Example { name, shipped, others, study, race })
}

/// Our measures of the bundle's models beside the paper's MovieLens rows.
fn results(path: &Path, bundle: &Bundle) -> anyhow::Result<Results> {
    let Evaluation { data, split, tuned_for, subset, overall, gain, .. }: Evaluation =
        serde_json::from_str(&read(path)?).map_err(|error| {
            UserError::input(format!("{} is no evaluation of a ranker: {error}", path.display()))
                .hint(format!("make it with: {COMMAND} --json"))
        })?;
    if split != Part::Test {
        let message = format!("{} measures validation users, on whom weights were fitted", path.display());
        return Err(UserError::input(message).hint(format!("make it with: {COMMAND} --json")).into());
    }
    let notes: Vec<TunedFor> =
        bundle.adapters.iter().map(|adapter| TunedFor::of(adapter)).collect::<Result<_, _>>()?;
    let measured = if data != bundle.data {
        Some(format!("the data {data}, the bundle is of {}", bundle.data))
    } else if !notes.is_empty() && !tuned_for.is_some_and(|note| notes.contains(&note)) {
        Some("another ranker than the bundle's adapters".to_owned())
    } else {
        None
    };
    if let Some(what) = measured {
        let message = format!("{} measures {what}", path.display());
        let hint = format!("make it with the data and the adapter of the bundle: {COMMAND} --json");
        return Err(UserError::input(message).hint(hint).into());
    }
    let ours = |system: &str, means: &BTreeMap<String, f64>| Measured {
        ours: true,
        system: system.to_owned(),
        data: data.clone(),
        users: overall.users,
        ndcg_10: means.get("ndcg@10").copied(),
        mrr_10: means.get("mrr@10").copied(),
        recall_10: means.get("recall@10").copied(),
    };
    let set = paper::SETS[0];
    let of_paper = paper::TABLE_1.iter().filter(|row| row.set == set.name);
    let reported = of_paper.filter(|row| matches!(row.system, "LRURec" | "LlamaRec")).map(|row| {
        let figure = |column: &str| {
            let place = paper::COLUMNS.iter().position(|name| *name == column)?;
            row.figures[place]
        };
        Measured {
            ours: false,
            system: row.system.to_owned(),
            data: set.name.to_owned(),
            users: set.users,
            ndcg_10: figure("NDCG@10"),
            mrr_10: figure("MRR@10"),
            recall_10: figure("Recall@10"),
        }
    });
    let mut rows = vec![ours("LRURec", &overall.retriever), ours("LRURec and ranker", &overall.fused)];
    rows.extend(reported);
    let gain = gain.get("ndcg@10").map(|&interval| Gain { users: subset.users, interval });
    Ok(Results { rows, gain, command: COMMAND.to_owned() })
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).map_err(|error| {
        UserError::input(format!("cannot read {}: {error}", path.display()))
            .hint("check the path; llamarec exhibit --help says what the file holds")
            .into()
    })
}
