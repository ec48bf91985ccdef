//! `llamarec rank`: the two stages for one history.

use std::{path::PathBuf, time::Instant};

use clap::Args;
use shared::{
    catalog::ItemId,
    recommender::{Options, Recommender},
    scoring::Mode,
    trace::{Asking, FusedTrace, Timings, Trace},
};

use super::base::BaseArgs;
use crate::{
    bundle::{self, Bundle},
    cli::Common,
    data,
    report::{Printer, UserError},
    train::ranker::judge::check_finite,
};

/// Arguments of `llamarec rank`.
#[derive(Debug, Args)]
pub struct RankArgs {
    /// A title the user liked; repeat it, oldest first
    #[arg(long = "title", value_name = "TITLE")]
    titles: Vec<String>,
    /// A user of the data set: its whole sequence comes before the titles
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Folder of the data set that `--user` is looked up in (default: the embedded data set)
    #[arg(long, value_name = "DIR", requires = "user")]
    data: Option<PathBuf>,
    /// Folder of the bundle (default: the embedded MovieLens bundle)
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Stop after the retriever: no base model is needed
    #[arg(long, conflicts_with_all = ["base", "adapter"])]
    retriever_only: bool,
    /// Ask by index letters, the paper's way, even if the adapter was tuned to judge film by film
    #[arg(long, conflicts_with = "retriever_only")]
    letters: bool,
    /// Leave the adapter out: the base model as it was, for comparison
    #[arg(long, conflicts_with = "retriever_only")]
    untuned: bool,
    /// How many of the vocabulary's largest logits to keep in the Trace that --json prints
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "retriever_only")]
    top: usize,
    #[command(flatten)]
    base: BaseArgs,
}

/// Runs `llamarec rank`.
pub fn run(args: &RankArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let Bundle { mut recommender, adapters, .. } = bundle::load(args.bundle.as_deref())?;
    let history = history(args, &recommender)?;
    if !args.retriever_only {
        let ranker = args.base.load(&adapters, common.device)?;
        let mode = ranker.tuned().map(|tuned| tuned.tuned_for.scoring.mode);
        if args.top > 0 && !args.letters && mode == Some(Mode::Pointwise) {
            let message =
                format!("--top {}: asked film by film no logits of the vocabulary are kept", args.top);
            return Err(UserError::usage(message).hint("give: --letters, or leave out: --top").into());
        }
        recommender.set_ranker(Some(ranker), common.device.name().to_owned());
    }
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64() * 1000.0;
    let asking = Asking { letters: args.letters, untuned: args.untuned, order: Vec::new() };
    let options = Options { rank: !args.retriever_only, asking, top: args.top };
    let trace = pollster::block_on(recommender.recommend(&history, &options, &clock))?;
    let letters = trace.ranker.iter().flat_map(|letters| &letters.letter_logits);
    check_finite(letters.chain(trace.pointwise.iter().flat_map(|films| &films.scores)))?;
    if common.json {
        printer.result(&serde_json::to_string(&trace)?);
    } else {
        print(&trace, printer);
    }
    Ok(())
}

/// The user's sequence, then the titles.
fn history(args: &RankArgs, recommender: &Recommender) -> anyhow::Result<Vec<ItemId>> {
    let mut history = match &args.user {
        Some(user) => user_history(user, args, recommender)?,
        None => Vec::new(),
    };
    for title in &args.titles {
        let item = recommender.catalog().find(title).map_err(|error| {
            UserError::input(error.to_string())
                .hint("titles are matched without case, accents and articles; the year tells those of one name apart")
        })?;
        history.push(item);
    }
    if history.is_empty() {
        let message = "the history is empty: there is nothing to recommend from";
        return Err(UserError::usage(message)
            .hint("name titles: --title \"Heat (1995)\" --title \"Toy Story (1995)\", or a user: --user 15")
            .into());
    }
    Ok(history)
}

fn user_history(user: &str, args: &RankArgs, recommender: &Recommender) -> anyhow::Result<Vec<ItemId>> {
    let dataset = data::load(args.data.as_deref())?;
    if &dataset.catalog != recommender.catalog() {
        let message = format!("data set {} is not the one the bundle was made from", dataset.name);
        return Err(UserError::input(message).hint("give --data and --bundle that belong together").into());
    }
    let row = dataset.user(user).ok_or_else(|| {
        let (first, last) = (dataset.users.first(), dataset.users.last());
        let range = format!("{} to {}", first.map_or("", |id| id), last.map_or("", |id| id));
        UserError::input(format!("there is no user {user} in {}", dataset.name))
            .hint(format!("its users are {range}"))
    })?;
    Ok(dataset.sequences[row].clone())
}

fn print(trace: &Trace, printer: &Printer) {
    let films = trace.history.len();
    let newest = trace.history.last().map_or("", |item| &item.title);
    printer
        .result(&format!("History: {films} {}, newest {newest}", if films == 1 { "item" } else { "items" }));
    printer.result("");
    if trace.ranking.is_empty() {
        return printer.result("Nothing to propose: the history holds every item there is");
    }
    let tokens = match (&trace.ranker, &trace.pointwise) {
        (Some(letters), _) => format!("one forward pass over {} tokens", letters.token_ids.len()),
        (None, Some(pointwise)) => {
            format!("{} tokens, each candidate alone behind the same history", pointwise.tokens)
        }
        (None, None) => return print_proposals(trace, printer),
    };
    print_ranking(trace, printer);
    printer.result("");
    let named = |name: &Option<String>| name.clone().unwrap_or_else(|| "the ranker".to_owned());
    printer.note(&match &trace.fused {
        Some(FusedTrace { weights, .. }) => format!(
            "The order is that of {:.2} retriever + {:.2} ranker ({}); p is the softmax of that sum",
            weights.retriever,
            weights.ranker,
            named(&trace.provenance.adapter)
        ),
        None => format!(
            "The order is the retriever's: {} is an untuned base model, which is at chance",
            named(&trace.provenance.base)
        ),
    });
    let Timings { retrieve_ms, prompt_ms, forward_ms, .. } = trace.timings;
    printer.note(&format!(
        "retriever {retrieve_ms:.0} ms, prompt {prompt_ms:.0} ms, ranker {forward_ms:.0} ms on {} ({tokens})",
        trace.provenance.device
    ));
}

fn print_proposals(trace: &Trace, printer: &Printer) {
    printer.result(" rank    score  title");
    for (line, candidate) in trace.ranking.iter().zip(&trace.candidates) {
        printer.result(&format!("{:>5}  {:>7.3}  {}", line.rank, candidate.score, line.title));
    }
}

fn print_ranking(trace: &Trace, printer: &Printer) {
    printer.result(" rank  retriever  ranker  letter      p  title");
    for line in &trace.ranking {
        let candidate = line.retriever_rank - 1;
        let letter = trace.candidates[candidate].letter;
        let ranker = line.ranker_rank.map_or("-".to_owned(), |rank| rank.to_string());
        let fused = trace.fused.as_ref().map(|fused| fused.probabilities[candidate]);
        let probability = fused.or(line.probability).map_or("-".to_owned(), |p| format!("{p:.3}"));
        printer.result(&format!(
            "{:>5}  {:>9}  {ranker:>6}  {letter:>6}  {probability:>5}  {}",
            line.rank, line.retriever_rank, line.title
        ));
    }
}
