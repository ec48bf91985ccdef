//! `trainer/json.md` names every field that is printed, and none that is not.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::workspace;

/// What may be left out where it does not apply, or is about another way of calling.
const OPTIONAL: [&str; 13] = [
    "remedy",
    "teacher",
    "start",
    "calibrated",
    "against",
    "batch_mean",
    "reused_tokens",
    "second_tokens",
    "second_ms",
    "second_speedup",
    "orders",
    "orders_ms",
    "orders_cost",
];

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

/// Compares what a command printed with its row, both ways.
///
/// # Panics
/// If they differ.
#[track_caller]
pub fn as_documented(command: &str, printed: impl AsRef<[u8]>) {
    let page = fs::read_to_string(workspace().join("trainer/json.md")).expect("a page");
    let printed = str::from_utf8(printed.as_ref()).expect("text");
    assert_eq!(printed.trim_end().lines().count(), 1, "{command} prints one line");
    let printed: Value = serde_json::from_str(printed).expect("JSON");
    let documented = documented(&page, command);
    let top: BTreeSet<String> = printed.as_object().expect("an object").keys().cloned().collect();
    let missing: Vec<_> = top.difference(&documented).collect();
    assert!(missing.is_empty(), "{command}: json.md does not name {missing:?}");
    let mut all = BTreeSet::new();
    keys(&printed, &mut all);
    let absent: Vec<_> =
        documented.difference(&all).filter(|key| !OPTIONAL.contains(&key.as_str())).collect();
    assert!(absent.is_empty(), "{command}: json.md names {absent:?}, which are not printed");
}
