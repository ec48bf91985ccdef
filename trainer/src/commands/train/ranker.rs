//! `llamarec train ranker`: fine-tunes the second stage.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;
use shared::scoring::Mode;

use super::{say_how_to_go_on, seeds};
use crate::{
    candidates::Candidates,
    cli::{Common, scoring_mode},
    commands::base,
    data,
    recipe::{self, Layers, Origin},
    report::{Printer, UserError},
    run_dir::{CHECKPOINT, METRICS, RunDir, WEIGHTS},
    train::ranker::{ENDS, Limits, Parts, RankerConfig, RankerReport, Run, Start, settings_of},
};

/// Examples below the help.
pub(super) const EXAMPLES: &str = "\
The candidates are the retriever's best for every prefix of every history; make them once.
Settings come from the defaults, then the recipe, then the options; --dry-run shows where each is from.

Examples:
  llamarec candidates --retriever runs/games --data games --top 50 --train --out games.candidates
  llamarec train ranker --data games --candidates games.candidates --recipe games --out runs/games-ranker
  llamarec train ranker --data games --candidates games.candidates --out runs/games-ranker --resume --max-minutes 9";

/// Arguments of `llamarec train ranker`.
#[derive(Debug, Args)]
pub(super) struct RankerArgs {
    /// The retriever's candidates, from `llamarec candidates --train`
    #[arg(long, value_name = "FILE")]
    candidates: PathBuf,
    /// Folder of the data set (default: the embedded MovieLens data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder for settings, adapter, checkpoint and measures
    #[arg(long, value_name = "DIR", default_value = "runs/ranker")]
    out: PathBuf,
    /// Settings to start from: movielens, ml-100k, games, letters, or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    recipe: Option<String>,
    /// GGUF file of a Llama (default: the one that `llamarec model fetch` brought)
    #[arg(long, value_name = "PATH")]
    base: Option<PathBuf>,
    /// An adapter or the folder of its run: what it says about the candidates is learnt, not only which was chosen
    #[arg(long, value_name = "PATH")]
    teacher: Option<PathBuf>,
    /// Begin with this adapter, or with the one where this run stands, instead of one that does nothing yet
    #[arg(long, value_name = "PATH", conflicts_with = "resume")]
    start: Option<PathBuf>,
    #[command(flatten)]
    settings: RankerSettings,
    /// Stop after so many minutes; go on with --resume
    #[arg(long, value_name = "MINUTES")]
    max_minutes: Option<f64>,
    /// Go on from the checkpoint of the run, with its settings
    #[arg(long)]
    resume: bool,
    /// Start anew although there is a run in the folder; its files are removed
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Say what would be done with which settings; do nothing
    #[arg(long)]
    dry_run: bool,
}

