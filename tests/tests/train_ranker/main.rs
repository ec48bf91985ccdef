//! `llamarec train ranker` and `evaluate --stage ranker` on the real binary, a small data set and a tiny Llama.

mod evaluate;
mod json;
mod refused;

use std::{
    fmt::Write,
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;
use tests::{llamarec, tiny_llama};

const USERS: usize = 24;
const FILMS: usize = 30;

/// A folder with data, a tiny base model and the candidates of a quickly trained retriever.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut ratings = "userId,movieId,rating,timestamp\n".to_owned();
        for user in 0..USERS {
            for n in 0..8 {
                writeln!(ratings, "{},{},4.0,{}", user + 1, (user * 7 + n) % FILMS + 1, 1000 + n).unwrap();
            }
        }
        let mut movies = "movieId,title,genres\n".to_owned();
        for id in 1..=FILMS {
            writeln!(movies, "{id},Film {id} (2000),Drama").unwrap();
        }
        fs::write(folder.path().join("ratings.csv"), ratings).unwrap();
        fs::write(folder.path().join("movies.csv"), movies).unwrap();
        fs::write(folder.path().join("tiny.gguf"), tiny_llama::gguf(7)).unwrap();
        let place = Self(folder);
        place.done("train retriever --data . --out retriever --d-model 8 --steps 20 --validate-every 20");
        place.done("candidates --data . --retriever retriever --train --out all.candidates");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = llamarec();
        command.args(words.split(' ')).current_dir(self.0.path());
        command
    }

    fn run(&self, words: &str) -> Output {
        self.command(words).output().unwrap()
    }

    fn done(&self, words: &str) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Code and message of a command that must fail.
    fn refused(&self, words: &str) -> (Option<i32>, String) {
        let output = self.run(words);
        assert!(!output.status.success(), "{words} succeeded");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn metrics(&self, run: &str) -> Value {
        let mut metrics: Value =
            serde_json::from_slice(&fs::read(self.path(run).join("metrics.json")).unwrap()).unwrap();
        // The only thing that may differ between equal runs.
        metrics["seconds"] = Value::Null;
        metrics
    }
}

const RANKER: &str = "train ranker --data . --base tiny.gguf --candidates all.candidates --top-blocks 2 \
                      --batch-size 3 --validate-every 4";

#[test]
fn slices_of_a_run_end_like_the_whole() {
    let place = Place::new();
    place.done(&format!("{RANKER} --steps 12 --out whole"));
    let whole = place.metrics("whole");
    assert_eq!(whole["steps"], 12);
    assert_eq!(whole["curve"].as_array().unwrap().len(), 4);

    // So little time that a slice takes one step or none.
    place.done(&format!("{RANKER} --steps 12 --out sliced --max-minutes 0.00001"));
    let mut slices = 1;
    while place.metrics("sliced")["steps"] != 12 {
        assert!(place.metrics("sliced")["stopped"].as_str().unwrap().contains("--resume"));
        let before = place.metrics("sliced")["steps"].as_u64().unwrap();
        place.done("train ranker --data . --base tiny.gguf --candidates all.candidates --out sliced --resume --max-minutes 0.0002");
        slices += 1;
        assert!(slices < 200, "no step in 200 slices; stands at {before}");
    }
    assert!(slices > 2, "{slices} slices are no test");
    assert_eq!(place.metrics("sliced"), whole, "after {slices} slices");
    let adapter = |run: &str| fs::read(place.path(run).join("weights.safetensors")).unwrap();
    assert!(adapter("whole") == adapter("sliced"), "the adapters differ");
}

