//! The data sets: the paper's figures, the reference's split and titles, the embedded set, the commands.
#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

use std::{
    collections::HashMap,
    fmt::Write,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;
use shared::catalog::ItemId;
use tests::{llamarec, shared_data, workspace};
use trainer::data::{self, Dataset, Stats};

/// Folder of the embedded data set.
fn embedded_folder() -> std::path::PathBuf {
    workspace().join("public/data/movielens-small-2016")
}

fn figures(data: &Dataset) -> (usize, usize, usize) {
    let stats = Stats::of(data);
    (stats.users, stats.items, stats.interactions)
}

#[test]
fn the_embedded_data_set_has_its_known_size() {
    let data = data::load(None).unwrap();
    assert_eq!(figures(&data), (671, 3_496, 90_072));
    let stats = Stats::of(&data);
    assert!((stats.mean_length - 134.24).abs() < 0.005, "{stats:?}");
    assert_eq!((stats.min_length, stats.max_length), (16, 1_449));
    for (_, item) in data.catalog.iter() {
        let year = item.title.strip_suffix(')').and_then(|title| title.rsplit_once(" ("));
        assert!(year.is_some_and(|(name, year)| !name.is_empty() && year.len() == 4), "{}", item.title);
        assert!(!item.title.contains("Ã"), "{} is garbled", item.title);
    }
}

#[test]
fn the_embedded_data_set_is_the_folder_in_the_repository() {
    let folder = data::load(Some(&embedded_folder())).unwrap();
    assert_eq!(folder, data::load(None).unwrap());
}

#[test]
fn the_committed_files_have_their_checksums() {
    let sums = fs::read_to_string(embedded_folder().join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 2);
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let file = fs::File::open(embedded_folder().join(name)).unwrap();
        assert_eq!(trainer::fetch::sha256(file, |_| ()).unwrap(), sum, "{name}");
    }
}

#[test]
fn every_embedded_title_is_found_and_searching_is_fast() {
    let catalog = data::load(None).unwrap().catalog;
    for (id, item) in catalog.iter().step_by(50) {
        assert_eq!(catalog.find(&item.title), Ok(id), "{}", item.title);
        assert_eq!(catalog.search(&item.title.to_lowercase(), 1), [id], "{}", item.title);
    }
    assert_eq!(catalog.title(catalog.find("Matrix, The").unwrap()), "The Matrix (1999)");

    let start = Instant::now();
    assert!(!catalog.search("terminatr jugdment", 20).is_empty());
    // 50 ms on a quiet machine is the goal; the bound leaves room for a busy one.
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

/// Lines of a TSV file: first column and the rest.
fn pairs(path: &Path) -> Vec<(String, String)> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_papers_ml_100k_is_the_references() {
    let Some(folder) = shared_data("data/ml-latest-small") else {
        return;
    };
    let data = data::load(Some(&folder)).unwrap();
    assert_eq!(figures(&data), (610, 3_650, 90_274));

    let raw = |id: ItemId| data.catalog.get(id).unwrap().raw.as_str();
    let titles: HashMap<&str, &str> =
        data.catalog.iter().map(|(_, item)| (item.raw.as_str(), item.title.as_str())).collect();
    let reference = pairs(&folder.join("reference_titles.tsv"));
    assert_eq!(reference.len(), 3_650);
    for (movie, title) in &reference {
        assert_eq!(titles[movie.as_str()], title);
    }

    let reference = pairs(&folder.join("reference_sequences.tsv"));
    assert_eq!(reference.len(), 610);
    let (mut tests, mut valids, mut whole) = (0, 0, 0);
    for (user, sequence) in &reference {
        let expected: Vec<&str> = sequence.split(' ').collect();
        let row = data.user(user).unwrap();
        let split = data.split(row);
        let ours: Vec<&str> = data.sequences[row].iter().map(|&id| raw(id)).collect();
        tests += usize::from(raw(split.test) == expected[expected.len() - 1]);
        valids += usize::from(raw(split.valid) == expected[expected.len() - 2]);
        whole += usize::from(ours == expected);
    }
    // Ties in time are broken by raw id; the reference breaks them by a hash order.
    assert_eq!((tests, valids, whole), (610, 608, 551));
}

#[test]
fn the_papers_amazon_splits_are_read_as_they_are() {
    for (folder, expected) in [
        ("data/amazon-beauty-2014", (22_332, 12_086, 198_215)),
        ("data/amazon-video-games-2014", (15_264, 7_676, 147_861)),
    ] {
        let Some(folder) = shared_data(folder) else {
            continue;
        };
        assert_eq!(figures(&data::load(Some(&folder)).unwrap()), expected);
    }
}

/// Runs the binary: exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = llamarec().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn stats_are_printed_as_json_and_as_a_table() {
    let (code, out, _) = run(&["data", "stats", "--json"]);
    assert_eq!(code, Some(0));
    let stats: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(stats["users"], 671);
    assert_eq!(stats["items"], 3_496);
    assert_eq!(stats["interactions"], 90_072);
    assert!((stats["mean_length"].as_f64().unwrap() - 134.235_469).abs() < 1e-6);
    assert_eq!((&stats["min_length"], &stats["median_length"]), (&16.into(), &66.0.into()));

    let (code, out, _) = run(&["data", "stats"]);
    assert_eq!(code, Some(0));
    for text in ["movielens-small-2016", "90,072", "134.24", "paper: ML-100k", "147.99"] {
        assert!(out.contains(text), "{text} is not in\n{out}");
    }
}

