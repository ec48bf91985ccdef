//! A small run learns, resumes exactly and refuses what it cannot do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use shared::catalog::{Catalog, Item, ItemId};

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
        clip_norm: 5.0,
        steps: 60,
        validate_every: 20,
        patience: 20,
        seed: 1,
    }
}

fn quiet() -> Printer {
    Printer::new(Verbosity::Quiet)
}

#[test]
fn a_run_learns_a_walk() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("retriever.safetensors");
    let config = TrainConfig { steps: 120, ..config() };
    let report = train(&walks(), &config, &Device::flex(), &out, false, &quiet()).expect("a run");
    assert_eq!(report.steps, 120);
    let at_10 = *report.test.summary.at(10).expect("10 is a cut-off");
    // By chance 20 to 30 of 120.
    assert!(at_10.hits > 90, "{at_10:?} {:?}", report.curve);
    assert!(report.curve[6].loss < 0.7 * report.curve[1].loss, "{:?}", report.curve);

    let bytes = std::fs::read(&out).expect("weights");
    let model = LruRec::from_safetensors(&bytes, &Device::flex()).expect("own weights");
    let ranks = model_ranks(&model, &walks(), Part::Test).expect("known items");
    assert_eq!(Summary::new(&ranks), report.test.summary);
    let written = std::fs::read(folder.path().join("retriever.metrics.json")).expect("a report");
    let written: RunReport = serde_json::from_slice(&written).expect("JSON");
    assert_eq!(written.test.summary.users, 120);
    assert_eq!((written.training, written.data, written.best_step), (config, report.data, report.best_step));
}

#[test]
fn a_resumed_run_equals_one_that_never_stopped() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let (whole, sliced) = (folder.path().join("whole.safetensors"), folder.path().join("sliced.safetensors"));
    let run = |out: &Path, steps: usize, resume: bool| {
        let config = TrainConfig { steps, ..config() };
        let report = train(&walks(), &config, &Device::flex(), out, resume, &quiet()).expect("a run");
        let checkpoint = Checkpoint::load(&out.with_extension("checkpoint"), &Device::flex());
        (report, checkpoint.expect("a checkpoint"))
    };
    let (_, whole) = run(&whole, 40, false);
    run(&sliced, 20, false);
    let (_, sliced) = run(&sliced, 40, true);
    let hits = |checkpoint: &Checkpoint| -> Vec<(usize, usize)> {
        checkpoint.progress.curve.iter().map(|validation| (validation.step, validation.hits_10)).collect()
    };
    assert_eq!(hits(&whole), hits(&sliced));
    assert_eq!(whole.progress.best_step, sliced.progress.best_step);
    assert!(whole.model == sliced.model, "the weights differ");
}

#[test]
fn patience_ends_a_run() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("retriever.safetensors");
    let config = TrainConfig { validate_every: 1, patience: 2, learning_rate: 1e-9, ..config() };
    let report = train(&walks(), &config, &Device::flex(), &out, false, &quiet()).expect("a run");
    assert!(report.steps < 60);
    assert_eq!(report.steps, report.best_step + 2);
    assert_eq!(report.stopped, "no better validation Recall@10 in 2 validations");
}

#[test]
fn wrong_settings_name_their_option() {
    let out = Path::new("unused");
    let refused = |config: &TrainConfig, resume: bool| {
        let error = train(&walks(), config, &Device::flex(), out, resume, &quiet()).expect_err("refused");
        error.to_string()
    };
    assert_eq!(refused(&TrainConfig { batch_size: 0, ..config() }, false), "--batch-size is 0");
    assert_eq!(refused(&TrainConfig { dropout: 1.5, ..config() }, false), "--dropout 1.5 cannot train");
    assert_eq!(refused(&config(), true), "there is no checkpoint unused.checkpoint");
}

#[test]
fn only_the_end_of_a_run_may_change() {
    assert!(TrainConfig { steps: 9, patience: 3, ..config() }.continues(&config()));
    assert!(!TrainConfig { seed: 9, ..config() }.continues(&config()));
}
