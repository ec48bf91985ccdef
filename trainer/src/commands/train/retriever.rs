//! `llamarec train retriever`: trains the first stage.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use shared::retriever::Architecture;

use super::{say_how_to_go_on, seeds};
use crate::{
    cli::Common,
    data::{self, Dataset},
    recipe::{self, Layers, Origin},
    report::Printer,
    run_dir::{CHECKPOINT, METRICS, RunDir, WEIGHTS},
    train::{
        ENDS, Loss, RunReport, TrainConfig,
        estimate::Estimate,
        retriever::{check_resume, settings_of, train},
    },
};

/// Examples below the help.
pub(super) const EXAMPLES: &str = "\
Settings come from the defaults, then the recipe, then the options; --dry-run shows where each is from.

Examples:
  llamarec train retriever --recipe movielens
  llamarec train retriever --recipe beauty --data beauty --model sasrec --seed 7
  llamarec train retriever --recipe movielens --resume --steps 6000";

/// Arguments of `llamarec train retriever`.
#[derive(Debug, Args)]
pub(super) struct RetrieverArgs {
    /// Folder of a data set (default: the embedded MovieLens data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for settings, weights, checkpoint, curve and measures (default: named after data and settings)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Settings to start from: movielens, ml-100k, beauty, games, or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    recipe: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Go on from the checkpoint of the run, with its settings but for an end that the recipe or an option names
    #[arg(long)]
    resume: bool,
    /// Start anew although there is a run in the folder; its files are removed
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Say what would be done with which settings, and what it would cost; do nothing
    #[arg(long)]
    dry_run: bool,
}

/// One option for each setting of [`TrainConfig`], of the same name; absent ones change nothing.
#[derive(Clone, Debug, Default, Args, Serialize)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// Network: lrurec, sasrec, esasrec, bert4rec or narm [default: lrurec]
    #[arg(long, value_name = "NAME")]
    model: Option<Architecture>,
    /// Width of embeddings and blocks [default: 64]
    #[arg(long, value_name = "N")]
    d_model: Option<usize>,
    /// Blocks; narm always has one recurrent layer [default: 2]
    #[arg(long, value_name = "N")]
    n_blocks: Option<usize>,
    /// Attention heads, for the networks that have some [default: 2]
    #[arg(long, value_name = "N")]
    n_heads: Option<usize>,
    /// What a step minimises [default: ce]
    #[arg(long, value_enum)]
    loss: Option<Loss>,
    /// Dropout in all places [default: 0.2]
    #[arg(long, value_name = "P")]
    dropout: Option<f64>,
    /// Decay of all weights but biases and norms [default: 0.01]
    #[arg(long, value_name = "RATE")]
    weight_decay: Option<f64>,
    /// Windows a step [default: 16]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// How many of the newest items are read [default: 200]
    #[arg(long, value_name = "N")]
    max_len: Option<usize>,
    /// Learning rate [default: 0.001]
    #[arg(long, alias = "lr", value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Global norm to which gradients are clipped [default: 5.0]
    #[arg(long, value_name = "NORM")]
    clip_norm: Option<f64>,
    /// Steps at most [default: 10000]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Steps between validations [default: 250]
    #[arg(long, value_name = "N")]
    validate_every: Option<usize>,
    /// Stop after so many validations without a better Recall@10 [default: 20]
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// Seed of weights, shuffling and dropout [default: 42]
    #[arg(long, value_name = "N", value_parser = seeds())]
    seed: Option<u64>,
}

/// Section of recipes that is about retrievers.
pub const SECTION: &str = "retriever";

/// Runs `llamarec train retriever`.
pub(super) fn run(args: &RetrieverArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let device = common.device.resolve()?;
    let dataset = data::load(args.data.as_deref())?;
    let mut layers = layers(args.recipe.as_deref())?;
    let options = recipe::options(&args.settings)?;
    layers.put(options.clone(), &Origin::Option)?;
    let out = args.out.clone().unwrap_or_else(|| folder(&dataset, &layers.resolve()));
    if args.resume {
        layers.go_on(&settings_of(&out.join(CHECKPOINT))?, options, &ENDS)?;
    }
    let config = layers.resolve();
    config.validate()?;
    config.check_size(dataset.catalog.len())?;
    if args.dry_run {
        if args.resume {
            check_resume(&config, &dataset, &out.join(CHECKPOINT))?;
        } else {
            RunDir::check_free(&out, args.force)?;
        }
        let estimate = Estimate::new(&config, &dataset);
        if common.json {
            let plan = serde_json::json!({ "out": out, "settings": config, "estimate": estimate });
            printer.result(&plan.to_string());
        } else {
            printer.result(&format!(
                "out = {}\n\n[{SECTION}]\n{}\n{estimate}",
                out.display(),
                layers.describe()
            ));
        }
        return Ok(());
    }
    let folder = RunDir::open(&out)?;
    // Last of the checks: with --force it removes files.
    if args.resume {
        check_resume(&config, &dataset, &folder.checkpoint())?;
    } else {
        folder.make_room(args.force)?;
    }
    folder.describe(SECTION, &layers.describe(), common.device.name())?;
    say_how_to_go_on(folder.checkpoint(), printer);
    let report = train(&dataset, &config, &device, &folder, args.resume, printer)?;
    if common.json {
        printer.result(&serde_json::to_string(&report)?);
    } else {
        printer.result(&text(&report, &folder));
    }
    Ok(())
}

/// Defaults under the recipe.
pub fn layers(recipe: Option<&str>) -> anyhow::Result<Layers<TrainConfig>> {
    Ok(Layers::from_recipe(&TrainConfig::default(), recipe, SECTION)?)
}

/// Where a run goes if nobody says: a folder that tells it from others of the same data.
fn folder(dataset: &Dataset, config: &TrainConfig) -> PathBuf {
    let TrainConfig { model, dropout, weight_decay, seed, .. } = config;
    let loss = if config.loss == Loss::Bce { "-bce" } else { "" };
    PathBuf::from("runs")
        .join(&dataset.name)
        .join(format!("{model}{loss}-dropout{dropout}-decay{weight_decay}-seed{seed}"))
}

fn text(report: &RunReport, folder: &RunDir) -> String {
    let recall = report.test.recall_10;
    let hits = report.test.summary.at(10).map_or(0, |at| at.hits);
    format!(
        "{}; best step {} of {}, {:.0} s\n\
         test Recall@10 {:.4} ({hits} of {} users, 95 % interval {:.4} to {:.4}), NDCG@10 {:.4}\n\
         popularity {:.4}\n\
         {}: {WEIGHTS}, {METRICS}, curve.svg",
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
        folder.path().display(),
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[derive(clap::Parser)]
    struct Options {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn every_setting_is_an_option_whose_help_names_its_default() {
        let mut command = Options::command();
        let help = command.render_long_help().to_string();
        for (key, value) in recipe::table(&TrainConfig::default()) {
            let option = format!("--{} ", key.replace('_', "-"));
            let at = help.find(&option).unwrap_or_else(|| panic!("no {option} in {help}"));
            let default = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let entry = &help[at..at + help[at..].find("\n\n").unwrap_or(help.len() - at)];
            assert!(entry.contains(&format!("[default: {default}]")), "{entry}");
        }
    }
}
