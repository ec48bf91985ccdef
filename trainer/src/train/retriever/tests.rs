//! A small run learns, resumes exactly and refuses what it cannot do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::{
    catalog::{Catalog, Item, ItemId},
    retriever::Architecture,
};

use super::*;
use crate::report::Verbosity;

/// Dropout draws from one generator a process, so runs that must repeat exactly take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Users who walk through 60 items in one order, starting anywhere: the item tells the next one, and all
/// items are equally popular.
fn walks() -> Dataset {
    let item = |n: usize| Item { raw: n.to_string(), title: n.to_string(), genres: Vec::new() };
    let walk = |user: u32| (0..5 + user % 4).map(|t| ItemId((user + 7 * t) % 60 + 1)).collect();
    Dataset {
        name: "walks".to_owned(),
        catalog: Catalog::new((1..=60).map(item).collect()),
        users: (1..=120).map(|user| user.to_string()).collect(),
        sequences: (0..120).map(walk).collect(),
    }
}

fn config() -> TrainConfig {
    TrainConfig {
        dropout: 0.1,
        weight_decay: 0.01,
        batch_size: 16,
        max_len: 6,
        learning_rate: 5e-3,
        steps: 60,
        validate_every: 20,
        seed: 1,
        ..TrainConfig::default()
    }
}

fn quiet() -> Printer {
    Printer::new(Verbosity::Quiet)
}

fn run(config: &TrainConfig, path: &Path, resume: bool) -> anyhow::Result<RunReport> {
    train(&walks(), config, &Device::flex(), &RunDir::open(path)?, resume, &quiet())
}

#[test]
fn every_network_learns_a_walk() {
    let _turn = turn();
    for model in Architecture::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        // Filling in masks gives a quarter of the labels and is learned more slowly. On walks this short the
        // mask behind a history stands where training seldom had one, so its loss is what tells.
        let (steps, learning_rate) = if model.is_masked() { (900, 2e-3) } else { (120, 5e-3) };
        let config = TrainConfig { model, steps, learning_rate, validate_every: steps / 6, ..config() };
        let report = run(&config, folder.path(), false).expect("a run");
        assert_eq!(report.steps, steps);
        let at_10 = *report.test.summary.at(10).expect("10 is a cut-off");
        // By chance 20 to 30 of 120.
        assert!(model.is_masked() || at_10.hits > 90, "{model}: {at_10:?} {:?}", report.curve);
        assert!(report.curve[6].loss < 0.7 * report.curve[1].loss, "{model}: {:?}", report.curve);

        let bytes = std::fs::read(folder.path().join("weights.safetensors")).expect("weights");
        let model = Retriever::from_safetensors(&bytes, &Device::flex()).expect("own weights");
        let ranks = model_ranks(&[model], &walks(), Part::Test).expect("known items");
        assert_eq!(Summary::new(&ranks), report.test.summary);
        let written = std::fs::read(folder.path().join("metrics.json")).expect("a report");
        let written: RunReport = serde_json::from_slice(&written).expect("JSON");
        assert_eq!(written.test.summary.users, 120);
        assert_eq!(
            (written.training, written.data, written.best_step),
            (config, report.data, report.best_step)
        );
    }
}

#[test]
fn the_binary_loss_learns_too() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let config = TrainConfig { model: Architecture::SasRec, loss: Loss::Bce, steps: 120, ..config() };
    let report = run(&config, folder.path(), false).expect("a run");
    let at_10 = *report.test.summary.at(10).expect("10 is a cut-off");
    assert!(at_10.hits > 60, "{at_10:?} {:?}", report.curve);
}

#[test]
fn a_resumed_run_equals_one_that_never_stopped() {
    let _turn = turn();
    for (model, loss) in [
        (Architecture::LruRec, Loss::Ce),
        (Architecture::SasRec, Loss::Bce),
        (Architecture::Bert4Rec, Loss::Ce),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let slice = |path: &str, steps: usize, resume: bool| {
            let path = folder.path().join(path);
            let config = TrainConfig { model, loss, steps, ..config() };
            run(&config, &path, resume).expect("a run");
            Checkpoint::load(&path.join("checkpoint.safetensors"), &Device::flex()).expect("a checkpoint")
        };
        let whole = slice("whole", 40, false);
        slice("sliced", 20, false);
        let sliced = slice("sliced", 40, true);
        let hits = |checkpoint: &Checkpoint| -> Vec<(usize, usize)> {
            checkpoint.progress.curve.iter().map(|validation| (validation.step, validation.hits_10)).collect()
        };
        assert_eq!(hits(&whole), hits(&sliced));
        assert_eq!(whole.progress.best_step, sliced.progress.best_step);
        assert!(whole.model == sliced.model, "the weights of {model} differ");
    }
}

#[test]
fn patience_ends_a_run() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let config = TrainConfig { validate_every: 1, patience: 2, learning_rate: 1e-9, ..config() };
    let report = run(&config, folder.path(), false).expect("a run");
    assert!(report.steps < 60);
    assert_eq!(report.steps, report.best_step + 2);
    assert_eq!(report.stopped, "no better validation Recall@10 in 2 validations");
}

#[test]
fn wrong_settings_name_their_option() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |config: &TrainConfig, resume: bool| {
        run(config, folder.path(), resume).expect_err("refused").to_string()
    };
    assert_eq!(refused(&TrainConfig { batch_size: 0, ..config() }, false), "--batch-size is 0");
    assert_eq!(refused(&TrainConfig { dropout: 1.5, ..config() }, false), "--dropout 1.5 cannot train");
    let heads = TrainConfig { model: Architecture::SasRec, n_heads: 3, ..config() };
    assert!(refused(&heads, false).contains("d_model is 64, which 3 heads"));
    let masked = TrainConfig { model: Architecture::Bert4Rec, loss: Loss::Bce, ..config() };
    assert!(refused(&masked, false).contains("bert4rec has no binary loss"));
    assert!(refused(&config(), true).starts_with("there is no checkpoint"));
}
