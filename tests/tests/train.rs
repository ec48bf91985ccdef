//! `llamarec train` on the real binary: a run never replaces another one by accident.

use std::{fmt::Write, fs, process::Output};

use tempfile::TempDir;
use tests::llamarec;

/// Eight users who rated the same six films, each in an order of their own.
fn write_data(folder: &TempDir) {
    let mut ratings = "userId,movieId,rating,timestamp\n".to_owned();
    for user in 1..=8 {
        for n in 0..6 {
            writeln!(ratings, "{user},{},4.0,{}", (user + n) % 6 + 1, 1000 + n).unwrap();
        }
    }
    let mut movies = "movieId,title,genres\n".to_owned();
    for id in 1..=6 {
        writeln!(movies, "{id},Film {id} (2000),Drama").unwrap();
    }
    fs::write(folder.path().join("ratings.csv"), ratings).unwrap();
    fs::write(folder.path().join("movies.csv"), movies).unwrap();
}

#[test]
fn a_run_is_kept_until_it_is_told_to_go() {
    let folder = TempDir::new().unwrap();
    write_data(&folder);
    let out = folder.path().join("mine.safetensors");
    let train = |more: &[&str]| -> Output {
        let mut command = llamarec();
        command.args(["train", "retriever", "--validate-every", "1", "--data"]).arg(folder.path());
        command.arg("--out").arg(&out).args(more).output().unwrap()
    };
    let refused = |output: Output, part: &str| {
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part) && stderr.contains("hint:"), "{stderr}");
    };

    // A window longer than any history costs nothing.
    let first = train(&["--steps", "2", "--max-len", "100000000"]);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let weights = fs::read(&out).unwrap();

    let same = ["--max-len", "100000000"];
    refused(train(&[&["--steps", "2"], &same[..]].concat()), "is there already");
    assert_eq!(fs::read(&out).unwrap(), weights);
    refused(train(&[&["--resume", "--steps", "1"], &same[..]].concat()), "has taken 2");

    fs::remove_file(&out).unwrap();
    let resumed = train(&[&["--resume", "--steps", "2"], &same[..]].concat());
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert_eq!(fs::read(&out).unwrap(), weights);

    let anew = train(&["--force", "--steps", "1", "--seed", "7"]);
    assert!(anew.status.success(), "{}", String::from_utf8_lossy(&anew.stderr));
    assert_ne!(fs::read(&out).unwrap(), weights);
}
