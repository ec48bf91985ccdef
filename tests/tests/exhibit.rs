//! `llamarec exhibit` on the real binary: what the page shows before any model is loaded.

use std::{fs, path::Path};

use serde_json::{Value, json};
use shared::{
    exhibit::{Example, Results},
    manifest::Manifest,
    protocol::TunedWays,
};
use tempfile::TempDir;
use tests::{documented::as_documented, llamarec, refused, tiny_llama, workspace};
use trainer::fetch::sha256;

/// A copy of the shipped bundle without its adapter, and a tiny base model beside it.
fn bundle() -> (TempDir, String, String) {
    let folder = TempDir::new().unwrap();
    let bundle = folder.path().join("bundle");
    fs::create_dir(&bundle).unwrap();
    let shipped = workspace().join("public/models/movielens");
    for file in ["catalog.json", "retriever.safetensors"] {
        fs::copy(shipped.join(file), bundle.join(file)).unwrap();
    }
    let manifest = fs::read(shipped.join("manifest.json")).unwrap();
    let mut manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    (manifest.adapter, manifest.letters, manifest.examples, manifest.results) = (None, None, None, None);
    fs::write(bundle.join("manifest.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
    let base = folder.path().join("tiny.gguf");
    fs::write(&base, tiny_llama::gguf(7)).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (bundle, base) = (text(&bundle), text(&base));
    (folder, bundle, base)
}

#[test]
fn examples_and_measures_are_added_to_the_bundle() {
    let (folder, bundle, base) = bundle();
    let measures = workspace().join("public/models/movielens/adapter.test.json");
    let tastes = folder.path().join("tastes.toml");
    fs::write(&tastes, "[[example]]\nname = \"Two\"\ntitles = [\"Heat (1995)\", \"toy story\"]\n").unwrap();
    let output = llamarec()
        .args(["exhibit", "--bundle", &bundle, "--base", &base, "--examples"])
        .arg(&tastes)
        .arg("--measures")
        .arg(&measures)
        .arg("--json")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    as_documented("exhibit", &output.stdout);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["examples"], &said["results"]), (&json!(1), &json!(4)));

    let file = |name: &str| fs::read(Path::new(&bundle).join(name)).unwrap();
    let manifest: Manifest = serde_json::from_slice(&file("manifest.json")).unwrap();
    for entry in [manifest.examples.unwrap(), manifest.results.unwrap()] {
        let bytes = file(&entry.path);
        assert_eq!((entry.bytes, entry.sha256), (bytes.len() as u64, sha256(&bytes[..], |_| ()).unwrap()));
    }
    let examples: Vec<Example> = serde_json::from_slice(&file("examples.json")).unwrap();
    let [example] = examples.as_slice() else { panic!("one example") };
    let Example { name, shipped, others, study, race } = example;
    assert_eq!((name.as_str(), shipped.history.len(), shipped.candidates.len()), ("Two", 2, 20));
    let read = example.answer(true, false).unwrap().ranker.as_ref().unwrap();
    assert_eq!((read.letter_logits.len(), read.top.len()), (20, 20));
    assert!(read.letter_mass.is_some());
    // Without adapters there are no other ways of asking.
    assert_eq!((others.len(), example.tuned()), (1, TunedWays::default()));
    assert_eq!((study.orders, study.answers.len(), study.titles.len()), (8, 8, 20));
    let places = |answer: &[(usize, f32)]| answer.iter().map(|&(place, _)| place).collect::<Vec<_>>();
    assert_ne!(places(&study.answers[0]), places(&study.answers[1]));
    assert!(race.end.is_some() && race.tokens > 0 && race.pass_ms > 0.0, "{race:?}");

    let results: Results = serde_json::from_slice(&file("results.json")).unwrap();
    let measured: Value = serde_json::from_slice(&fs::read(measures).unwrap()).unwrap();
    assert_eq!(results.rows[1].ndcg_10, measured["overall"]["fused"]["ndcg@10"].as_f64());
    assert_eq!(results.rows.iter().filter(|row| row.ours).count(), 2);
    let paper = results.rows.iter().find(|row| row.system == "LlamaRec").unwrap();
    assert_eq!((paper.ndcg_10, paper.recall_10), (Some(0.0759), Some(0.1524)));

    // Other examples do not take the results away.
    let again = ["exhibit", "--bundle", &bundle, "--base", &base, "--examples", tastes.to_str().unwrap()];
    assert!(llamarec().args(again).status().unwrap().success());
    let manifest: Manifest = serde_json::from_slice(&file("manifest.json")).unwrap();
    assert!(manifest.results.is_some() && file("results.json") == serde_json::to_vec(&results).unwrap());
}

