//! The native shell around [`shared`]: files, network, devices, progress. The binary is `llamarec`.

pub mod bench;
pub mod bundle;
pub mod candidates;
pub mod cli;
pub mod commands;
pub mod data;
pub mod demo;
pub mod device;
pub mod fetch;
pub mod files;
pub mod import;
pub mod interrupt;
pub mod memory;
pub mod paper;
pub mod recipe;
pub mod report;
pub mod run_dir;
pub mod sweep;
pub mod train;
