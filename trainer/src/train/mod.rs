//! Training on this machine: windows in, retriever weights out.

mod adamw;
mod batch;
mod checkpoint;
mod loss;
pub mod measure;
mod report;
pub mod retriever;
mod windows;

pub use adamw::AdamW;
pub use batch::Batch;
pub use checkpoint::Checkpoint;
pub use loss::tied_cross_entropy;
pub use report::RunReport;
pub use windows::{Window, training_windows};
