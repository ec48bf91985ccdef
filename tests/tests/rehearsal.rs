//! A rehearsal compiles what a ranking needs: every kernel that a ranker runs was run before by a model of nothing.

use std::{collections::BTreeSet, sync::Arc};

use burn::tensor::Device;
use shared::{launches::watched, ranker::Ranker, rehearsal::rehearse};
use tests::{gpu, tiny_llama, tuned};
use trainer::fetch::sha256;

#[test]
fn a_ranking_runs_no_kernel_that_was_not_rehearsed() {
    let Some(gpu) = gpu() else { return };
    let file = tiny_llama::gguf(7);
    let names = |work: &mut dyn FnMut()| -> BTreeSet<String> {
        watched(work).1.into_iter().map(|launch| launch.kernel).collect()
    };
    let rehearsed =
        names(&mut || pollster::block_on(rehearse(Box::new(Arc::new(file.clone())), &gpu)).unwrap());
    let ranked = names(&mut || {
        let mut ranker = Ranker::from_gguf(file.clone(), &gpu).unwrap();
        ranker.tune(&tuned::adapter(&file), &sha256(&file[..], |_| ()).unwrap()).unwrap();
        pollster::block_on(ranker.warm_up()).unwrap();
        for text in ["(A) Heat", "(A) Heat (B) Toy Story", "(A) Heat (B) Toys"] {
            pollster::block_on(ranker.explain(text, 20)).unwrap();
        }
    });
    assert!(rehearsed.contains("Q4Product") && ranked.contains("Q4Product"), "{rehearsed:?} {ranked:?}");
    let new: Vec<_> = ranked.difference(&rehearsed).collect();
    assert!(new.is_empty(), "{new:?}, rehearsed {rehearsed:?}");
}

#[test]
fn a_file_without_a_header_is_refused() {
    let refused = pollster::block_on(rehearse(Box::new(Arc::new(vec![7; 99])), &Device::flex()));
    assert!(refused.unwrap_err().to_string().contains("GGUF"));
}
