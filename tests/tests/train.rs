//! `llamarec train`, `sweep`, `candidates`, `evaluate` and `report` on the real binary and a tiny data set.

use std::{
    fmt::Write,
    fs,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tests::llamarec;

/// Users who rated the same six films, each in an order of their own.
fn write_data(folder: &Path, users: usize) {
    let mut ratings = "userId,movieId,rating,timestamp\n".to_owned();
    for user in 1..=users {
        for n in 0..6 {
            writeln!(ratings, "{user},{},4.0,{}", (user + n) % 6 + 1, 1000 + n).unwrap();
        }
    }
    let mut movies = "movieId,title,genres\n".to_owned();
    for id in 1..=6 {
        writeln!(movies, "{id},Film {id} (2000),Drama").unwrap();
    }
    fs::write(folder.join("ratings.csv"), ratings).unwrap();
    fs::write(folder.join("movies.csv"), movies).unwrap();
}

/// A folder with data, and commands that use it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        write_data(folder.path(), 8);
        Self(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = llamarec();
        command.args(words).current_dir(self.0.path());
        if words[0] != "report" {
            command.args(["--data", "."]);
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    #[track_caller]
    fn done(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn refused(&self, words: &[&str], code: i32, part: &str) {
        let output = self.run(words);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(part) && stderr.contains("hint:"), "{stderr}");
    }
}

const TRAIN: [&str; 4] = ["train", "retriever", "--validate-every", "1"];

#[test]
fn a_run_is_kept_until_it_is_told_to_go() {
    let place = Place::new();
    let train = |more: &[&'static str]| [&TRAIN[..], &["--out", "mine"], more].concat();
    let weights = || fs::read(place.path("mine/weights.safetensors")).unwrap();

    // A window longer than any history costs nothing.
    place.done(&train(&["--steps", "2", "--max-len", "100000000"]));
    let first = weights();
    for file in ["config.toml", "environment.json", "metrics.json", "curve.csv", "curve.jsonl", "curve.svg"] {
        assert!(place.path("mine").join(file).is_file(), "{file}");
    }
    place.refused(&train(&["--steps", "2"]), 2, "is there already");
    assert_eq!(weights(), first);
    place.refused(&train(&["--resume", "--steps", "1"]), 2, "has taken 2");
    let config = fs::read(place.path("mine/config.toml")).unwrap();
    place.refused(&train(&["--resume", "--seed", "7"]), 2, "belongs to a run with seed = 42, not 7");
    assert_eq!(fs::read(place.path("mine/config.toml")).unwrap(), config);
    let output = place.run(&train(&["--force", "--seed", "18446744073709551615"]));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("--seed <N>") && stderr.contains("0..=9223372036854775807"), "{stderr}");
    place.refused(&["train", "retriever", "--out", "ratings.csv"], 2, "is a file");

    fs::remove_file(place.path("mine/weights.safetensors")).unwrap();
    // The run's own settings are kept, the longer window too.
    place.done(&train(&["--resume", "--steps", "2"]));
    assert_eq!(weights(), first);
    // A dry run says what the real one would.
    place.refused(&train(&["--steps", "2", "--dry-run"]), 2, "is there already");
    place.refused(
        &train(&["--resume", "--seed", "7", "--dry-run"]),
        2,
        "belongs to a run with seed = 42, not 7",
    );
    // Once it was told to go on for longer, it is.
    place.done(&train(&["--resume", "--steps", "4"]));
    place.done(&["train", "retriever", "--out", "mine", "--resume"]);

    // A recipe may name another end; nothing else of it counts.
    fs::write(place.path("longer.toml"), "[retriever]\nsteps = 5\nseed = 7\n").unwrap();
    place.done(&["train", "retriever", "--out", "mine", "--resume", "--recipe", "longer.toml"]);
    let metrics: Value = serde_json::from_slice(&fs::read(place.path("mine/metrics.json")).unwrap()).unwrap();
    assert_eq!((&metrics["steps"], &metrics["training"]["seed"]), (&5.into(), &42.into()));

    // A run without patience takes no step, and what was measured of it stays true.
    place.done(&train(&["--force", "--steps", "900", "--patience", "1", "--learning-rate", "1e-9"]));
    fs::write(place.path("mine/test.json"), "kept").unwrap();
    place.done(&train(&["--resume"]));
    assert_eq!(fs::read_to_string(place.path("mine/test.json")).unwrap(), "kept");

    place.done(&train(&["--force", "--steps", "1", "--seed", "7"]));
    assert_ne!(weights(), first);
}

#[test]
fn a_run_can_be_repeated_from_its_own_config() {
    let place = Place::new();
    place.done(
        &[&TRAIN[..], &["--steps", "3", "--model", "sasrec", "--dropout", "0.3", "--out", "first"]].concat(),
    );
    place.done(&["train", "retriever", "--recipe", "first/config.toml", "--out", "second"]);
    let weights = |run: &str| fs::read(place.path(run).join("weights.safetensors")).unwrap();
    assert_eq!(weights("first"), weights("second"));
}

#[test]
fn settings_come_in_layers_and_a_dry_run_shows_them() {
    let place = Place::new();
    fs::write(place.path("mine.toml"), "[retriever]\nmodel = \"sasrec\"\ndropout = 0.4\nsteps = 50\n")
        .unwrap();
    let text = place.done(&["train", "retriever", "--recipe", "mine.toml", "--steps", "60", "--dry-run"]);
    let line =
        |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{text}"));
    assert!(line("dropout").contains("0.4") && line("dropout").contains("recipe mine.toml"), "{text}");
    assert!(line("steps").contains("60") && line("steps").contains("option"), "{text}");
    assert!(line("seed").contains("42") && line("seed").contains("default"), "{text}");
    assert!(text.contains("parameters, checkpoint") && text.contains("GFLOP a step"), "{text}");
    assert!(!place.path("runs").exists(), "a dry run wrote something");

    let plan = place.done(&["train", "retriever", "--dry-run", "--json"]);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["settings"]["model"], "lrurec");
    assert_eq!(plan["estimate"]["windows"], 8);

    place.refused(&["train", "retriever", "--recipe", "moviwlens"], 3, "there is no recipe moviwlens");
    fs::write(place.path("wrong.toml"), "[retriever]\ndropuot = 0.4\n").unwrap();
    place.refused(
        &["train", "retriever", "--recipe", "wrong.toml"],
        2,
        "setting dropuot, which does not exist",
    );
    place.refused(&["train", "retriever", "--dropout", "1.5"], 2, "--dropout 1.5 cannot train");
    place.refused(&["train", "retriever", "--model", "sasrec", "--n-heads", "5"], 2, "5 heads do not share");
}

#[test]
fn a_killed_run_goes_on_and_ends_like_one_that_was_not() {
    let place = Place::new();
    let settings = ["--steps", "300", "--validate-every", "3", "--d-model", "16", "--patience", "999"];
    let train = [&["train", "retriever", "--out"][..], &["whole"], &settings].concat();
    place.done(&train);

    let mut slice = train;
    slice[3] = "killed";
    // A run that was killed before its first checkpoint starts anew.
    let go_on = || {
        let started = place.path("killed/checkpoint.safetensors").exists();
        [&slice[..], &[if started { "--resume" } else { "--force" }]].concat()
    };
    let mut unfinished = 0;
    for n in 0..10 {
        let mut child = place.command(&go_on()).spawn().unwrap();
        thread::sleep(Duration::from_millis(60 + 37 * n));
        child.kill().unwrap();
        child.wait().unwrap();
        match fs::read(place.path("killed/metrics.json")) {
            Ok(text) => assert!(serde_json::from_slice::<Value>(&text).is_ok(), "half-written"),
            Err(_) => unfinished += 1,
        }
    }
    assert!(unfinished > 0, "no kill came while the run was under way");
    place.done(&go_on());

    let metrics = |run: &str| -> Value {
        let text = fs::read(place.path(run).join("metrics.json")).unwrap();
        let mut metrics: Value = serde_json::from_slice(&text).unwrap();
        metrics.as_object_mut().unwrap().remove("seconds");
        metrics
    };
    assert_eq!(metrics("whole"), metrics("killed"));
    let weights = |run: &str| fs::read(place.path(run).join("weights.safetensors")).unwrap();
    assert_eq!(weights("whole"), weights("killed"));
}

#[test]
fn a_gpu_trains_like_the_cpu() {
    let place = Place::new();
    for model in ["lrurec", "sasrec", "narm", "bert4rec"] {
        let settings = ["--model", model, "--dropout", "0", "--steps", "4", "--d-model", "8"];
        let losses = |device: &str| -> Option<Vec<f64>> {
            let out = format!("{model}-{device}");
            let output = place.run(&[&TRAIN[..], &settings, &["--device", device, "--out", &out]].concat());
            let stderr = String::from_utf8_lossy(&output.stderr);
            if output.status.code() == Some(4) {
                println!("skipped: {stderr}");
                return None;
            }
            assert!(output.status.success(), "{stderr}");
            let metrics = fs::read(place.path(&out).join("metrics.json")).unwrap();
            let metrics: Value = serde_json::from_slice(&metrics).unwrap();
            Some(metrics["curve"].as_array().unwrap().iter().map(|at| at["loss"].as_f64().unwrap()).collect())
        };
        let Some(gpu) = losses("wgpu") else { return };
        let cpu = losses("cpu").unwrap();
        assert_eq!(gpu.len(), 5);
        assert!(gpu.iter().zip(&cpu).all(|(gpu, cpu)| (gpu - cpu).abs() < 1e-3), "{model}: {gpu:?} {cpu:?}");
    }
}

#[test]
fn a_sweep_does_only_what_is_missing() {
    let place = Place::new();
    fs::write(place.path("short.toml"), "[retriever]\nsteps = 2\nvalidate_every = 1\nd_model = 8\n").unwrap();
    let sweep = ["sweep", "--recipe", "short.toml", "--vary", "model=lrurec,narm", "--vary", "seed=1,2"];
    let with = |more: &[&'static str]| [&sweep[..], &["--out", "swept"], more].concat();

    let planned = place.done(&with(&["--dry-run"]));
    assert_eq!(planned.matches("not begun").count(), 4, "{planned}");
    assert!(!place.path("swept").exists());

    let table = place.done(&with(&["--jobs", "2"]));
    assert!(table.contains("Means over seeds"), "{table}");
    let runs = ["model=lrurec,seed=1", "model=lrurec,seed=2", "model=narm,seed=1", "model=narm,seed=2"];
    for run in runs {
        assert!(place.path("swept").join(run).join("metrics.json").is_file(), "{run}");
    }
    let csv = fs::read_to_string(place.path("swept/sweep.csv")).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");

    let weights = place.path("swept").join(runs[0]).join("weights.safetensors");
    let before = fs::metadata(&weights).unwrap().modified().unwrap();
    fs::remove_file(place.path("swept").join(runs[3]).join("metrics.json")).unwrap();
    assert_eq!(place.done(&with(&[])), table);
    assert_eq!(fs::metadata(&weights).unwrap().modified().unwrap(), before, "a finished run ran again");

    // A folder of other settings is not taken for a result of these.
    fs::write(place.path("short.toml"), "[retriever]\nsteps = 2\nvalidate_every = 1\nd_model = 4\n").unwrap();
    place.refused(&with(&[]), 2, "holds a run with d_model = 8, not 4");
    place.refused(&with(&["--cards", "0,1"]), 2, "--cards is about CUDA cards");
    place.refused(&[&sweep[..], &["--vary", "dropuot=1"]].concat(), 2, "did you mean dropout?");
    place.refused(&[&sweep[..], &["--vary", "seed=3"]].concat(), 2, "--vary seed is given twice");

    let report = place.done(&["report", "swept", "--out", "report.md"]);
    assert!(report.contains("mean of 2 seeds") && report.contains("not in the paper"), "{report}");
    assert_eq!(fs::read_to_string(place.path("report.md")).unwrap().trim_end(), report.trim_end());
    place.refused(&["report", "nowhere"], 3, "nowhere is no folder");
    fs::create_dir(place.path("empty")).unwrap();
    place.refused(&["report", "empty"], 3, "there is no finished run of a retriever in empty");

    // An interrupted run ends where the recipe says now, as those that begin.
    let short = "[retriever]\nsteps = 3\nvalidate_every = 1\nd_model = 8\n";
    fs::write(place.path("short.toml"), short).unwrap();
    for run in runs {
        fs::remove_file(place.path("swept").join(run).join("metrics.json")).unwrap();
    }
    place.done(&with(&[]));
    for run in runs {
        let metrics = fs::read(place.path("swept").join(run).join("metrics.json")).unwrap();
        let metrics: Value = serde_json::from_slice(&metrics).unwrap();
        assert_eq!((&metrics["steps"], &metrics["training"]["steps"]), (&3.into(), &3.into()), "{run}");
    }
}

/// Whether a process runs whose command line names this path.
#[cfg(target_os = "linux")]
fn runs(path: &Path) -> bool {
    let path = path.to_str().unwrap().as_bytes();
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    processes.into_iter().any(|words| words.windows(path.len()).any(|part| part == path))
}

/// Starts a command, waits until this file is there, and sends SIGTERM; gives the exit code and what was said.
#[cfg(target_os = "linux")]
fn terminated(place: &Place, words: &[&str], file: &Path) -> (Option<i32>, String) {
    use std::process::Stdio;

    let child = place.command(words).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    for _ in 0..600 {
        if file.exists() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(file.exists(), "{} does not appear", file.display());
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn whoever_is_asked_to_end_says_how_to_go_on_and_leaves_nothing_running() {
    let place = Place::new();
    let long = ["--steps", "10000000", "--d-model", "8"];
    let words = [&TRAIN[..], &long, &["--out", "long"]].concat();
    let (code, said) = terminated(&place, &words, &place.path("long/checkpoint.safetensors"));
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("with --resume"), "{said}");

    fs::write(place.path("long.toml"), "[retriever]\nsteps = 10000000\nd_model = 8\n").unwrap();
    let out = place.path("swept");
    let sweep = [
        "sweep",
        "--recipe",
        "long.toml",
        "--vary",
        "seed=1,2",
        "--jobs",
        "2",
        "--out",
        out.to_str().unwrap(),
    ];
    let (code, said) = terminated(&place, &sweep, &out.join("seed=2/config.toml"));
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("the same command does what is missing"), "{said}");
    assert!(!runs(&out), "a run outlives its sweep");
}

#[test]
fn an_ensemble_is_a_retriever_of_its_own() {
    let place = Place::new();
    for seed in ["1", "2"] {
        place.done(&[&TRAIN[..], &["--steps", "2", "--seed", seed, "--out", &format!("run{seed}")]].concat());
    }
    let evaluate = |retrievers: &[&str]| -> Value {
        let mut words = vec!["evaluate", "--json"];
        for retriever in retrievers {
            words.extend(["--retriever", retriever]);
        }
        serde_json::from_str(&place.done(&words)).unwrap()
    };
    let both = evaluate(&["run1", "run2/weights.safetensors"]);
    assert_eq!(both["retriever"]["summary"]["users"], 8);
    // The same member twice is that member.
    assert_eq!(evaluate(&["run1", "run1"])["retriever"], evaluate(&["run1"])["retriever"]);

    let compared =
        place.done(&["evaluate", "--retriever", "run1", "--against", "run2", "--compat", "batch-mean"]);
    for part in ["Recall@10 over the other", "means of batch means", "is among the 20 candidates"] {
        assert!(compared.contains(part), "{compared}");
    }

    let written = place.done(&[
        "candidates",
        "--retriever",
        "run1",
        "--retriever",
        "run2",
        "--top",
        "3",
        "--train",
        "--out",
        "c.safetensors",
        "--json",
    ]);
    let written: Value = serde_json::from_str(&written).unwrap();
    assert_eq!((&written["users"], &written["k"], &written["prefixes"]), (&8.into(), &3.into(), &24.into()));
    let candidates = ["candidates", "--retriever", "run1", "--top", "1000", "--out", "all", "--json"];
    let written: Value = serde_json::from_str(&place.done(&candidates)).unwrap();
    assert_eq!(written["k"], 6);
    place.refused(
        &["candidates", "--retriever", "nowhere", "--out", "c"],
        3,
        "cannot read the retriever nowhere",
    );

    // As many items are not the same data.
    write_data(place.0.path(), 9);
    place.refused(&["evaluate", "--retriever", "run1"], 3, "was trained on other data");
}
