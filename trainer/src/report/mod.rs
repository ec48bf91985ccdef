//! The only room that prints: results on standard output, everything else on standard error.

pub mod chart;
mod curve;
mod error;
mod printer;
pub mod ranked;
pub mod tables;

pub use curve::curve_svg;
pub use error::{Exit, UserError};
pub use printer::{Printer, Verbosity};
