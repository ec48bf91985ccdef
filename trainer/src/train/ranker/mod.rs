//! Fine-tuning of the ranker on this machine: candidates in, an adapter and fusion weights out.

mod config;
mod examples;
pub mod judge;
mod report;
mod run;

pub use config::RankerConfig;
pub use examples::{Example, Examples};
pub use report::{RankerReport, RankerValidation};
pub use run::{Limits, Parts, Run, settings_of};
