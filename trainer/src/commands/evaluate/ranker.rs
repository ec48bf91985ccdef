//! `llamarec evaluate --stage ranker`: retriever, ranker and both together over the retriever's candidates.

use std::{fmt::Write, path::PathBuf};

use clap::Args;
use shared::{
    fusion::Fusion,
    metrics::Interval,
    scoring::{Mode, Scorer, ScoringConfig},
};

use crate::{
    candidates::Candidates,
    cli::{Common, scoring_mode},
    commands::base,
    data::Dataset,
    files::write_atomic,
    report::{Printer, UserError},
    run_dir::weights_of,
    train::{
        measure::Part,
        ranker::{
            Calibrated, Evaluation, RankerConfig,
            judge::{self, Judge, Orders, draw},
            scores,
        },
    },
};

/// Options that are about the ranker.
#[derive(Debug, Args)]
#[command(next_help_heading = "Ranker")]
pub(super) struct RankerArgs {
    /// Adapter of the ranker or the folder of its run; `none` is the untuned base model
    #[arg(long, value_name = "PATH|none")]
    adapter: Option<PathBuf>,
    /// The retriever's candidates, from `llamarec candidates`
    #[arg(long, value_name = "FILE")]
    candidates: Option<PathBuf>,
    /// GGUF file of a Llama (default: the one that `llamarec model fetch` brought)
    #[arg(long, value_name = "PATH")]
    base: Option<PathBuf>,
    /// Measure on so many users, a fixed draw of those whose item is among the candidates (default: all)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_users: Option<u32>,
    /// How the untuned base model is asked, by letters or pointwise; an adapter is asked as it was tuned [default: letters]
    #[arg(long, value_name = "MODE", value_parser = scoring_mode)]
    mode: Option<Mode>,
    /// Show the candidates in a random order instead of the retriever's
    #[arg(long)]
    shuffle: bool,
    /// Show them in so many random orders and take the mean
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    permutations: Option<u32>,
    /// Take away what a place gains by itself, measured on validation users to whom random orders are shown
    #[arg(long)]
    calibrate: bool,
    /// Also write both stages' scores of every user to this file, as JSON lines, in the place of what is there
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Scores of validation users, on which the weights of both stages are fitted instead of taken from the adapter, and how
    /// sure each stage may be of itself
    #[arg(long, value_name = "FILE")]
    fit: Option<PathBuf>,
}

