//! `trainer/json.md` names every field that is printed, and none that is not.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use tests::workspace;

use super::{Place, RANKER};

/// What may be left out where it does not apply, or is about another way of calling.
const OPTIONAL: [&str; 6] = ["remedy", "teacher", "start", "calibrated", "against", "batch_mean"];

/// The words in backquotes of the row of a command that may be keys.
fn documented(page: &str, command: &str) -> BTreeSet<String> {
    let row = page.lines().find(|line| line.starts_with("| `") && line.split('`').nth(1) == Some(command));
    let row = row.unwrap_or_else(|| panic!("no row for {command}"));
    let fields = row.split('|').nth(2).unwrap();
    let words = fields.split('`').skip(1).step_by(2);
    let is_key = |word: &&str| {
        let of_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_@".contains(c);
        word.chars().all(of_key) && !["null", "rank"].contains(word)
    };
    words.filter(is_key).map(str::to_owned).collect()
}

/// All keys at any depth.
fn keys(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                into.insert(key.clone());
                keys(value, into);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, into)),
        _ => {}
    }
}

#[track_caller]
fn compare(page: &str, command: &str, printed: &str) {
    assert_eq!(printed.trim_end().lines().count(), 1, "{command} prints one line");
    let printed: Value = serde_json::from_str(printed).unwrap();
    let documented = documented(page, command);
    let top: BTreeSet<String> = printed.as_object().unwrap().keys().cloned().collect();
    let missing: Vec<_> = top.difference(&documented).collect();
    assert!(missing.is_empty(), "{command}: json.md does not name {missing:?}");
    let mut all = BTreeSet::new();
    keys(&printed, &mut all);
    let absent: Vec<_> =
        documented.difference(&all).filter(|key| !OPTIONAL.contains(&key.as_str())).collect();
    assert!(absent.is_empty(), "{command}: json.md names {absent:?}, which are not printed");
}

#[test]
fn the_page_names_what_is_printed() {
    let page = fs::read_to_string(workspace().join("trainer/json.md")).unwrap();
    let place = Place::new();
    let json = |words: &str| place.done(&format!("{words} --json"));
    place.done(&format!("{RANKER} --steps 4 --out tuned"));

    compare(&page, "data stats", &json("data stats --data ."));
    compare(&page, "data synthetic", &json("data synthetic --rows 100 --out made"));
    compare(&page, "train retriever", &json("train retriever --data . --d-model 8 --steps 1 --out r"));
    compare(&page, "train retriever --dry-run", &json("train retriever --data . --dry-run"));
    compare(&page, "train ranker", &json(&format!("{RANKER} --steps 4 --out again")));
    compare(&page, "train ranker --dry-run", &json(&format!("{RANKER} --steps 4 --out third --dry-run")));
    compare(&page, "candidates", &json("candidates --data . --retriever retriever --out few"));
    compare(&page, "evaluate --retriever", &json("evaluate --data . --retriever retriever"));
    let ranker =
        "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter tuned";
    compare(&page, "evaluate --stage ranker", &json(&format!("{ranker} --scores of.jsonl")));
    let scores = fs::read_to_string(place.path("of.jsonl")).unwrap();
    compare(&page, "evaluate --scores FILE", scores.lines().next().unwrap());
    compare(&page, "report", &json("report ."));
    let sweep = "sweep --data . --vary seed=1 --recipe short.toml --out swept";
    fs::write(place.path("short.toml"), "[retriever]\nsteps = 1\nvalidate_every = 1\nd_model = 8\n").unwrap();
    compare(&page, "sweep", &json(sweep));
    compare(&page, "rank", &json("rank --title Heat --base tiny.gguf --adapter none"));
    let doctor = place.run("doctor --json");
    compare(&page, "doctor", &String::from_utf8(doctor.stdout).unwrap());
    compare(&page, "bench retrieve", &json("bench retrieve --items 100 --repeats 1"));
}
