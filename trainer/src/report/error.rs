//! An error the user can act on: what happened, what to do, which exit code.

use std::fmt;

/// Exit codes, a contract of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Something failed.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// Input is missing or unusable: data, model, title.
    Input = 3,
    /// There is no such device, or it lacks memory.
    Device = 4,
}

/// An error with advice. Put it at the bottom of an `anyhow` chain.
#[derive(Debug)]
pub struct UserError {
    /// Exit code.
    pub exit: Exit,
    /// Names the thing and the value, no full stop at the end.
    pub message: String,
    /// The remedy, if there is one.
    pub hint: Option<String>,
}

impl UserError {
    /// Missing or unusable input.
    pub fn input(message: impl Into<String>) -> Self {
        Self { exit: Exit::Input, message: message.into(), hint: None }
    }

    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// No such device.
    pub fn device(message: impl Into<String>) -> Self {
        Self { exit: Exit::Device, message: message.into(), hint: None }
    }

    /// Any other failure.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), hint: None }
    }

    /// Adds the remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UserError {}
