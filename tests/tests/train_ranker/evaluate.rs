//! What `evaluate --stage ranker` measures, and on whom.

use std::fs;

use serde_json::Value;

use super::{Place, RANKER, numbers};

#[test]
fn weights_are_fitted_on_scores_of_validation_users_and_of_nobody_else() {
    let place = Place::new();
    place.done(&format!("{RANKER} --steps 40 --learning-rate 0.01 --random-share 1 --out run"));
    let words = "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter run";
    let evaluate = |more: &str| -> Value {
        serde_json::from_str(&place.done(&format!("{words} --json {more}"))).unwrap()
    };
    let valid = evaluate("--split valid --scores valid.jsonl");
    let test = evaluate("--scores test.jsonl");
    assert!(test["calibrated"].is_null());

    // The file holds what the measures were made of.
    let file = fs::read_to_string(place.path("valid.jsonl")).unwrap();
    let users: Vec<Value> = file.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(users.len() as u64, valid["subset"]["users"].as_u64().unwrap());
    let best = |user: &Value| {
        let scores = numbers(&user["ranker"]);
        let target = scores[user["target"].as_u64().unwrap() as usize];
        scores.iter().filter(|&&score| score >= target).count() == 1
    };
    let first = users.iter().filter(|user| best(user)).count() as f64 / users.len() as f64;
    assert!((valid["subset"]["ranker"]["recall@1"].as_f64().unwrap() - first).abs() < 1e-12);

    // Weights come from there; orders of a stage alone stay, its cross entropy is that of scores times a number.
    let fitted = evaluate("--fit valid.jsonl");
    assert_eq!(fitted["subset"]["ranker"], test["subset"]["ranker"]);
    assert_eq!(fitted["cross_entropy"]["ranker"], test["cross_entropy"]["ranker"]);
    let calibrated = &fitted["calibrated"];
    assert_eq!(calibrated["users"], valid["subset"]["users"]);
    let factor = calibrated["inverse_temperature"]["ranker"].as_f64().unwrap();
    let lines = fs::read_to_string(place.path("test.jsonl")).unwrap();
    let losses: Vec<f64> = lines
        .lines()
        .map(|line| {
            let user: Value = serde_json::from_str(line).unwrap();
            let scores: Vec<f64> = numbers(&user["ranker"]).iter().map(|score| factor * score).collect();
            let total = scores.iter().map(|score| score.exp()).sum::<f64>().ln();
            total - scores[user["target"].as_u64().unwrap() as usize]
        })
        .collect();
    let loss = losses.iter().sum::<f64>() / losses.len() as f64;
    assert!((calibrated["cross_entropy"]["ranker"].as_f64().unwrap() - loss).abs() < 1e-6, "{fitted}");
    // On the users they were fitted on, the adapter's own weights come out.
    let same = evaluate("--split valid --fit valid.jsonl");
    for stage in ["retriever", "ranker"] {
        let [a, b] = [&same, &valid].map(|evaluation| evaluation["fusion"][stage].as_f64().unwrap());
        assert!((a - b).abs() < 1e-3, "{same} {valid}");
    }
    assert!(place.done(&format!("{words} --fit valid.jsonl")).contains("scores times what suits"));

    // Files that do not say whose scores they are, as they once were, are taken.
    let older: Vec<String> = users
        .iter()
        .map(|user| {
            let mut user = user.clone();
            let known = user.as_object_mut().unwrap();
            assert_eq!(known.remove("mode").unwrap(), "pointwise");
            assert_eq!(known.remove("permutations").unwrap(), 0);
            assert_eq!(known.remove("calibrated").unwrap(), false);
            assert!(known.remove("base_sha256").is_some_and(|sum| sum.is_string()));
            assert!(known.remove("adapter_sha256").is_some_and(|sum| sum.is_string()));
            assert_eq!(known.remove("retrievers_sha256").unwrap().as_array().map(Vec::len), Some(1));
            user.to_string()
        })
        .collect();
    fs::write(place.path("older.jsonl"), older.join("\n")).unwrap();
    assert_eq!(evaluate("--fit older.jsonl")["fusion"], fitted["fusion"]);

    // Test users are not there to be fitted on, and a damaged file is said to be one.
    for (name, text, wrong) in [
        ("test.jsonl", lines.as_str(), "test.jsonl, line 1 is about test items"),
        ("none.jsonl", "", "none.jsonl is empty"),
        ("cut.jsonl", &file[..file.len() - 9], "is no user's scores"),
        ("far.jsonl", &file.replacen("\"target\":", "\"target\":9", 1), "line 1 has 20 candidates"),
        (
            "tuned.jsonl",
            &file.replacen("\"adapter_sha256\":\"", "\"adapter_sha256\":\"0", 1),
            "another adapter",
        ),
        ("base.jsonl", &file.replacen("\"base_sha256\":\"", "\"base_sha256\":\"0", 1), "another base model"),
        (
            "orders.jsonl",
            &file.replacen("\"permutations\":0", "\"permutations\":4", 1),
            "of 4 random orders, not 0",
        ),
        ("asked.jsonl", &file.replacen("\"pointwise\"", "\"letters\"", 1), "another --mode"),
        (
            "found.jsonl",
            &file.replacen("\"retrievers_sha256\":[\"", "\"retrievers_sha256\":[\"0", 1),
            "candidates of another retriever",
        ),
        ("else.jsonl", &file.replacen("\"data\":\"", "\"data\":\"other", 1), "line 1 is about other"),
    ] {
        fs::write(place.path(name), text).unwrap();
        let (code, message) = place.refused(&format!("{words} --fit {name}"));
        assert_eq!(code, Some(3), "{message}");
        assert!(message.contains(wrong) && message.contains("--scores FILE"), "{message}");
    }
}

#[test]
fn chance_is_that_of_the_candidates_there_are() {
    let place = Place::new();
    let words =
        "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter none --json";
    let found: Value = serde_json::from_str(&place.done(words)).unwrap();
    let chance = found["cross_entropy"]["chance"].as_f64().unwrap();
    assert!((chance - 20.0_f64.ln()).abs() < 1e-9, "{chance}");
    place.done("candidates --retriever retriever --data . --top 5 --out five.candidates");
    let words = words.replace("all.candidates", "five.candidates");
    let found: Value = serde_json::from_str(&place.done(&words)).unwrap();
    let chance = found["cross_entropy"]["chance"].as_f64().unwrap();
    assert!((chance - 5.0_f64.ln()).abs() < 1e-9, "{chance}");
}
