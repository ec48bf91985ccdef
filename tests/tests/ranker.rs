//! The ranker against frozen numbers of the real model, on every device there is.

use std::{fs, path::PathBuf};

use burn::tensor::Device;
use serde_json::Value;
use shared::ranker::{Explanation, Ranker};
use tests::{gpu, shared_data, skip_without_base_model};

/// Bytes of the matrices in 4 bits: 30 blocks of 3,538,944 numbers, 20 bytes for 32.
const PACKED: usize = 30 * 3_538_944 / 32 * 20;
/// Largest distance of a logit from the frozen one (f32 paths).
const TOLERANCE: f32 = 0.02;

fn base_model() -> Option<Vec<u8>> {
    let path: PathBuf = skip_without_base_model(trainer::fetch::base_model_path(None))?;
    Some(fs::read(path).unwrap())
}

fn golden_cases() -> Option<Vec<Value>> {
    let folder = shared_data("data/smollm2-golden")?;
    let golden: Value = serde_json::from_slice(&fs::read(folder.join("logits.json")).unwrap()).unwrap();
    Some(golden["cases"].as_array().unwrap().clone())
}

/// Compares one case; gives the largest distance of a logit.
fn compare(case: &Value, explanation: &Explanation) -> f32 {
    let ids: Vec<u32> =
        case["token_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
    assert_eq!(explanation.encoded.ids, ids);
    let mut worst = 0.0f32;
    for expected in case["top10"].as_array().unwrap() {
        let (id, logit) = (expected[0].as_u64().unwrap() as u32, expected[2].as_f64().unwrap() as f32);
        let found = explanation.top.iter().find(|entry| entry.id == id).unwrap();
        worst = worst.max((found.logit - logit).abs());
    }
    if let Some(letters) = case["letter_logits"].as_object() {
        for (n, logit) in explanation.letter_logits.iter().enumerate() {
            let letter = shared::verbalizer::letter(n).to_string();
            worst = worst.max((logit - letters[&letter].as_f64().unwrap() as f32).abs());
        }
        let mass = case["letter_probability_mass"].as_f64().unwrap() as f32;
        assert!((explanation.letter_mass.unwrap() - mass).abs() < 0.002);
    }
    worst
}

#[test]
fn every_golden_text_tokenizes_alike() {
    let (Some(folder), Some(base)) = (shared_data("data/smollm2-golden"), base_model()) else { return };
    let ranker = Ranker::from_gguf(base, &Device::flex()).unwrap();
    let lines = fs::read_to_string(folder.join("tokenize.jsonl")).unwrap();
    let mut checked = 0;
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = case["text"].as_str().unwrap();
        let ids: Vec<u32> =
            case["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        assert_eq!(ranker.tokens().ids(text).unwrap(), ids, "{text:?}");
        checked += 1;
    }
    assert_eq!(checked, 359);
    assert_eq!(ranker.verbalizer().label_ids(), (49..69).collect::<Vec<u32>>());
}

#[test]
fn golden_logits_on_the_cpu() {
    let (Some(cases), Some(base)) = (golden_cases(), base_model()) else { return };
    let ranker = Ranker::from_gguf(base, &Device::flex()).unwrap();
    for case in &cases {
        let text = case["prompt"].as_str().unwrap();
        let explanation = pollster::block_on(ranker.explain(text, 20)).unwrap();
        let worst = compare(case, &explanation);
        println!("cpu: {} tokens, largest distance {worst}", explanation.encoded.ids.len());
        assert!(worst < TOLERANCE, "largest distance {worst}");
        if text == "The capital of France is" {
            assert_eq!(explanation.top[0].token, " Paris");
        }
    }
}

#[test]
fn golden_logits_through_wgpu() {
    let (Some(cases), Some(base)) = (golden_cases(), base_model()) else { return };
    let Some(device) = gpu() else { return };
    let ranker = Ranker::from_gguf(base, &device).unwrap();
    for case in &cases {
        let text = case["prompt"].as_str().unwrap();
        let explanation = pollster::block_on(ranker.explain(text, 20)).unwrap();
        let worst = compare(case, &explanation);
        let tokens = explanation.encoded.ids.len();
        println!("wgpu: {tokens} tokens, largest distance {worst}");
        assert!(worst < TOLERANCE, "largest distance {worst}");
        let config = ranker.llama().config();
        let kept = 2 * config.n_layers * tokens * config.n_kv_heads * config.d_head * size_of::<f32>();
        let reserved = device.memory_pool_usage().expect("a GPU tells").bytes_reserved as f64;
        let share = reserved / (PACKED + kept) as f64;
        println!("{:.0} MB reserved, {share:.2} of weights, keys and values", reserved / 1e6);
        assert!(share < 1.3, "{share:.2} of weights, keys and values");
    }
}

#[test]
fn a_text_in_pieces_is_tokenized_as_a_whole() {
    use shared::prompt::pointwise::{HEAD, chosen, question};

    let Some(bytes) = base_model() else { return };
    let ranker = Ranker::from_gguf(bytes, &Device::flex()).unwrap();
    let ids = |text: &str| ranker.tokens().ids(text).unwrap();
    let catalog = trainer::data::load(None).unwrap().catalog;
    let titles: Vec<&str> =
        (1..=catalog.len()).map(|n| catalog.title(shared::catalog::ItemId(n as u32))).collect();
    for titles in titles.chunks(12) {
        let (last, history) = titles.split_last().unwrap();
        let pieces: Vec<String> = [HEAD.to_owned()]
            .into_iter()
            .chain(history.iter().map(|title| chosen(title)))
            .chain([question(last)])
            .collect();
        let apart: Vec<u32> = pieces.iter().flat_map(|piece| ids(piece)).collect();
        assert_eq!(apart, ids(&pieces.concat()), "{pieces:?}");
    }
}
