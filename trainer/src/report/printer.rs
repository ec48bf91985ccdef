//! Writes to the terminal. Standard output is data only; a closed pipe is not an error.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Exit, UserError};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Results and errors.
    Quiet,
    /// Also progress and notes.
    Normal,
}

/// The one way to print.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    verbosity: Verbosity,
}

impl Printer {
    /// A printer of this verbosity.
    pub fn new(verbosity: Verbosity) -> Self {
        Self { verbosity }
    }

    /// A result: one line or block on standard output. What cannot be written there (a full disk) ends the program.
    pub fn result(&self, text: &str) {
        let mut stdout = io::stdout().lock();
        match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Ok(()) => {}
            // A reader that went away (`| head`) is no failure of ours.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => {
                let _ = writeln!(
                    io::stderr().lock(),
                    "error: the result cannot be written to standard output: {error}"
                );
                std::process::exit(Exit::Failed as i32);
            }
        }
    }

    /// A note on standard error; silent with `--quiet`.
    pub fn note(&self, text: &str) {
        if self.verbosity == Verbosity::Normal {
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// A warning on standard error.
    pub fn warn(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "warning: {text}");
    }

    /// A progress bar counting bytes; invisible with `--quiet` or off a terminal.
    pub fn bytes_bar(&self, total: u64, message: &str) -> ProgressBar {
        self.bar(total, message, "{msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} eta {eta}")
    }

    /// A progress bar counting steps; invisible with `--quiet` or off a terminal.
    pub fn steps_bar(&self, total: u64, message: &str) -> ProgressBar {
        self.bar(total, message, "{msg} [{wide_bar}] {pos}/{len} {per_sec} eta {eta}")
    }

    fn bar(&self, total: u64, message: &str, template: &str) -> ProgressBar {
        let bar = ProgressBar::new(total).with_message(message.to_owned());
        bar.set_draw_target(match self.verbosity {
            Verbosity::Quiet => ProgressDrawTarget::hidden(),
            Verbosity::Normal => ProgressDrawTarget::stderr(),
        });
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }

    /// Prints `error:`, the causes and the hint; gives the exit code.
    pub fn error(&self, error: &anyhow::Error) -> ExitCode {
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "error: {error}");
        for cause in error.chain().skip(1) {
            let _ = writeln!(stderr, "caused by: {cause}");
        }
        let advice = error.chain().find_map(|cause| cause.downcast_ref::<UserError>());
        if let Some(hint) = advice.and_then(|advice| advice.hint.as_ref()) {
            let _ = writeln!(stderr, "\nhint: {hint}");
        }
        ExitCode::from(advice.map_or(Exit::Failed, |advice| advice.exit) as u8)
    }
}