#[test]
fn stats_warn_of_rows_that_repeat_a_user_and_a_movie() {
    let folder = tempfile::tempdir().unwrap();
    let mut ratings = "userId,movieId,rating,timestamp\n".to_owned();
    for (user, movie) in (1..=5).flat_map(|user| (1..=5).map(move |movie| (user, movie))) {
        writeln!(ratings, "{user},{movie},3.0,{movie}").unwrap();
    }
    ratings += "3,1,4.5,99\n";
    let movies = "1,A,Drama\n2,B,Drama\n3,C,Drama\n4,D,Drama\n5,E,Drama\n";
    fs::write(folder.path().join("ratings.csv"), ratings).unwrap();
    fs::write(folder.path().join("movies.csv"), format!("movieId,title,genres\n{movies}")).unwrap();
    let (code, out, err) = run(&["data", "stats", "--json", "--data", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("warning: left out, as the user met the item before: 1"), "{err}");
    assert!(out.contains("\"interactions\":25"), "{out}");
}

#[test]
fn unusable_data_is_exit_code_3_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (code, out, err) = run(&["data", "stats", "--data", path]);
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(err.contains("has no ratings.csv") && err.contains("\nhint: "), "{err}");

    fs::write(folder.path().join("ratings.csv"), "userId,movieId,rating,timestamp\n1,2,x,4\n").unwrap();
    fs::write(folder.path().join("movies.csv"), "movieId,title,genres\n2,A (1990),Drama\n").unwrap();
    let (code, _, err) = run(&["data", "stats", "--data", path]);
    assert_eq!(code, Some(3));
    assert!(err.contains("ratings.csv line 2: rating \"x\" is not a valid number"), "{err}");

    fs::write(folder.path().join("ratings.csv"), "userId,movieId,rating,timestamp\n1,2,3,4\n").unwrap();
    let (code, _, err) = run(&["data", "stats", "--data", path]);
    assert_eq!(code, Some(3));
    assert!(err.contains("none of the 1 interactions"), "{err}");

    fs::write(folder.path().join("ratings.csv"), "userId,movieId,rating,timestamp\n").unwrap();
    let (code, _, err) = run(&["data", "stats", "--data", path]);
    assert_eq!(code, Some(3));
    assert!(err.contains("ratings.csv has a header line but no rows"), "{err}");

    let (code, _, err) = run(&["data", "import-dslabs", "no-such.deb", "--out", path]);
    assert_eq!(code, Some(3));
    assert!(err.contains("cannot import no-such.deb") && err.contains("\nhint: "), "{err}");
}
