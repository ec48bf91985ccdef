//! Programs that the set-up runs: their words go to standard error, their failure becomes ours.

use std::{
    io,
    process::{Command, Stdio},
};

use anyhow::Context;

use crate::report::UserError;

/// Lines of a quiet program's output that an error shows.
const LAST_LINES: usize = 20;

/// Runs a program to its end. When `quiet`, its words are shown only if it fails.
pub fn run(what: &str, command: &mut Command, quiet: bool) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let start = || format!("cannot run {program} to {what}");
    command.stdin(Stdio::null());
    let (status, words) = if quiet {
        let output = command.output().with_context(start)?;
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = text.lines().collect();
        (output.status, lines[lines.len().saturating_sub(LAST_LINES)..].join("\n"))
    } else {
        // Standard output is for results only.
        (command.stdout(io::stderr()).status().with_context(start)?, String::new())
    };
    if status.success() {
        return Ok(());
    }
    let message = format!("{program} could not {what} ({status})");
    let error = UserError::failed(if words.is_empty() { message } else { format!("{message}\n{words}") });
    Err(error
        .hint("its last lines say why; what was built so far is kept, so the same command goes on from there")
        .into())
}

/// What a program prints for these arguments; nothing if it cannot be run or fails.
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_last_words() {
        let mut command = Command::new("sh");
        let error =
            run("try", command.args(["-c", "echo first; echo second >&2; exit 3"]), true).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("sh could not try (exit status: 3)"), "{text}");
        assert!(text.contains("first") && text.contains("second"), "{text}");
        assert!(run("try", &mut Command::new("llamarec-no-such-program"), true).is_err());
    }

    #[test]
    fn asking_gives_words_or_nothing() {
        assert_eq!(ask(Command::new("sh").args(["-c", "echo trunk 1.2.3"])).as_deref(), Some("trunk 1.2.3"));
        assert_eq!(ask(Command::new("sh").args(["-c", "exit 1"])), None);
    }
}
