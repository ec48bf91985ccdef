//! One file a command: its arguments and its story.

mod base;
pub mod data;
pub mod demo;
pub mod doctor;
pub mod evaluate;
pub mod explain;
pub mod export;
pub mod model;
pub mod rank;
pub mod train;
