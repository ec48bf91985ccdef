//! The only room that prints: results on standard output, everything else on standard error.

mod error;
mod printer;

pub use error::{Exit, UserError};
pub use printer::{Printer, Verbosity};
