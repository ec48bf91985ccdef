//! What holds for every architecture: histories in, scores out, the weight file.

use burn::tensor::Device;

use super::super::golden::{assert_close, config, model, rows, vec};
use super::*;

fn each(test: impl Fn(Architecture, Retriever)) {
    for architecture in Architecture::ALL {
        test(architecture, model(architecture, &Device::flex()));
    }
}

#[test]
fn score_history_reads_the_newest_items() {
    each(|architecture, model| {
        let history: Vec<ItemId> = (0..20).map(|n| ItemId(n % 7 + 1)).collect();
        let all = block_on(model.score_history(&history)).expect("known items");
        let newest = block_on(model.score_history(&history[15..])).expect("known items");
        assert_eq!(all.len(), 8);
        assert_eq!(all, newest, "{architecture}");
        let empty = block_on(model.score_history(&[])).expect("an empty history can be scored");
        let alone = model.mask().unwrap_or(0);
        assert_close(&empty, &vec(model.last_scores(&rows(&[&[alone]]))), 0.0);
    });
}

#[test]
fn the_best_items_are_those_of_the_whole_score_vector() {
    // More items than are scored at a time.
    let items = CPU_SCORES + 123;
    let config = RetrieverConfig { d_model: 8, ..RetrieverConfig::new(Architecture::LruRec, items) };
    let model = Retriever::new(config, 3, &Device::flex()).expect("valid config");
    let histories: [&[ItemId]; 2] = [&[ItemId(5), ItemId(9)], &[ItemId(CPU_SCORES as u32 + 7)]];
    let windows = histories.map(|history| model.window(history).expect("known items"));
    let rows = rows(&[&windows[0], &windows[1]]);
    let hidden = model.forward(&rows).narrow(1, 1, 1).squeeze_dim::<2>(1);
    let best = block_on(model.top_items(hidden, &histories, 20)).expect("a device that works");
    assert_eq!(best.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20]);
    for (history, best) in histories.iter().zip(best) {
        let scores = block_on(model.score_history(history)).expect("known items");
        let expected = super::super::propose(&scores, history, 20);
        for ((item, score), (expected, of)) in best.into_iter().zip(expected) {
            assert_eq!(item, expected);
            assert!((score - of).abs() < 1e-5);
        }
    }
}

#[test]
fn unknown_items_are_refused() {
    each(|_, model| {
        for id in [0, 8, u32::MAX] {
            let error = block_on(model.score_history(&[ItemId(1), ItemId(id)])).expect_err("no such item");
            assert_eq!(
                error.to_string(),
                format!("item {id} is unknown to this retriever, its items are 1 to 7")
            );
        }
    });
}

#[test]
fn weights_survive_the_file() {
    each(|_, model| {
        let bytes = model.to_safetensors().expect("f32 weights");
        let loaded = Retriever::from_safetensors(&bytes, &Device::flex()).expect("own file");
        assert_eq!(loaded.config(), model.config());
        let row = rows(&[&[0, 0, 3, 1, 5]]);
        assert_eq!(vec(loaded.last_scores(&row)), vec(model.last_scores(&row)));
        assert!(loaded.to_safetensors().expect("f32 weights") == bytes, "equal models are equal files");
    });
}

#[test]
fn the_config_counts_its_parameters() {
    each(|architecture, model| {
        assert_eq!(model.num_params() as u128, config(architecture).parameters(), "{architecture}");
    });
}

#[test]
fn damaged_files_are_refused_with_a_reason() {
    let bytes = model(Architecture::LruRec, &Device::flex()).to_safetensors().expect("f32 weights");
    let refused =
        |bytes: &[u8]| Retriever::from_safetensors(bytes, &Device::flex()).expect_err("damaged").to_string();
    assert!(refused(&[]).contains("not a readable safetensors file"));
    assert!(refused(&bytes[..bytes.len() - 1]).contains("not a readable safetensors file"));

    let replaced = |from: &str, to: &str| {
        let text = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("in the header");
        let mut changed = bytes.clone();
        changed[text..text + from.len()].copy_from_slice(to.as_bytes());
        changed
    };
    assert!(
        refused(&replaced("\"model\":\"lrurec", "\"model\":\"lrureg")).contains("no retriever \"lrureg\"")
    );
    assert!(
        refused(&replaced("\"model\":\"lrurec", "\"model\":\"sasrec")).contains("its config is lrurec's")
    );
    assert!(refused(&replaced("num_items\\\":7", "num_items\\\":9")).contains("the config needs"));
    assert!(refused(&replaced("score_bias", "score_bios")).contains("tensor score_bias is missing"));

    let mut broken = bytes.clone();
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(refused(&broken).contains("holds NaN"));
}

/// The CPU backend answers at once, so one poll is enough.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the CPU backend answers at once"),
    }
}
