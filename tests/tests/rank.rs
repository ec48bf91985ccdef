//! `llamarec rank` and `llamarec explain` on the real binary: results, contracts of the JSON, bad input.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;
use shared::{ranking::Ordering, trace::Trace};
use tempfile::TempDir;
use tests::{
    documented::as_documented, llamarec, refused, shared_data, skip_without_base_model, tiny_llama, tuned,
};

/// Largest resident memory of one ranking with SmolLM2-135M on the CPU.
#[cfg(target_os = "linux")]
const MEMORY_LIMIT: u64 = 450_000_000;

fn run(args: &[&str]) -> Output {
    llamarec().args(args).output().unwrap()
}

fn tiny_base(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("tiny.gguf");
    fs::write(&path, tiny_llama::gguf(7)).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn rank_gives_a_whole_trace() {
    let folder = TempDir::new().unwrap();
    let base = tiny_base(&folder);
    let output = run(&[
        "rank",
        "--title",
        "Heat (1995)",
        "--title",
        "toy story",
        "--base",
        text(&base),
        "--top",
        "5",
        "--json",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trace: Trace = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(trace.history.len(), 2);
    assert_eq!(trace.history[1].title, "Toy Story (1995)");
    assert_eq!(trace.candidates.len(), 20);
    assert!(
        trace
            .candidates
            .iter()
            .all(|candidate| !trace.history.iter().any(|seen| seen.item == candidate.item))
    );
    assert!(trace.candidates.is_sorted_by(|a, b| a.score >= b.score));
    // An untuned base model is at chance: it is shown, it does not decide.
    assert_eq!(trace.ordering, Ordering::Retriever);
    assert!(trace.ranking.iter().zip(&trace.candidates).all(|(line, candidate)| line.item == candidate.item));

    let ranker = trace.ranker.unwrap();
    assert!(ranker.prompt.text.contains("(1) Heat (1995) \n (2) Toy Story (1995); \n Candidate pool: (A) "));
    assert!(ranker.prompt.text.ends_with("\n\n### Response:\n"));
    assert_eq!(ranker.token_ids.len(), ranker.token_offsets.len());
    assert_eq!(ranker.token_offsets.last().unwrap().1, ranker.prompt.text.len());
    assert_eq!((ranker.letter_logits.len(), ranker.top.len()), (20, 5));
    assert!((ranker.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4);
}

#[test]
fn a_user_of_the_data_set_has_a_history() {
    let output = run(&["rank", "--user", "15", "--title", "Heat", "--retriever-only", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trace: Trace = serde_json::from_slice(&output.stdout).unwrap();
    assert!(trace.history.len() > 16);
    assert_eq!(trace.history.last().unwrap().title, "Heat (1995)");
    assert!(trace.ranker.is_none());
}

#[test]
fn bad_input_is_named_with_its_remedy() {
    let folder = TempDir::new().unwrap();
    let base = tiny_base(&folder);
    let cut = folder.path().join("cut.gguf");
    let whole = fs::read(&base).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let empty = folder.path().join("empty.txt");
    fs::write(&empty, "").unwrap();
    let home = text(folder.path());

    refused(&["rank"], 2, &["history is empty", "--title"]);
    refused(&["rank", "--title", "Haet (1995)"], 3, &["Haet (1995)", "Heat (1995)"]);
    refused(&["rank", "--user", "9999", "--retriever-only"], 3, &["no user 9999", "1 to 671"]);
    refused(&["rank", "--title", "Heat", "--base", text(&cut)], 3, &["cut.gguf", "truncated", "model fetch"]);
    refused(&["rank", "--title", "Heat", "--base", "absent.gguf"], 3, &["absent.gguf"]);
    refused(
        &["rank", "--title", "Heat", "--adapter", "x.safetensors"],
        3,
        &["x.safetensors", "--adapter none"],
    );
    refused(&["rank", "--title", "Heat", "--retriever-only", "--bundle", home], 3, &["manifest.json"]);
    refused(
        &["rank", "--title", "Heat", "--retriever-only", "--adapter", "none"],
        2,
        &["--retriever-only", "cannot be used with", "--adapter"],
    );
    refused(
        &["rank", "--title", "Heat", "--base", text(&base), "--device", "cuda"],
        4,
        &["without cuda", "--features cuda"],
    );
    refused(&["explain", "--prompt-file", "absent.txt"], 3, &["absent.txt"]);
    refused(&["explain", "--prompt-file", text(&empty), "--base", text(&base)], 3, &["empty"]);

    let without_base = |what: &str| {
        let mut command = llamarec();
        let output = command.args(["rank", "--title", "Heat"]).env("LLAMAREC_HOME", home).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains(what) && stderr.contains("llamarec model fetch"), "{stderr}");
    };
    without_base("there is no base model");
    // A damaged one is no base model of one's own, which would rank untuned.
    let wanted = trainer::fetch::base_model();
    fs::create_dir(folder.path().join("models")).unwrap();
    let damaged = fs::File::create(folder.path().join("models").join(&wanted.path)).unwrap();
    damaged.set_len(wanted.bytes).unwrap();
    without_base(&format!("expected {}", wanted.sha256));
}

#[test]
fn adapters_that_would_not_count_are_refused() {
    let folder = TempDir::new().unwrap();
    let base = tiny_base(&folder);
    let path = folder.path().join("adapter.safetensors");
    fs::write(&path, tuned::adapter(&tiny_llama::gguf(7))).unwrap();
    let prompt = folder.path().join("prompt.txt");
    fs::write(&prompt, "Heat\n").unwrap();
    let refuse = |command: &[&str], adapters: &[&str], what: &str| {
        let adapters: Vec<&str> = adapters.iter().flat_map(|adapter| ["--adapter", adapter]).collect();
        refused(&[command, &["--base", text(&base)], &adapters].concat(), 2, &[what, "hint:"]);
    };
    let rank = ["rank", "--title", "Heat"];
    refuse(&rank, &[text(&path), text(&path)], "is asked in the same way as another");
    refuse(&rank, &["none", text(&path)], "--adapter none is given beside another");
    refuse(&[&rank[..], &["--top", "3"]].concat(), &[text(&path)], "--top 3: asked film by film");
    refuse(&["explain", "--prompt-file", text(&prompt)], &[text(&path)], "asked film by film");
    refuse(&["bench", "rank", "--repeats", "1"], &[text(&path)], "asked film by film");
}

#[cfg(target_os = "linux")]
#[test]
fn a_table_larger_than_the_memory_is_refused() {
    let bench = ["bench", "retrieve", "--items", "100000000", "--d-model", "65535"];
    refused(&bench, 2, &["--items 100000000 with --d-model 65535", "GB of memory"]);
}

#[test]
fn bench_rank_measures_the_pass_that_explain_shows() {
    let folder = TempDir::new().unwrap();
    let base = tiny_base(&folder);
    let prompt = folder.path().join("prompt.txt");
    fs::write(&prompt, "(A) Heat (1995)\n\n### Response:\n").unwrap();
    let json = |args: &[&str]| -> Value {
        let output = run(&[args, &["--base", text(&base), "--json"]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        as_documented(if args[0] == "bench" { "bench rank" } else { "explain" }, &output.stdout);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let bench = json(&["bench", "rank", "--prompt-file", text(&prompt), "--repeats", "2"]);
    let explained = json(&["explain", "--prompt-file", text(&prompt), "--top", "0"]);
    for key in ["cold_ms", "median_ms", "cpu_ms", "gflop", "peak_gflop_per_second", "share_of_peak"] {
        assert!(bench[key].as_f64().unwrap() > 0.0, "{key}: {bench}");
    }
    assert_eq!(bench["device"], "cpu");
    assert!(bench["tokens"].as_u64().unwrap() > 10);
    let logits = bench["logits"].as_array().unwrap();
    assert_eq!(logits.len(), 20);
    for (measured, shown) in logits.iter().zip(explained["letter_logits"].as_array().unwrap()) {
        assert!((measured.as_f64().unwrap() - shown.as_f64().unwrap()).abs() < 1e-6, "{bench} {explained}");
    }
    // Without a prompt it is the paper's, whose twenty candidates make it long.
    let whole = json(&["bench", "rank", "--repeats", "1"]);
    assert!(whole["tokens"].as_u64().unwrap() > 500);
    let reused = whole["reused_tokens"].as_u64().unwrap();
    assert!(reused > 200 && reused < whole["tokens"].as_u64().unwrap(), "{whole}");
    for key in ["second_ms", "second_speedup", "orders_ms", "orders_cost"] {
        assert!(whole[key].as_f64().unwrap() > 0.0, "{key}: {whole}");
    }
    assert_eq!(whole["orders"], 8);
    // What the time went to: seven products in each of two blocks, and so on.
    let calls = |name: &str| {
        let part = whole["parts"].as_array().unwrap().iter().find(|part| part["name"] == name);
        part.unwrap_or_else(|| panic!("{name}: {whole}"))["calls"].as_u64().unwrap()
    };
    let names = ["products", "attention", "norms", "rotation", "embedding", "head", "rest"];
    assert_eq!(names.map(calls), [14, 2, 5, 4, 1, 1, 1], "{whole}");
    refused(&["bench", "rank", "--prompt-file", "absent.txt", "--base", text(&base)], 3, &["absent.txt"]);
}

#[test]
fn bench_rank_tells_a_gpus_kernels() {
    let folder = TempDir::new().unwrap();
    let (base, prompt) = (tiny_base(&folder), folder.path().join("prompt.txt"));
    fs::write(&prompt, "(A) Heat (1995)\n\n### Response:\n").unwrap();
    let args =
        ["bench", "rank", "--device", "wgpu", "--repeats", "1", "--json", "--prompt-file", text(&prompt)];
    let output = run(&[&args[..], &["--base", text(&base)]].concat());
    if output.status.code() == Some(4) {
        println!("skipped: {}; install mesa-vulkan-drivers", String::from_utf8_lossy(&output.stderr));
        return;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bench: Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts = bench["parts"].as_array().unwrap();
    let calls = |name: &str| parts.iter().find(|part| part["name"] == name).map(|part| part["calls"].clone());
    // Seven products in each of two blocks, one attention, two norms and the last, queries and keys turned.
    let found = ["Q4Product", "Attend", "RmsNorm", "Rotate"].map(calls);
    assert_eq!(found, [14, 2, 5, 4].map(|calls| Some(Value::from(calls))), "{bench}");
    assert!(parts.iter().all(|part| part["ms"].as_f64().unwrap() >= 0.0), "{bench}");
}

#[test]
fn bench_figure3_measures_both_ways_and_draws_them() {
    let folder = TempDir::new().unwrap();
    let (base, figure) = (tiny_base(&folder), folder.path().join("figure.svg"));
    let args = ["bench", "figure3", "--lengths", "2,4", "--repeats", "1", "--out", text(&figure), "--json"];
    let output = run(&[&args[..], &["--base", text(&base)]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    as_documented("bench figure3", &output.stdout);
    let races = measured["races"].as_array().unwrap();
    for (race, length) in races.iter().zip([2, 4]) {
        assert_eq!(race["title_tokens"], length);
        assert_eq!(race["written_tokens"], 20 * length);
        let (pass, written) =
            (race["verbalizer_ms"].as_f64().unwrap(), race["generation_ms"].as_f64().unwrap());
        assert!((race["ratio"].as_f64().unwrap() - written / pass).abs() < 1e-6);
    }
    // Longer titles make a longer prompt, by two tokens for each of the forty.
    let prompt = |n: usize| races[n]["prompt_tokens"].as_u64().unwrap();
    assert!((70..=90).contains(&(prompt(1) - prompt(0))), "{races:?}");
    assert!(fs::read_to_string(figure).unwrap().starts_with("<svg"));
    refused(&["bench", "figure3", "--lengths", "0", "--base", text(&base)], 2, &["--lengths"]);
}

#[test]
fn a_changed_bundle_is_refused() {
    let folder = TempDir::new().unwrap();
    let bundle = tests::workspace().join("public/models/movielens");
    for file in ["manifest.json", "catalog.json", "adapter.safetensors", "retriever.safetensors"] {
        let mut bytes = fs::read(bundle.join(file)).unwrap();
        if file == "retriever.safetensors" {
            *bytes.last_mut().unwrap() ^= 1;
        }
        fs::write(folder.path().join(file), bytes).unwrap();
    }
    refused(
        &["rank", "--title", "Heat", "--retriever-only", "--bundle", text(folder.path())],
        3,
        &["retriever.safetensors of", "has SHA-256", "llamarec export"],
    );
}

#[test]
fn explain_keeps_its_contract() {
    let folder = TempDir::new().unwrap();
    let base = tiny_base(&folder);
    let prompt = folder.path().join("prompt.txt");
    fs::write(&prompt, "Heat\n").unwrap();
    let output = run(&["explain", "--prompt-file", text(&prompt), "--base", text(&base), "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["token_ids"].as_array().unwrap().len(), 5);
    assert_eq!(object["label_ids"].as_array().unwrap().len(), 20);
    assert_eq!(object["letter_logits"].as_array().unwrap().len(), 20);
    let top = object["top"].as_array().unwrap();
    assert_eq!(top.len(), 20);
    assert!(top[0]["id"].is_u64() && top[0]["token"].is_string() && top[0]["logit"].is_number());
}

#[test]
fn the_real_model_answers_and_fits_in_memory() {
    let Some(base) = skip_without_base_model(trainer::fetch::base_model_path(None)) else { return };
    let folder = TempDir::new().unwrap();
    let prompt = folder.path().join("prompt.txt");
    fs::write(&prompt, "The capital of France is").unwrap();
    let output = run(&["explain", "--prompt-file", text(&prompt), "--base", text(&base), "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["top"][0]["token"], " Paris");

    let mut titles = vec!["rank", "--base", text(&base), "--json"];
    for title in ["Heat (1995)", "Toy Story (1995)", "Jumanji (1995)"] {
        titles.extend(["--title", title]);
    }
    let trace = |more: &[&str]| -> Trace {
        let output = run(&[&titles, more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    // The shipped adapters decide with the retriever, film by film and by letters; the untuned base model decides nothing.
    let tuned = trace(&[]);
    assert_eq!(tuned.ordering, Ordering::Fused);
    assert!(tuned.provenance.adapter.unwrap().starts_with("movielens-small-2016"));
    assert!(tuned.pointwise.unwrap().scores.iter().all(|score| score.is_finite()));
    let by_letters = trace(&["--letters"]);
    assert_eq!(by_letters.ordering, Ordering::Fused);
    assert!(by_letters.provenance.adapter.is_some() && by_letters.pointwise.is_none());
    let untuned = trace(&["--letters", "--untuned"]);
    assert_eq!(untuned.ordering, Ordering::Retriever);
    assert!(untuned.provenance.adapter.is_none());
    assert_ne!(by_letters.ranker.unwrap().letter_logits, untuned.ranker.unwrap().letter_logits);
    #[cfg(target_os = "linux")]
    {
        let peak = peak_memory(&titles);
        println!("peak resident memory of one ranking: {} MB", peak / 1_000_000);
        assert!(peak < MEMORY_LIMIT, "{peak} bytes");
    }
}

/// Peak resident bytes of a run, from the kernel's own count.
#[cfg(target_os = "linux")]
fn peak_memory(args: &[&str]) -> u64 {
    use std::process::Stdio;
    let mut child = llamarec().args(args).stdout(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) * 1024);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    peak
}

#[test]
fn the_paper_data_set_gives_the_paper_statistics() {
    let Some(data) = shared_data("data/ml-latest-small") else { return };
    let output = run(&["data", "stats", "--data", text(&data), "--json"]);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&object["users"], &object["items"], &object["interactions"]),
        (&610.into(), &3650.into(), &90274.into())
    );
    assert!((object["mean_length"].as_f64().unwrap() - 147.99).abs() < 0.005);
}