/// One option for each setting of [`RankerConfig`], of the same name; absent ones change nothing.
#[derive(Clone, Debug, Default, Args, Serialize)]
#[command(next_help_heading = "Settings")]
struct RankerSettings {
    /// How candidates are asked about: each alone (pointwise) or all by index letters, as in the paper [default: pointwise]
    #[arg(long, value_name = "MODE", value_parser = scoring_mode)]
    mode: Option<Mode>,
    /// Inner width of the adapter [default: 8]
    #[arg(long, value_name = "N")]
    rank: Option<usize>,
    /// The adapter's correction is scaled by alpha / rank [default: 32.0]
    #[arg(long, value_name = "X")]
    alpha: Option<f64>,
    /// Dropout before the adapter [default: 0.05]
    #[arg(long, value_name = "P")]
    dropout: Option<f64>,
    /// Adapted blocks, counted from the top; those below run without gradients [default: 12]
    #[arg(long, value_name = "N")]
    top_blocks: Option<usize>,
    /// Newest items of a history shown [default: 10]
    #[arg(long, value_name = "N")]
    history: Option<usize>,
    /// Tokens of a title shown [default: 16]
    #[arg(long, value_name = "N")]
    title_tokens: Option<usize>,
    /// Questions at most behind one history: they share its cost [default: 4]
    #[arg(long, value_name = "N")]
    questions: Option<usize>,
    /// Orders in which each question is asked in a step, so that a letter can gain nothing by itself [default: 1]
    #[arg(long, value_name = "N")]
    orders: Option<usize>,
    /// Weight of what letters get in the mean more or less than they should: no letter is to be preferred for itself [default: 0.0]
    #[arg(long, value_name = "WEIGHT")]
    letter_balance: Option<f64>,
    /// Histories to train on, a fixed draw; 0 takes all; a few can be learnt by heart, which is a check [default: 0]
    #[arg(long, value_name = "N")]
    examples: Option<usize>,
    /// Candidates of a question, the item chosen among them [default: 8]
    #[arg(long, value_name = "N")]
    #[serde(rename = "candidates")]
    question_candidates: Option<usize>,
    /// Share of the others that is drawn from the whole catalogue [default: 0.25]
    #[arg(long, value_name = "SHARE")]
    random_share: Option<f64>,
    /// Steps at the beginning that teach what letters mean: the answer is the candidate that stands in the history [default: 0]
    #[arg(long, value_name = "N")]
    binding_steps: Option<usize>,
    /// Steps after those in which questions have 4 candidates, in their second half 10: with all at once letters are not learnt [default: 0]
    #[arg(long, value_name = "N")]
    few_steps: Option<usize>,
    /// Weight of the answers read behind every candidate, as if there were no more of them: each question teaches as often as it
    /// has candidates [default: 0.0]
    #[arg(long, value_name = "WEIGHT")]
    running_weight: Option<f64>,
    /// Divides the teacher's scores before their softmax: below 1 its first choices stand out more [default: 1.0]
    #[arg(long, value_name = "X", requires = "teacher")]
    teacher_temperature: Option<f64>,
    /// How much of the right answer the teacher decides; the rest is the item chosen [default: 1.0]
    #[arg(long, value_name = "SHARE", requires = "teacher")]
    teacher_share: Option<f64>,
    /// Histories a step [default: 8]
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Parts of a batch, whose gradients are summed; one runs on each core, more parts than cores take less memory [default: 2]
    #[arg(long, value_name = "N")]
    parts: Option<usize>,
    /// Learning rate after the warm-up; it falls to 0 [default: 0.001]
    #[arg(long, alias = "lr", value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Steps over which the learning rate rises [default: 20]
    #[arg(long, value_name = "N")]
    warmup: Option<usize>,
    /// Decay of the adapter's weights [default: 0.0]
    #[arg(long, value_name = "RATE")]
    weight_decay: Option<f64>,
    /// Global norm to which gradients are clipped [default: 1.0]
    #[arg(long, value_name = "NORM")]
    clip_norm: Option<f64>,
    /// Steps at most [default: 1000]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Steps between validations [default: 50]
    #[arg(long, value_name = "N")]
    validate_every: Option<usize>,
    /// Users of a validation during training [default: 200]
    #[arg(long, value_name = "N")]
    valid_users: Option<usize>,
    /// Stop after so many validations without an improvement [default: 20]
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// Seed of weights, shuffling, negatives and dropout [default: 42]
    #[arg(long, value_name = "N", value_parser = seeds())]
    seed: Option<u64>,
}

/// Section of recipes that is about rankers.
const SECTION: &str = "ranker";

