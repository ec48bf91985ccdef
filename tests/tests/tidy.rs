//! The repository keeps its own rules: documents name what exists, files stay small, modules say what they are.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tests::{llamarec, workspace};

/// Longest source file, tests included.
const LONGEST_FILE: usize = 500;

fn sources(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

fn all_sources(extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for member in ["shared", "trainer", "web", "tests"] {
        sources(&workspace().join(member), extension, &mut found);
    }
    assert!(!found.is_empty());
    found
}

/// Documents that name paths and commands.
const DOCUMENTS: [&str; 5] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "trainer/results/README.md",
    "trainer/results/speed.md",
];

/// The texts between backticks of a document.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_path_in_the_documents_exists() {
    let sources = all_sources("rs");
    for document in DOCUMENTS {
        let text = fs::read_to_string(workspace().join(document)).unwrap();
        let mut checked = 0;
        for path in quoted(&text) {
            let named = Path::new(path).extension().is_some_and(|extension| extension == "rs");
            if named && !path.contains(['/', ' ']) {
                let there = sources.iter().any(|source| source.file_name().is_some_and(|name| name == path));
                assert!(there, "{document} names {path}, which is not there");
            }
            let room = path.split('/').next().unwrap_or_default();
            if path.contains('/') && ["shared", "trainer", "web", "tests", "public", ".ci"].contains(&room) {
                assert!(workspace().join(path).exists(), "{document} names {path}, which is not there");
                checked += 1;
            }
        }
        assert!(checked > 0, "{document} names no path");
    }
}

#[test]
fn every_command_in_the_documents_exists() {
    let texts = DOCUMENTS.map(|document| fs::read_to_string(workspace().join(document)).unwrap());
    let text = texts.join("\n");
    let mut checked = 0;
    for line in text.lines().chain(quoted(&text)) {
        let Some(call) = line.trim().strip_prefix("llamarec ") else { continue };
        let words: Vec<&str> =
            call.split_whitespace().take_while(|word| word.starts_with(char::is_alphabetic)).collect();
        // The first words are commands; an argument in capitals or a file ends them.
        let commands =
            words.iter().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        let output = llamarec().args(commands).arg("--help").output().unwrap();
        assert!(output.status.success(), "`llamarec {call}` is named, but has no --help");
        checked += 1;
    }
    assert!(checked >= 5, "only {checked} commands are shown");
}

#[test]
fn every_file_says_what_it_is_and_stays_small() {
    for path in all_sources("rs") {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
        assert!(text.starts_with("//!"), "{} does not begin by saying what it is", path.display());
    }
}

#[test]
fn the_page_links_no_burn() {
    // `shared` without the feature `model` is what the page's app links.
    let manifest = fs::read_to_string(workspace().join("web/Cargo.toml")).unwrap();
    let app = manifest.split("app = [").nth(1).unwrap().split(']').next().unwrap();
    assert!(!app.contains("burn") && !app.contains("shared/model"), "{app}");
}