#[test]
fn the_shipped_records_are_of_the_shipped_models() {
    let folder = workspace().join("public/models/movielens");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let manifest: Manifest = serde_json::from_slice(&read("manifest.json")).unwrap();
    let examples: Vec<Example> = serde_json::from_slice(&read("examples.json")).unwrap();
    assert_eq!(examples.len(), 5);
    let [adapter, of_letters] = ["adapter.safetensors", "letters.safetensors"]
        .map(|file| shared::tuned::TunedFor::of(&read(file)).unwrap());
    for example in examples {
        let (name, shipped) = (&example.name, &example.shipped);
        assert_eq!(shipped.provenance.adapter, Some(adapter.name()), "{name}");
        assert_eq!(shipped.provenance.bundle, manifest.name);
        let letters = example.answer(true, false).unwrap();
        assert!(shipped.fused.is_some() && letters.fused.is_some() && letters.ranker.is_some(), "{name}");
        assert_eq!(letters.provenance.adapter, Some(of_letters.name()), "{name}");
        assert_eq!(shipped.history, letters.history);
        // The lesson's every step can be seen without a model.
        let untuned = example.answer(false, true).unwrap();
        assert!(untuned.provenance.adapter.is_none() && untuned.pointwise != shipped.pointwise, "{name}");
        assert_eq!(example.study.answers.len(), 8, "{name}");
        assert!(example.race.writing_ms > example.race.pass_ms, "{name}");
    }
    // It is fetched before anything else is shown.
    assert!(manifest.examples.unwrap().bytes < 300_000);
}

#[test]
fn bad_input_is_named_with_its_remedy() {
    let (folder, bundle, base) = bundle();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let call = |option: &str, file: &str, exit, parts: &[&str]| {
        refused(&["exhibit", "--bundle", &bundle, "--base", &base, option, file], exit, parts);
    };
    call("--examples", "absent.toml", 3, &["absent.toml"]);
    call("--examples", &write("a.toml", "[[example]]\nname = 3\n"), 3, &["a.toml", "[[example]]"]);
    let unknown = write("b.toml", "[[example]]\nname = \"x\"\ntitles = [\"Haet (1995)\"]\n");
    call("--examples", &unknown, 3, &["Haet (1995)", "example \"x\""]);
    let empty = write("c.toml", "[[example]]\nname = \"nobody\"\ntitles = []\n");
    call("--examples", &empty, 3, &["nobody", "no titles"]);
    call("--measures", &write("d.json", "{}"), 3, &["d.json", "evaluate --stage ranker --json"]);
    let shipped = workspace().join("public/models/movielens");
    let mut measures: Value =
        serde_json::from_slice(&fs::read(shipped.join("adapter.test.json")).unwrap()).unwrap();
    measures["tuned_for"]["step"] = 7.into();
    let of_other = write("e.json", &measures.to_string());
    let shipped = shipped.to_str().unwrap();
    let of_shipped = ["exhibit", "--bundle", shipped, "--base", &base, "--measures", &of_other];
    refused(&of_shipped, 3, &["e.json measures another ranker", "evaluate --stage ranker"]);
    measures["data"] = "games".into();
    let of_other = write("f.json", &measures.to_string());
    call(
        "--measures",
        &of_other,
        3,
        &["f.json measures the data games, the bundle is of movielens-small-2016"],
    );
    let catalog = trainer::data::load(None).unwrap().catalog;
    let titles: Vec<&str> = catalog.iter().map(|(_, item)| item.title.as_str()).collect();
    let titles = serde_json::to_string(&titles).unwrap();
    let all = write("g.toml", &format!("[[example]]\nname = \"all\"\ntitles = {titles}\n"));
    call("--examples", &all, 3, &["example \"all\" holds every item"]);
    refused(&["exhibit", "--bundle", "absent", "--base", &base], 3, &["manifest.json"]);
    // Nothing was written.
    assert!(!Path::new(&bundle).join("examples.json").exists());
}
