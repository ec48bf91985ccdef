//! `--help` of every command works and says what the command is for.

use std::process::Command;

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_llamarec"))
        .args(arguments)
        .arg("--help")
        .output()
        .expect("the binary was built with this test");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("help is UTF-8")
}

/// Names under the heading `Commands:`.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[test]
fn every_command_has_help() {
    let top = help(&[]);
    let names = commands(&top);
    for expected in [
        "data",
        "model",
        "train",
        "sweep",
        "evaluate",
        "candidates",
        "report",
        "rank",
        "bench",
        "explain",
        "demo",
        "doctor",
    ] {
        assert!(names.contains(&expected), "{expected} is not in\n{top}");
    }
    for name in names {
        let text = help(&[name]);
        assert!(text.contains("Usage: llamarec "), "{name}:\n{text}");
        for inner in commands(&text) {
            assert!(help(&[name, inner]).contains("Usage: llamarec "), "{name} {inner}");
        }
    }
}

#[test]
fn data_and_model_have_their_subcommands() {
    assert_eq!(commands(&help(&["data"])), ["prepare", "stats", "import-dslabs", "synthetic"]);
    let formats = ["ml-100k", "beauty", "games", "movielens", "amazon", "csv"];
    assert_eq!(commands(&help(&["data", "prepare"])), formats);
    for format in formats {
        let text = help(&["data", "prepare", format]);
        assert!(text.contains("--from") && text.contains("--skip-bad-rows"), "{format}:\n{text}");
    }
    assert_eq!(commands(&help(&["model"])), ["fetch", "verify", "import"]);
}
