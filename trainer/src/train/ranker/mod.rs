//! Fine-tuning of the ranker on this machine: candidates in, an adapter and fusion weights out.

mod answers;
mod binding;
mod config;
mod evaluation;
mod examples;
pub mod judge;
mod report;
mod resume;
mod run;
pub mod scores;
mod step;

pub use config::{ENDS, RankerConfig, option};
pub use evaluation::{Calibrated, Evaluation, Group};
pub use examples::{Choice, Example, Examples};
pub use report::{RankerReport, RankerValidation};
pub use resume::{Start, settings_of};
pub use run::{Limits, Parts, Run};
