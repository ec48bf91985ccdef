//! `llamarec export` on the real binary: what makes a bundle, and what does not.

use std::{fs, path::PathBuf};

use serde_json::Value;
use shared::{manifest::Manifest, scoring::ScoringConfig, tuned::TunedFor};
use tempfile::TempDir;
use tests::{documented::as_documented, llamarec, refused, tiny_llama, tuned, workspace};
use trainer::{bundle, fetch};

/// An adapter that says it was made for the page's base model; by letters or film by film.
fn adapter(folder: &TempDir, letters: bool) -> String {
    let bytes = tuned::adapter_for(&tiny_llama::gguf(7), |tuned_for: &mut TunedFor| {
        tuned_for.base_sha256 = fetch::base_model().sha256;
        "movielens-small-2016".clone_into(&mut tuned_for.data);
        if letters {
            tuned_for.scoring = ScoringConfig::letters();
        }
    });
    write(folder, if letters { "letters" } else { "adapter" }, &bytes)
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) -> String {
    let path: PathBuf = folder.path().join(name).with_extension("safetensors");
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_bundle_holds_both_adapters_and_the_first_decides() {
    let folder = TempDir::new().unwrap();
    let (decides, letters) = (adapter(&folder, false), adapter(&folder, true));
    let retriever = workspace().join("public/models/movielens/retriever.safetensors");
    let retriever = retriever.to_str().unwrap();
    let out = folder.path().join("bundle");
    let export = ["export", "--retriever", retriever, "--out", out.to_str().unwrap()];
    let with = |more: &[&'static str], paths: &[&str]| -> Vec<String> {
        let more =
            more.iter().zip(paths).flat_map(|(option, path)| [(*option).to_owned(), (*path).to_owned()]);
        export.iter().map(|word| (*word).to_owned()).chain(more).collect()
    };
    let words = with(&["--adapter", "--letters"], &[&decides, &letters]);
    let output = llamarec().args(&words).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    as_documented("export", &output.stdout);
    let manifest: Manifest = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert!(manifest.adapter.is_some() && manifest.letters.is_some());
    let adapters = bundle::load(Some(&out)).unwrap().adapters;
    let files = [&decides, &letters].map(|path| fs::read(path).unwrap());
    assert!(adapters == files, "the adapter that decides comes first");

    // A bundle is not replaced unasked, and neither are its examples.
    let words = with(&["--adapter"], &[&decides]);
    refused(
        &words.iter().map(String::as_str).collect::<Vec<_>>(),
        2,
        &["manifest.json is there already", "--force"],
    );
    let adapters = bundle::load(Some(&out)).unwrap().adapters;
    assert!(adapters == files, "nothing was touched");

    let refuse = |options: &[&'static str], paths: &[&str], what: &str| {
        let mut words = with(options, paths);
        words.push("--force".to_owned());
        refused(&words.iter().map(String::as_str).collect::<Vec<_>>(), 3, &["the adapter for letters", what]);
    };
    refuse(&["--letters"], &[&decides], "film by film");
    refuse(&["--adapter", "--letters"], &[&letters, &letters], "the adapter beside it answers by letters");
    let other = write(&folder, "other", &tuned::adapter(&tiny_llama::gguf(7)));
    refuse(&["--letters"], &[&other], "the page loads another");

    let file = out.join("letters.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let rank = ["rank", "--title", "Heat", "--retriever-only", "--bundle", out.to_str().unwrap()];
    refused(&rank, 3, &["letters.safetensors of", "has SHA-256", "llamarec export"]);

    // What the new manifest does not name is not left behind.
    assert!(llamarec().args(export).arg("--force").status().unwrap().success());
    let there = |name: &str| out.join(name).exists();
    assert!(there("retriever.safetensors") && !there("adapter.safetensors") && !there("letters.safetensors"));
}

#[test]
fn a_retriever_of_other_data_is_refused_although_it_knows_as_many_items() {
    let folder = TempDir::new().unwrap();
    let shipped = workspace().join("public/models/movielens");
    fs::copy(shipped.join("retriever.safetensors"), folder.path().join("weights.safetensors")).unwrap();
    let metrics = fs::read(shipped.join("retriever.metrics.json")).unwrap();
    let mut metrics: Value = serde_json::from_slice(&metrics).unwrap();
    metrics["data"]["sequences_sha256"] = "other".into();
    fs::write(folder.path().join("metrics.json"), metrics.to_string()).unwrap();
    let (run, out) = (folder.path().to_str().unwrap(), folder.path().join("bundle"));
    let export = ["export", "--retriever", run, "--out", out.to_str().unwrap()];
    refused(&export, 3, &["was trained on other data", "--data"]);
    assert!(!out.exists());
}