impl RankerArgs {
    /// An option that was given, if any was.
    pub fn given(&self) -> Option<&'static str> {
        let options = [
            ("--adapter", self.adapter.is_some()),
            ("--candidates", self.candidates.is_some()),
            ("--base", self.base.is_some()),
            ("--max-users", self.max_users.is_some()),
            ("--mode", self.mode.is_some()),
            ("--shuffle", self.shuffle),
            ("--permutations", self.permutations.is_some()),
            ("--calibrate", self.calibrate),
            ("--scores", self.scores.is_some()),
            ("--fit", self.fit.is_some()),
        ];
        options.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

/// Measures both stages over the candidates.
pub(super) fn run(
    args: &RankerArgs,
    dataset: &Dataset,
    split: Part,
    like_reference: bool,
    common: &Common,
    printer: &Printer,
) -> anyhow::Result<()> {
    let missing =
        |name: &str, hint: &str| UserError::usage(format!("{name} is missing")).hint(hint.to_owned());
    let adapter = args.adapter.as_ref().ok_or_else(|| {
        missing("--adapter", "give the folder of a run of llamarec train ranker, or none for the base model")
    })?;
    let candidates = args
        .candidates
        .as_ref()
        .ok_or_else(|| missing("--candidates", "make them with: llamarec candidates --retriever PATH"))?;
    let candidates = Candidates::load(candidates, dataset)?;
    let (mut ranker, base_sha256) = base::load(args.base.as_deref(), common.device)?;
    if like_reference {
        ranker.read_like_the_reference()?;
    }
    base::tune(&mut ranker, &base_sha256, adapter)?;
    let tuned = ranker.tuned();
    if let (Some(_), Some(_)) = (args.mode, tuned) {
        let message = "--mode is given beside an adapter, which is asked as it was tuned".to_owned();
        return Err(UserError::usage(message).hint("leave --mode out, or give: --adapter none").into());
    }
    let scoring = match args.mode {
        Some(Mode::Pointwise) => RankerConfig::default().scoring(),
        Some(Mode::Letters) | None => ScoringConfig::letters(),
    };
    let untuned = Scorer::new(ranker.tokens(), ranker.verbalizer(), scoring)?;
    let scorer = tuned.map_or(&untuned, |tuned| &tuned.scorer);
    // Candidates that are blind to each other have no place, and no letter.
    let of_letters = [
        ("--permutations", args.permutations.is_some()),
        ("--calibrate", args.calibrate),
        ("--compat reference-verbalizer", like_reference),
    ];
    if let (Scorer::Pointwise(_), Some((name, _))) =
        (scorer, of_letters.into_iter().find(|(_, given)| *given))
    {
        let message = format!("{name} is about index letters, and this ranker is asked item by item");
        return Err(UserError::usage(message)
            .hint("leave it out, or give an adapter tuned by letters")
            .into());
    }
    let orders = match args.permutations {
        Some(count) => Orders::Shuffled(count as usize),
        None if args.shuffle => Orders::Shuffled(1),
        None => Orders::Retriever,
    };
    // Without a file it is the untuned base model.
    let adapter_sha256 = tuned.is_some().then(|| base::sha256(&weights_of(adapter))).transpose()?;
    let stages = scores::Stages {
        base_sha256: &base_sha256,
        permutations: match orders {
            Orders::Retriever => 0,
            Orders::Shuffled(count) => count,
        },
        calibrated: args.calibrate,
        mode: tuned.map_or(scoring, |tuned| tuned.tuned_for.scoring).mode,
        adapter_sha256: adapter_sha256.as_deref(),
        retrievers_sha256: &candidates.source.retrievers_sha256,
    };
    let fitted_on = args.fit.as_ref().map(|file| scores::of_validation(file, dataset, stages)).transpose()?;
    let table = match split {
        Part::Valid => &candidates.valid,
        Part::Test => &candidates.test,
    };
    let judgeable = judge::judgeable(dataset, split, table);
    let (found, share) = (judgeable.len(), judgeable.len() as f64 / table.rows() as f64);
    let users = draw(judgeable, args.max_users.map_or(usize::MAX, |users| users as usize), SEED);
    if users.is_empty() {
        let message = format!("no user of {} has the item among the candidates", dataset.name);
        return Err(UserError::input(message).hint("make more candidates: --top").into());
    }
    let bar = printer.steps_bar(users.len() as u64, "users");
    let adapter = tuned.map(|tuned| &tuned.adapter);
    let mut judge = Judge { ranker: &ranker, adapter, scorer, orders, prior: None };
    let prior = args.calibrate.then(|| prior(judge, dataset, &candidates)).transpose()?;
    judge.prior = prior.as_deref();
    let judgement = judge.users(dataset, split, table, &users, || bar.inc(1))?;
    bar.finish_and_clear();

    // An untuned model was never fitted to anything; its weight is 0.
    let note = tuned.map(|tuned| tuned.tuned_for.clone());
    let fusion = note.as_ref().map_or(Fusion::RETRIEVER, |note| note.fusion);
    let fusion = fitted_on.as_deref().map_or(fusion, Fusion::fit);
    let evaluation = Evaluation::new(dataset, split, note, fusion, &judgement, share, fitted_on.as_deref());
    if common.json {
        printer.result(&serde_json::to_string(&evaluation)?);
    } else {
        let shuffled = orders != Orders::Retriever;
        printer.result(&text(&evaluation, users.len() < found, shuffled));
    }
    // Last: a file that cannot be written costs nothing that was measured.
    if let Some(file) = &args.scores {
        let lines = scores::lines(dataset, split, table, &users, &judgement.users, stages)?;
        write_atomic(file, lines.as_bytes())?;
    }
    Ok(())
}

/// What the places gain by themselves.
fn prior(judge: Judge, dataset: &Dataset, candidates: &Candidates) -> anyhow::Result<Vec<f64>> {
    let users = draw(judge::judgeable(dataset, Part::Valid, &candidates.valid), PRIOR_USERS, SEED);
    let judge = Judge { orders: Orders::Shuffled(1), ..judge };
    Ok(judge.users(dataset, Part::Valid, &candidates.valid, &users, || ())?.prior())
}

/// Validation users on whom the prior of the places is measured.
const PRIOR_USERS: usize = 200;
/// Seed of the draw of users.
const SEED: u64 = 42;

/// For a reader; `drawn` if not all users were measured whose item is among the candidates, `shuffled` if candidates stood in
/// random orders.
fn text(evaluation: &Evaluation, drawn: bool, shuffled: bool) -> String {
    let Evaluation { data, split, fusion, subset, overall, gain, cross_entropy, calibrated, best_at, .. } =
        evaluation;
    let mut text = format!(
        "{data}: {} item; fused = {:.3} retriever + {:.3} ranker\n",
        split.name(),
        fusion.retriever,
        fusion.ranker
    );
    let columns = ["mrr@5", "ndcg@5", "recall@5", "mrr@10", "ndcg@10", "recall@10"];
    let all = if drawn {
        format!("all users, estimated from these {}", subset.users)
    } else {
        "all users".to_owned()
    };
    for (title, group) in [("the item is among the candidates", subset), (all.as_str(), overall)] {
        let _ = writeln!(text, "\n{} users: {title}", group.users);
        let _ = writeln!(text, "{:<11}{}", "", columns.map(|name| format!("{name:>10}")).concat());
        for (name, means) in
            [("retriever", &group.retriever), ("ranker", &group.ranker), ("fused", &group.fused)]
        {
            let _ =
                writeln!(text, "{name:<11}{}", columns.map(|name| format!("{:>10.4}", means[name])).concat());
        }
    }
    let _ = writeln!(text, "\ncross entropy over the candidates");
    for (name, value) in cross_entropy {
        let _ = writeln!(text, "{name:<11}{value:>10.4}");
    }
    if let Some(Calibrated { users, inverse_temperature, cross_entropy }) = calibrated {
        let _ = writeln!(text, "\nthe same, scores times what suits {users} validation users");
        for (name, value) in cross_entropy {
            let _ = writeln!(text, "{name:<11}{value:>10.4}  times {:.3}", inverse_temperature[name]);
        }
    }
    let _ = writeln!(text, "\nfused minus retriever, paired over these users, 95 % bootstrap interval");
    for (name, Interval { mean, low, high }) in gain {
        let _ = writeln!(text, "{name:<11}{mean:>+10.4}  [{low:+.4}, {high:+.4}]");
    }
    let _ = writeln!(
        text,
        "\nthe ranker's best stood under A and so on: {}",
        best_at.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    );
    // In the retriever's order the first are better, and no flat histogram is to be expected.
    if shuffled && best_at.len() > 1 {
        let (distance, freedom) = (distance_from_flat(best_at), best_at.len() - 1);
        let usual = usual_distance(freedom);
        let _ = writeln!(
            text,
            "chi-square distance from a flat histogram {distance:.1} ({freedom} degrees of freedom: below {usual:.1} in 95 of 100 draws)"
        );
    }
    text.trim_end().to_owned()
}

/// Pearson's chi-square distance of counts from equal ones.
fn distance_from_flat(counts: &[usize]) -> f64 {
    let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum()
}

/// What chi-square is below in 95 of 100 draws with so many degrees of freedom (Wilson and Hilferty, 1931).
fn usual_distance(freedom: usize) -> f64 {
    let part = 2.0 / (9.0 * freedom as f64);
    freedom as f64 * (1.0 - part + 1.645 * part.sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_from_flat_counts_are_beside_what_chance_gives() {
        assert_eq!(distance_from_flat(&[5, 5, 5, 5]), 0.0);
        assert_eq!(distance_from_flat(&[10, 0]), 10.0);
        // Of a table of the distribution.
        for (freedom, usual) in [(4, 9.488), (9, 16.919), (19, 30.144)] {
            assert!((usual_distance(freedom) - usual).abs() < 0.05, "{freedom}");
        }
    }
}
