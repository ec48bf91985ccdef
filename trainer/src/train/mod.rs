//! Training on this machine: windows in, retriever weights out.

mod adamw;
mod batch;
mod checkpoint;
mod cloze;
mod config;
pub mod estimate;
mod loss;
pub mod measure;
pub mod ranker;
mod report;
pub mod retriever;
mod score;
mod windows;

pub use adamw::AdamW;
pub use batch::Batch;
pub use checkpoint::Checkpoint;
pub use config::{ENDS, Loss, TrainConfig};
pub use loss::{binary_cross_entropy, tied_cross_entropy};
pub use report::{DataUsed, RunReport, Validation};
pub use score::Scorer;
pub use windows::{Window, training_windows};
