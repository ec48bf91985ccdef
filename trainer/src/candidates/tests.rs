//! Candidates survive the file, are unseen and in order.

use burn::tensor::Device;
use shared::{
    catalog::{Catalog, Item},
    retriever::{Architecture, RetrieverConfig},
};

use super::*;
use crate::report::Verbosity;

fn dataset(items: usize) -> Dataset {
    let item = |n: usize| Item { raw: n.to_string(), title: n.to_string(), genres: Vec::new() };
    let sequence = |user: u32| (0..5 + user % 3).map(|t| ItemId((user + 3 * t) % items as u32 + 1)).collect();
    Dataset {
        name: "small".to_owned(),
        catalog: Catalog::new((1..=items).map(item).collect()),
        users: (0..9).map(|user| user.to_string()).collect(),
        sequences: (0..9).map(sequence).collect(),
    }
}

fn retrieve(dataset: &Dataset, models: usize) -> Candidates {
    let config =
        RetrieverConfig { d_model: 8, ..RetrieverConfig::new(Architecture::LruRec, dataset.catalog.len()) };
    let models: Vec<Retriever> = (0..models)
        .map(|seed| Retriever::new(config.clone(), seed as u64, &Device::flex()).expect("valid config"))
        .collect();
    let source = Source {
        data: dataset.name.clone(),
        sequences_sha256: DataUsed::of(dataset).sequences_sha256,
        retrievers_sha256: vec!["1".to_owned()],
        k: 4,
    };
    Candidates::retrieve(&models, dataset, source, true, &Printer::new(Verbosity::Quiet)).expect("retrieved")
}

#[test]
fn candidates_survive_the_file() {
    for items in [30, 70_000] {
        let dataset = dataset(items);
        let candidates = retrieve(&dataset, 2);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("candidates.safetensors");
        candidates.save(&path).expect("written");
        assert_eq!(Candidates::load(&path, &dataset).expect("read"), candidates);
        let mut other = dataset;
        other.sequences.pop();
        let error = Candidates::load(&path, &other).expect_err("other data").to_string();
        assert!(error.contains("with other sequences"), "{error}");
    }
}

#[test]
fn candidates_are_unseen_ordered_and_probable() {
    let dataset = dataset(30);
    let candidates = retrieve(&dataset, 1);
    let (prefixes, table) = candidates.train.as_ref().expect("asked for");
    assert_eq!(table.rows(), prefixes.len());
    let expected: usize = dataset.sequences.iter().map(|sequence| sequence.len() - 3).sum();
    assert_eq!(prefixes.len(), expected);
    for (row, prefix) in prefixes.iter().enumerate() {
        let history = &dataset.sequences[prefix.user][..prefix.length];
        let found: Vec<(ItemId, f32)> = table.row(row).collect();
        assert_eq!(found.len(), 4);
        assert!(found.iter().all(|(item, score)| !history.contains(item) && *score < 0.0));
        assert!(found.is_sorted_by(|a, b| a.1 >= b.1));
    }
    let hits = candidates.test.hits(|user| *dataset.sequences[user].last().expect("not empty"));
    assert!(hits <= 9);
}

#[test]
fn short_catalogues_leave_rows_short() {
    let dataset = dataset(8);
    let candidates = retrieve(&dataset, 1);
    let counts: Vec<usize> = (0..9).map(|row| candidates.test.row(row).count()).collect();
    assert!(counts.iter().any(|&count| count < 4), "{counts:?}");
}
