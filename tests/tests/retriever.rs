//! The retriever on real data: window counts of the reference, and the shipped weights.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use shared::{
    metrics::Metric,
    retriever::{Retriever, propose},
};
use trainer::{
    data::{self, Dataset},
    train::{
        RunReport,
        measure::{Measured, Part, difference, model_ranks, popularity_ranks},
        training_windows,
    },
};

/// A data set that lies beside the workspace; tests that need it are skipped where it is absent.
fn beside(name: &str) -> Option<Dataset> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    if !folder.is_dir() {
        eprintln!("skipped: {} is absent", folder.display());
        return None;
    }
    Some(data::load(Some(&folder)).expect("a prepared data set"))
}

#[track_caller]
fn assert_windows(name: &str, max_len: usize, windows: usize, labels: usize) {
    let Some(dataset) = beside(name) else { return };
    let users = 0..dataset.sequences.len();
    let found = training_windows(users.map(|user| dataset.split(user).train), max_len);
    assert_eq!(found.len(), windows);
    assert_eq!(found.iter().map(|window| window.labels.len()).sum::<usize>(), labels);
}

#[test]
fn movielens_has_the_windows_of_the_reference() {
    assert_windows("ml-latest-small", 200, 725, 79_565);
}

#[test]
fn beauty_has_the_windows_of_the_reference() {
    assert_windows("amazon-beauty-2014", 50, 22_354, 151_141);
}

#[test]
fn games_has_the_windows_of_the_reference() {
    assert_windows("amazon-video-games-2014", 50, 15_340, 114_821);
}

fn shipped(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/models/movielens").join(file)
}

#[test]
fn the_shipped_weights_measure_what_their_report_says() {
    let bytes = std::fs::read(shipped("retriever.safetensors")).expect("shipped weights");
    let report = std::fs::read(shipped("retriever.metrics.json")).expect("a report");
    let report: RunReport = serde_json::from_slice(&report).expect("JSON");
    let model = Retriever::from_safetensors(&bytes, &Device::flex()).expect("valid weights");
    assert_eq!(model.config(), &report.model);

    let dataset = data::load(None).expect("the embedded data set");
    let ranks = model_ranks(&[model], &dataset, Part::Test).expect("known items");
    let measured = Measured::new(&ranks);
    // Another processor may order two nearly equal scores differently: one user is 0.0015.
    assert!((measured.recall_10.mean - report.test.recall_10.mean).abs() < 0.0031);
    assert!((measured.ndcg_10.mean - report.test.ndcg_10.mean).abs() < 0.002);

    let popular = popularity_ranks(&dataset, Part::Test);
    let gain = difference(Metric::Recall(10), &ranks, &popular);
    assert!(gain.low > 0.0, "not better than popularity: {gain:?}");
}

#[test]
fn the_shipped_weights_propose_unseen_items() {
    let bytes = std::fs::read(shipped("retriever.safetensors")).expect("shipped weights");
    let model = Retriever::from_safetensors(&bytes, &Device::flex()).expect("valid weights");
    let dataset = data::load(None).expect("the embedded data set");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for history in dataset.sequences.iter().take(20) {
        let scores = runtime.block_on(model.score_history(history)).expect("known items");
        let proposed = propose(&scores, history, 20);
        assert_eq!(proposed.len(), 20);
        assert!(
            proposed.iter().all(|(item, _)| !history.contains(item) && dataset.catalog.get(*item).is_some())
        );
        assert!(proposed.is_sorted_by(|a, b| a.1 >= b.1));
    }
}
