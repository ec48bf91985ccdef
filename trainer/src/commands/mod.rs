//! One file a command: its arguments and its story.

mod base;
pub mod bench;
pub mod candidates;
pub mod data;
pub mod demo;
pub mod doctor;
pub mod evaluate;
pub mod exhibit;
pub mod explain;
pub mod export;
pub mod model;
pub mod rank;
pub mod report;
pub mod sweep;
pub mod train;
