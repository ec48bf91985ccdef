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
    let last = |user: usize| *dataset.sequences[user].last().expect("not empty");
    let holds = |user: usize| candidates.test.row(user).any(|(item, _)| item == last(user));
    let by_hand = (0..9).filter(|&user| holds(user)).count();
    assert!(by_hand > 0, "the test shows nothing");
    assert_eq!(candidates.test.hits(last), by_hand);
    assert_eq!(candidates.test.hits(|_| ItemId(31)), 0);
}

#[test]
fn scores_keep_apart_what_is_not_equal_and_older_files_are_read() {
    let dataset = dataset(30);
    let candidates = retrieve(&dataset, 1);
    let scores: Vec<f32> = (0..9).flat_map(|row| candidates.test.row(row).map(|(_, score)| score)).collect();
    assert!(scores.iter().any(|&score| f16::from_f32(score).to_f32() != score));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("candidates.safetensors");
    candidates.save(&path).expect("written");
    // The same file with scores in 16 bits.
    let bytes = fs::read(&path).expect("read");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let narrow = |bytes: &[u8]| -> Vec<u8> {
        let scores = bytes.as_chunks().0.iter().map(|&bytes| f16::from_f32(f32::from_le_bytes(bytes)));
        scores.flat_map(f16::to_le_bytes).collect()
    };
    let arrays: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| match view.dtype() {
            Dtype::F32 => (name, Dtype::F16, view.shape().to_vec(), narrow(view.data())),
            dtype => (name, dtype, view.shape().to_vec(), view.data().to_vec()),
        })
        .collect();
    let views = arrays.iter().map(|(name, dtype, shape, bytes)| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).expect("of its size"))
    });
    let metadata =
        HashMap::from([(SOURCE.to_owned(), serde_json::to_string(&candidates.source).expect("JSON"))]);
    fs::write(&path, safetensors::serialize(views, Some(metadata)).expect("written")).expect("written");
    let older = Candidates::load(&path, &dataset).expect("read");
    for (new, old) in candidates.test.row(3).zip(older.test.row(3)) {
        assert!(new.0 == old.0 && (new.1 - old.1).abs() < 0.01, "{new:?} {old:?}");
    }
}

#[test]
fn a_prefix_that_no_user_has_is_refused() {
    let dataset = dataset(30);
    let mut candidates = retrieve(&dataset, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("candidates.safetensors");
    for wrong in
        [Prefix { user: 2, length: 0 }, Prefix { user: 2, length: 500 }, Prefix { user: 9, length: 1 }]
    {
        candidates.train.as_mut().expect("asked for").0[4] = wrong;
        candidates.save(&path).expect("written");
        let error = Candidates::load(&path, &dataset).expect_err("no such prefix").to_string();
        assert!(error.contains(&format!("{} items of user {}", wrong.length, wrong.user)), "{error}");
    }
}

#[test]
fn short_catalogues_leave_rows_short() {
    let dataset = dataset(8);
    let candidates = retrieve(&dataset, 1);
    let counts: Vec<usize> = (0..9).map(|row| candidates.test.row(row).count()).collect();
    assert!(counts.iter().any(|&count| count < 4), "{counts:?}");
}
