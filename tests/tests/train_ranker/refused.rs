//! What does not belong together, or is damaged, is refused by name.

use std::fs;

use serde_json::Value;
use tests::tiny_llama;

use super::{Place, RANKER};

#[test]
fn what_does_not_belong_together_is_refused() {
    let place = Place::new();
    place.done("candidates --data . --retriever retriever --out test.candidates");
    let (code, message) = place.refused(
        "train ranker --data . --base tiny.gguf --candidates test.candidates --top-blocks 1 --out none",
    );
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("--train"), "{message}");

    let (code, message) =
        place.refused("train ranker --data . --base tiny.gguf --candidates all.candidates --out none");
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("12 adapted blocks, the model has 2"), "{message}");

    let (code, message) =
        place.refused(&format!("{RANKER} --mode letters --question-candidates 21 --out none"));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("the number of index letters"), "{message}");

    let (code, message) = place.refused(&format!("{RANKER} --binding-steps 9 --out none"));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("--binding-steps is 9") && message.contains("--mode letters"), "{message}");

    let (code, message) = place.refused(&format!("{RANKER} --running-weight 1 --out none"));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("--running-weight is 1") && message.contains("--mode letters"), "{message}");

    let (code, message) = place.refused(&format!("{RANKER} --teacher-share 0.5 --out none"));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("--teacher <PATH>"), "{message}");

    for (options, what) in [
        ("--teacher none --teacher-share 0.5", "--teacher none teaches nothing"),
        ("--recipe beauty", "recipe beauty has no section [ranker]"),
        ("--max-minutes inf", "or leave it out"),
    ] {
        let (code, message) = place.refused(&format!("{RANKER} {options} --out none"));
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains(what), "{message}");
    }

    place.done(&format!("{RANKER} --steps 4 --out run"));
    let (_, message) = place.refused(&format!("{RANKER} --steps 4 --out run"));
    assert!(message.contains("is there already"), "{message}");
    let resume = "train ranker --data . --candidates all.candidates --out run --resume";
    let (_, message) = place.refused(&format!("{resume} --base tiny.gguf --seed 7"));
    assert!(message.contains("--seed 42, not 7"), "{message}");
    fs::write(place.path("other.gguf"), tiny_llama::gguf(8)).unwrap();
    let (_, message) = place.refused(&format!("{resume} --base other.gguf"));
    assert!(message.contains("another base model"), "{message}");
    let (code, message) = place.refused(
        "evaluate --stage ranker --data . --base other.gguf --candidates all.candidates --adapter run",
    );
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("it was tuned on another base model"), "{message}");
    let (code, message) = place.refused("export --retriever retriever --adapter run --data . --out bundle");
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("tiny seeded Llama, the page loads another"), "{message}");
    let (code, message) = place.refused(
        "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter run --mode letters",
    );
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("beside an adapter"), "{message}");
    let (code, message) = place.refused("evaluate --stage ranker --data . --adapter run");
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("--candidates is missing"), "{message}");

    // What is about the other stage is refused, not ignored.
    let (code, message) =
        place.refused("evaluate --data . --retriever retriever --adapter run --scores s.jsonl");
    assert_eq!(code, Some(2), "{message}");
    assert!(
        message.contains("--adapter is about the ranker") && message.contains("--stage ranker"),
        "{message}"
    );
    let measure =
        "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter run";
    let (code, message) = place.refused(&format!("{measure} --retriever retriever"));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("--retriever is about the retriever"), "{message}");
    let (code, message) = place.refused(&format!("{measure} --calibrate"));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("--calibrate is about index letters"), "{message}");
    fs::write(place.path("cut.candidates"), &fs::read(place.path("all.candidates")).unwrap()[..200]).unwrap();
    for (file, why) in [("nowhere", "cannot be read"), ("cut.candidates", "are unusable")] {
        let words =
            format!("evaluate --stage ranker --data . --base tiny.gguf --adapter run --candidates {file}");
        let (code, message) = place.refused(&words);
        assert_eq!(code, Some(3), "{message}");
        assert!(message.contains(why) && message.contains("llamarec candidates"), "{message}");
    }
    let dry = "train ranker --data . --candidates all.candidates --top-blocks 2 --out dry --dry-run";
    let (code, message) = place.refused(&format!("{dry} --base none.gguf"));
    assert_eq!(code, Some(3), "{message}");
    let plan: Value = serde_json::from_str(&place.done(&format!("{dry} --base tiny.gguf --json"))).unwrap();
    assert!(plan["work"]["questions"].as_u64().unwrap() > 0 && !place.path("dry").exists(), "{plan}");
}

#[test]
fn a_damaged_base_model_is_an_error_and_no_figure() {
    let place = Place::new();
    let mut bytes = fs::read(place.path("tiny.gguf")).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0xff);
    fs::write(place.path("damaged.gguf"), bytes).unwrap();
    let (code, message) = place.refused(
        "evaluate --stage ranker --data . --base damaged.gguf --candidates all.candidates --adapter none",
    );
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("NaN") && message.contains("damaged"), "{message}");
}

#[test]
fn questions_longer_than_the_context_are_refused() {
    let place = Place::new();
    let mut short = tiny_llama::gguf(7);
    let key = b"llama.context_length";
    let at = short.windows(key.len()).position(|window| window == key).unwrap() + key.len() + 4;
    short[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
    fs::write(place.path("short.gguf"), short).unwrap();
    let evaluate =
        "evaluate --stage ranker --data . --base short.gguf --candidates all.candidates --adapter none";
    for words in [
        evaluate.to_owned(),
        format!("{evaluate} --mode pointwise"),
        RANKER.replace("tiny.gguf", "short.gguf") + " --steps 4 --out short",
        RANKER.replace("tiny.gguf", "short.gguf") + " --mode letters --steps 4 --out shorter",
    ] {
        let (code, message) = place.refused(&words);
        assert_eq!(code, Some(2), "{words}: {message}");
        assert!(message.contains("reads 100") && message.contains("hint:"), "{words}: {message}");
    }
    // Nothing is left that would have to be forced away, and nothing is forced away for a run that cannot begin.
    place.done(&format!("{RANKER} --steps 4 --out short"));
    let adapter = fs::read(place.path("short/weights.safetensors")).unwrap();
    let (_, message) =
        place.refused(&(RANKER.replace("tiny.gguf", "short.gguf") + " --steps 4 --out short --force"));
    assert!(message.contains("reads 100"), "{message}");
    assert!(fs::read(place.path("short/weights.safetensors")).unwrap() == adapter, "the adapter changed");
}