#[test]
fn training_lowers_the_loss_and_evaluation_tells_the_stages_apart() {
    let place = Place::new();
    place.done(&format!("{RANKER} --steps 40 --learning-rate 0.01 --random-share 1 --out run"));
    let curve = place.metrics("run")["curve"].clone();
    let loss = |n: usize| curve[n]["loss"].as_f64().unwrap();
    let last = curve.as_array().unwrap().len() - 1;
    assert!(loss(last) < loss(1) - 0.05, "{curve}");

    let json = place.done(
        "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter run --json",
    );
    let evaluation: Value = serde_json::from_str(&json).unwrap();
    let subset = &evaluation["subset"];
    let users = subset["users"].as_u64().unwrap();
    assert!(users > 0 && users <= USERS as u64);
    assert_eq!(evaluation["overall"]["users"], USERS);
    for stage in ["retriever", "ranker", "fused"] {
        for name in ["ndcg@10", "mrr@10", "recall@10", "recall@1"] {
            let (part, all) = (&subset[stage][name], &evaluation["overall"][stage][name]);
            let expected = part.as_f64().unwrap() * users as f64 / USERS as f64;
            assert!((all.as_f64().unwrap() - expected).abs() < 1e-12, "{stage} {name}");
        }
    }
    assert_ne!(subset["ranker"], subset["retriever"]);
    let fusion = &evaluation["tuned_for"]["fusion"];
    assert_eq!(fusion, &evaluation["fusion"]);

    // In the tables a ranker's run stands with what was measured on test users.
    let report = || {
        let report = place.run("report .");
        assert!(report.status.success());
        [report.stdout, report.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let row = "| **both stages, ranker film by film, seed 42** |";
    let [tables, notes] = report();
    assert!(!tables.contains(row) && notes.contains("run has no test.json"), "{tables}{notes}");
    fs::write(place.path("run").join("test.json"), &json).unwrap();
    let [tables, notes] = report();
    assert!(notes.is_empty(), "{notes}");
    let ndcg_10 = evaluation["overall"]["fused"]["ndcg@10"].as_f64().unwrap();
    let in_table = tables
        .lines()
        .find(|line| line.starts_with(row))
        .unwrap_or_else(|| panic!("no row of the run in {tables}"));
    assert_eq!(in_table.split(" | ").nth(5), Some(format!("{ndcg_10:.4}").as_str()), "{in_table}");
    // However often its folder is named, a run stands there once.
    assert_eq!(place.done("report . run ./run"), tables);
    let valid = json.replace("\"split\":\"test\"", "\"split\":\"valid\"");
    fs::write(place.path("run").join("test.json"), valid).unwrap();
    let [tables, notes] = report();
    assert!(!tables.contains(row) && notes.contains("it measures validation users"), "{tables}{notes}");

    // Without an adapter the order is the retriever's.
    let json = place.done(
        "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter none --json",
    );
    let untuned: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(untuned["subset"]["fused"], untuned["subset"]["retriever"]);
    let pointwise = place.done(
        "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter none --mode pointwise --json",
    );
    let pointwise: Value = serde_json::from_str(&pointwise).unwrap();
    assert_ne!(untuned["cross_entropy"]["ranker"], pointwise["cross_entropy"]["ranker"]);
    let text = place.done(
        "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter run --max-users 2",
    );
    assert!(text.contains("2 users: the item is among the candidates"), "{text}");
}

/// Trains in this mode, makes a bundle and ranks with it: the Trace, and what is said beside the table.
fn tuned_in(place: &Place, mode: &str) -> (Value, String) {
    place.done(&format!("{RANKER} --mode {mode} --steps 8 --learning-rate 0.01 --out {mode}"));
    place.done(&format!("export --retriever retriever --data . --out {mode}-bundle"));
    let rank = format!(
        "rank --bundle {mode}-bundle --base tiny.gguf --adapter {mode} --title Film_3 --title Film_4"
    );
    let output = |more: &str| {
        let words = format!("{rank}{more}");
        let titles = words.split(' ').map(|word| word.replace('_', " "));
        let output = llamarec().args(titles).current_dir(place.0.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let trace = serde_json::from_str(&output(" --json").0).unwrap();
    let (text, notes) = output("");
    assert!(text.contains("(2000)") && notes.contains("The order is that of"), "{text}{notes}");
    (trace, notes)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The final order follows retriever + ranker with the adapter's weights.
fn fused_by(trace: &Value, ranker: &[f64]) {
    assert_eq!(trace["ordering"], "fused");
    assert!(trace["provenance"]["adapter"].as_str().unwrap().contains("step"));
    let fused = &trace["fused"];
    let probabilities = numbers(&fused["probabilities"]);
    let candidates = trace["candidates"].as_array().unwrap();
    assert_eq!((ranker.len(), probabilities.len()), (candidates.len(), candidates.len()));
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-5);
    let weight = |stage: &str| fused["weights"][stage].as_f64().unwrap();
    let sum = |n: usize| {
        weight("retriever") * candidates[n]["score"].as_f64().unwrap() + weight("ranker") * ranker[n]
    };
    let order: Vec<usize> = trace["ranking"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["retriever_rank"].as_u64().unwrap() as usize - 1)
        .collect();
    assert!(order.windows(2).all(|pair| sum(pair[0]) >= sum(pair[1]) - 1e-5), "{order:?}");
}

#[test]
fn a_ranker_tuned_pointwise_ranks() {
    let (trace, notes) = tuned_in(&Place::new(), "pointwise");
    assert!(trace["ranker"].is_null());
    let read = &trace["pointwise"];
    assert!(read["text"].as_str().unwrap().ends_with(" Film 3 (2000); Film 4 (2000);"), "{read}");
    assert_eq!(read["questions"][0], format!(" {}?", trace["candidates"][0]["title"].as_str().unwrap()));
    fused_by(&trace, &numbers(&read["scores"]));
    assert!(notes.contains("each candidate alone"), "{notes}");
}

#[test]
fn a_ranker_tuned_by_letters_ranks() {
    let place = Place::new();
    let (trace, notes) = tuned_in(&place, "letters");
    assert!(trace["pointwise"].is_null());
    fused_by(&trace, &numbers(&trace["ranker"]["letter_logits"]));
    assert!(notes.contains("one forward pass over"), "{notes}");

    // Ten orders of the candidates make ten answers; whose order it is matters to letters.
    let evaluate = |more: &str| -> Value {
        let words = "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter letters --json";
        serde_json::from_str(&place.done(&format!("{words}{more}"))).unwrap()
    };
    let (retriever, shuffled, ten) = (evaluate(""), evaluate(" --shuffle"), evaluate(" --permutations 10"));
    let answers = |evaluation: &Value| numbers(&evaluation["best_at"]).iter().sum::<f64>();
    let users = shuffled["subset"]["users"].as_f64().unwrap();
    assert_eq!([&retriever, &shuffled, &ten].map(answers), [users, users, 10.0 * users]);
    assert_ne!(retriever["cross_entropy"]["ranker"], shuffled["cross_entropy"]["ranker"]);
    assert_eq!(retriever["cross_entropy"]["retriever"], ten["cross_entropy"]["retriever"]);
    assert_eq!(evaluate(" --shuffle"), shuffled);

    // What a place gains by itself is taken from the ranker's scores and from nothing else.
    let calibrated = evaluate(" --shuffle --calibrate");
    assert_eq!(calibrated["cross_entropy"]["retriever"], shuffled["cross_entropy"]["retriever"]);
    assert_ne!(calibrated["cross_entropy"]["ranker"], shuffled["cross_entropy"]["ranker"]);
    assert_eq!(answers(&calibrated), users);
}

#[test]
fn an_adapter_for_letters_answers_beside_the_one_that_decides() {
    let place = Place::new();
    tuned_in(&place, "pointwise");
    tuned_in(&place, "letters");
    let rank = "rank --bundle letters-bundle --base tiny.gguf --adapter pointwise --adapter letters --data . --user 3 --json";
    let trace =
        |more: &str| -> Value { serde_json::from_str(&place.done(&format!("{rank}{more}"))).unwrap() };
    let (decided, letters) = (trace(""), trace(" --letters"));
    fused_by(&decided, &numbers(&decided["pointwise"]["scores"]));
    fused_by(&letters, &numbers(&letters["ranker"]["letter_logits"]));
    assert!(trace(" --letters --untuned")["provenance"]["adapter"].is_null());
}

#[test]
fn what_a_teacher_says_is_learnt_and_letters_before_it() {
    let place = Place::new();
    place.done(&format!("{RANKER} --steps 30 --learning-rate 0.02 --dropout 0 --out teacher"));
    let student = format!("{RANKER} --steps 60 --learning-rate 0.02 --dropout 0 --seed 7");
    place.done(&format!("{student} --teacher teacher --out taught"));
    place.done(&format!("{student} --out alone"));
    let curve = |run: &str, what: &str| -> Vec<f64> {
        let metrics = place.metrics(run);
        metrics["curve"].as_array().unwrap().iter().map(|at| at[what].as_f64().unwrap()).collect()
    };
    // The teacher's shares are closer to the student's than to equal ones.
    let loss = curve("taught", "loss");
    let late = loss[12..].iter().sum::<f64>() / 4.0;
    assert!(late < 8f64.ln() - 0.1 && late < loss[1] - 0.1, "{loss:?}");
    assert_ne!(curve("taught", "ranker_cross_entropy"), curve("alone", "ranker_cross_entropy"));
    assert_eq!(place.metrics("taught")["teacher"], place.metrics("teacher")["tuned_for"]);
    assert!(place.metrics("alone")["teacher"].is_null());

    // In slices, by letters, which are taught first.
    let letters =
        "--mode letters --binding-steps 4 --question-candidates 6 --running-weight 0.5 --teacher teacher";
    place.done(&format!("{RANKER} --steps 8 {letters} --out whole"));
    place.done(&format!("{RANKER} --steps 8 {letters} --out sliced --max-minutes 0.00001"));
    let resume = "train ranker --data . --base tiny.gguf --candidates all.candidates --out sliced --resume";
    let (code, message) = place.refused(resume);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("another teacher") && message.contains("--teacher"), "{message}");
    place.done(&format!("{resume} --teacher teacher"));
    assert_eq!(place.metrics("sliced"), place.metrics("whole"));
}

#[test]
fn a_run_can_begin_where_another_stands() {
    let place = Place::new();
    place.done(&format!("{RANKER} --steps 20 --learning-rate 0.02 --out first"));
    let losses = |run: &str| -> Vec<f64> {
        let metrics = place.metrics(run);
        let curve = metrics["curve"].as_array().unwrap();
        curve.iter().map(|at| at["ranker_cross_entropy"].as_f64().unwrap()).collect()
    };
    let start = |start: &str, out: &str| format!("{RANKER} --steps 2 --start {start} --out {out}");
    place.done(&start("first", "second"));
    let stood = *losses("first").last().unwrap();
    assert_eq!(losses("second")[0], stood);
    assert_ne!(losses("first")[0], stood);
    assert!(place.metrics("second")["start"].is_string() && place.metrics("first")["start"].is_null());
    // The file holds the best adapter of the run.
    place.done(&start("first/weights.safetensors", "third"));
    assert!(losses("first").contains(&losses("third")[0]));

    let (code, message) = place.refused(&format!("{} --rank 3", start("first", "none")));
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("other sizes") && message.contains("--rank"), "{message}");
    let (code, message) = place.refused(&start("nowhere", "none"));
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("nowhere"), "{message}");
}