/// Runs `llamarec train ranker`.
pub(super) fn run(args: &RankerArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let mut layers = Layers::from_recipe(&RankerConfig::default(), args.recipe.as_deref(), SECTION)?;
    let options = recipe::options(&args.settings)?;
    layers.put(options.clone(), &Origin::Option)?;
    if args.resume {
        layers.go_on(&settings_of(&args.out.join(CHECKPOINT))?, options, &ENDS)?;
    }
    let config = layers.resolve();
    config.validate()?;
    let time = args.max_minutes.map(minutes).transpose()?;
    let dataset = data::load(args.data.as_deref())?;
    let candidates = Candidates::load(&args.candidates, &dataset)?;
    if args.teacher.as_deref().is_some_and(base::is_none) {
        return Err(UserError::usage("--teacher none teaches nothing").hint("leave it out").into());
    }
    let (mut ranker, base_sha256) = base::load(args.base.as_deref(), common.device)?;
    if let Some(teacher) = &args.teacher {
        base::tune(&mut ranker, &base_sha256, teacher)?;
    }
    // Nothing is written in a dry run, and all else is checked.
    let folder = (!args.dry_run).then(|| RunDir::open(&args.out)).transpose()?;
    let device = ranker.llama().device();
    let start = args.start.as_deref().map(|path| Start::at(path, &base_sha256, device)).transpose()?;
    let parts = Parts {
        dataset: &dataset,
        candidates: &candidates,
        ranker: &ranker,
        base_sha256: &base_sha256,
        start: start.as_ref(),
    };
    let checkpoint = args.resume.then(|| args.out.join(CHECKPOINT));
    let mut run = Run::open(parts, &config, checkpoint.as_deref())?;
    if !args.resume {
        RunDir::check_free(&args.out, args.force)?;
    }
    let Some(folder) = folder else {
        let work = run.work();
        printer.result(&if common.json {
            serde_json::json!({ "out": args.out, "settings": config, "work": work }).to_string()
        } else {
            format!("out = {}\n\n[{SECTION}]\n{}\n{work}", args.out.display(), layers.describe())
        });
        return Ok(());
    };
    say_how_to_go_on(folder.checkpoint(), printer);
    // A time too long to be counted is none.
    let deadline = time.and_then(|time| Instant::now().checked_add(time));
    run.begin(printer)?;
    if !args.resume {
        // Last of the checks: with --force it removes files.
        folder.make_room(args.force)?;
    }
    folder.describe(SECTION, &layers.describe(), common.device.name())?;
    let report = run.train(&folder, Limits { deadline }, printer)?;
    printer.result(&if common.json { serde_json::to_string(&report)? } else { text(&report, folder.path()) });
    Ok(())
}

fn minutes(minutes: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| {
        UserError::usage(format!("--max-minutes is {minutes}"))
            .hint("give a number of 0 or more and below 10^17, or leave it out: then there is no limit")
            .into()
    })
}

fn text(report: &RankerReport, folder: &Path) -> String {
    let valid = &report.valid;
    let line = |name: &str, stage: &crate::train::ranker::judge::Stage| {
        format!("{name:<10} cross entropy {:.4}  NDCG@10 {:.4}\n", stage.cross_entropy, stage.ndcg_10())
    };
    format!(
        "{}; best step {} of {}, {:.0} s\n{} validation users whose item is among the candidates (weights fitted to them)\n{}{}{}\
         {}: {WEIGHTS}, {METRICS}",
        report.stopped,
        report.best_step,
        report.steps,
        report.seconds,
        valid.users,
        line("retriever", &valid.retriever),
        line("ranker", &valid.ranker),
        line("fused", &valid.fused),
        folder.display(),
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[derive(clap::Parser)]
    struct Options {
        #[command(flatten)]
        settings: RankerSettings,
    }

    #[test]
    fn every_setting_is_an_option_whose_help_names_its_default() {
        let mut command = Options::command();
        let help = command.render_long_help().to_string();
        for (key, value) in recipe::table(&RankerConfig::default()) {
            let key = crate::train::ranker::option(&key);
            let option = format!("--{key} ");
            let at = help.find(&option).unwrap_or_else(|| panic!("no {option} in {help}"));
            let entry = &help[at..at + help[at..].find("\n\n").unwrap_or(help.len() - at)];
            let entry = entry.split_whitespace().collect::<Vec<_>>().join(" ");
            let default = value.to_string().replace('"', "");
            assert!(entry.contains(&format!("[default: {default}]")), "{entry}");
        }
    }
}
