//! The native shell around [`shared`]: files, network, devices, progress. The binary is `llamarec`.

pub mod bundle;
pub mod cli;
pub mod commands;
pub mod data;
pub mod demo;
pub mod device;
pub mod fetch;
pub mod files;
pub mod report;
pub mod train;
