//! The commands about data and training print what `trainer/json.md` says.

use std::fs;

use tests::documented::as_documented;

use super::{Place, RANKER};

#[test]
fn the_page_names_what_is_printed() {
    let place = Place::new();
    let json = |words: &str| place.done(&format!("{words} --json"));
    place.done(&format!("{RANKER} --steps 4 --out tuned"));

    as_documented("data stats", json("data stats --data ."));
    as_documented("data synthetic", json("data synthetic --rows 100 --out made"));
    as_documented("train retriever", json("train retriever --data . --d-model 8 --steps 1 --out r"));
    as_documented("train retriever --dry-run", json("train retriever --data . --dry-run"));
    as_documented("train ranker", json(&format!("{RANKER} --steps 4 --out again")));
    as_documented("train ranker --dry-run", json(&format!("{RANKER} --steps 4 --out third --dry-run")));
    as_documented("candidates", json("candidates --data . --retriever retriever --out few"));
    as_documented("evaluate --retriever", json("evaluate --data . --retriever retriever"));
    let ranker =
        "evaluate --stage ranker --data . --base tiny.gguf --candidates all.candidates --adapter tuned";
    as_documented("evaluate --stage ranker", json(&format!("{ranker} --scores of.jsonl")));
    let scores = fs::read_to_string(place.path("of.jsonl")).unwrap();
    as_documented("evaluate --scores FILE", scores.lines().next().unwrap());
    as_documented("report", json("report ."));
    let sweep = "sweep --data . --vary seed=1 --recipe short.toml --out swept";
    fs::write(place.path("short.toml"), "[retriever]\nsteps = 1\nvalidate_every = 1\nd_model = 8\n").unwrap();
    as_documented("sweep", json(sweep));
    as_documented("rank", json("rank --title Heat --base tiny.gguf --adapter none"));
    let doctor = place.run("doctor --json");
    as_documented("doctor", doctor.stdout);
    as_documented("bench retrieve", json("bench retrieve --items 100 --repeats 1"));
}
