//! `llamarec doctor`: says what is there, what is missing and what to do, on any machine.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

use serde_json::Value;
use tests::llamarec;

#[test]
fn doctor_names_a_remedy_for_all_that_is_missing() {
    let home = tempfile::tempdir().unwrap();
    // No tool is on this path: all of them are missing.
    let output = llamarec()
        .args(["doctor", "--json"])
        .env("LLAMAREC_HOME", home.path())
        .env("PATH", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["version"].is_string());
    let checks = report["checks"].as_array().unwrap();
    for (name, ok) in [
        ("llamarec", true),
        ("cpu", true),
        ("data", true),
        ("base model", false),
        ("rustc", false),
        ("wasm target", false),
        ("trunk", false),
        ("wasm-bindgen", false),
    ] {
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!(check["ok"], ok, "{check}");
        assert!(!check["found"].as_str().unwrap().is_empty(), "{check}");
    }
    for check in checks {
        assert_eq!(check["ok"] == false, check["remedy"].is_string(), "{check}");
    }
    assert!(checks.iter().any(|check| check["name"] == "gpu"));
}

#[test]
fn doctor_in_words_shows_each_remedy_below_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let output = llamarec().arg("doctor").env("LLAMAREC_HOME", home.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains("base model")).unwrap();
    assert!(lines[at].starts_with("missing"), "{text}");
    assert_eq!(lines[at + 1].trim(), "-> llamarec model fetch (98 MB, once)", "{text}");
}
