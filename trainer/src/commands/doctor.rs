//! `llamarec doctor`: what this machine can do, what is missing, and the remedy.

mod tools;

use std::env::consts::{ARCH, OS};

use clap::Args;
use serde::Serialize;

use crate::{
    cli::Common,
    data::{self, Stats},
    fetch::{BASE_MODEL_NAME, Fetcher},
    report::{Printer, UserError},
};

/// Arguments of `llamarec doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    /// Whether it is there and usable.
    ok: bool,
    /// What was found, or what it would be good for.
    found: String,
    /// What to do, if it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, ok: true, found: found.into(), remedy: None }
    }

    fn missing(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, ok: false, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// Runs `llamarec doctor`: an error only if not even the embedded data can be used.
pub fn run(_args: &DoctorArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let mut checks = vec![program(), cpu(), gpu(), embedded_data(), base_model(printer)];
    checks.extend(tools::checks());
    let text = if common.json {
        serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "checks": checks }).to_string()
    } else {
        checks.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    printer.result(&text);
    match checks.iter().find(|check| check.name == DATA && !check.ok) {
        Some(check) => Err(UserError::failed(format!("the embedded data set: {}", check.found)).into()),
        None => Ok(()),
    }
}

fn line(check: &Check) -> String {
    let state = if check.ok { "ok" } else { "missing" };
    let line = format!("{state:<8} {:<14} {}", check.name, check.found);
    match &check.remedy {
        Some(remedy) => format!("{line}\n{:<8} {:<14} -> {remedy}", "", ""),
        None => line,
    }
}

fn program() -> Check {
    let profile = if cfg!(debug_assertions) { "with checks" } else { "release" };
    Check::ok("llamarec", format!("{} for {ARCH} {OS}, built {profile}", env!("CARGO_PKG_VERSION")))
}

fn cpu() -> Check {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Check::ok("cpu", format!("{threads} threads, {}", vector_units()))
}

#[cfg(target_arch = "x86_64")]
fn vector_units() -> &'static str {
    if is_x86_feature_detected!("avx512f") {
        "AVX-512"
    } else if is_x86_feature_detected!("avx2") {
        "AVX2"
    } else {
        "SSE2"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vector_units() -> &'static str {
    if cfg!(target_arch = "aarch64") { "NEON" } else { "no known vector unit" }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn gpu() -> Check {
    let adapters = adapters();
    if adapters.is_empty() {
        let found = format!("no adapter; built with {}", gpu_features());
        return Check::missing("gpu", found, "optional; install the driver of the graphics card");
    }
    Check::ok("gpu", format!("{}; built with {}", adapters.join(", "), gpu_features()))
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn gpu() -> Check {
    Check::missing(
        "gpu",
        "this build runs on the CPU only",
        "optional; cargo build --release -p trainer --features wgpu (or cuda)",
    )
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn gpu_features() -> &'static str {
    match (cfg!(feature = "wgpu"), cfg!(feature = "cuda")) {
        (true, true) => "wgpu and cuda",
        (true, false) => "wgpu",
        _ => "cuda",
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn adapters() -> Vec<String> {
    use burn::tensor::{Device, DeviceType};

    let types = [
        #[cfg(feature = "wgpu")]
        DeviceType::Wgpu,
        #[cfg(feature = "cuda")]
        DeviceType::Cuda,
    ];
    types
        .into_iter()
        .flat_map(Device::enumerate)
        .map(|device| device.identity().map_or_else(|| format!("{device:?}"), |identity| identity.name))
        .collect()
}

const DATA: &str = "data";

fn embedded_data() -> Check {
    match data::load(None) {
        Ok(data) => {
            let Stats { name, users, items, interactions, .. } = Stats::of(&data);
            Check::ok(DATA, format!("{name}: {users} users, {items} items, {interactions} interactions"))
        }
        Err(error) => Check::missing(DATA, format!("{error:#}"), "build llamarec again from clean sources"),
    }
}

fn base_model(printer: &Printer) -> Check {
    const NAME: &str = "base model";
    let verified = Fetcher::base_model(None).and_then(|fetcher| fetcher.verify(printer));
    match verified {
        Ok(path) => Check::ok(NAME, format!("{BASE_MODEL_NAME}, verified: {}", path.display())),
        Err(error) => Check::missing(NAME, error.to_string(), "llamarec model fetch (98 MB, once)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_thing_is_shown_with_its_remedy() {
        let check = Check::missing("trunk", "builds the page", "llamarec demo brings it");
        let expected =
            "missing  trunk          builds the page\n                        -> llamarec demo brings it";
        assert_eq!(line(&check), expected);
        assert_eq!(line(&Check::ok("cpu", "2 threads")), "ok       cpu            2 threads");
    }

    #[test]
    fn the_embedded_data_is_usable() {
        let check = embedded_data();
        assert!(check.ok && check.found.contains("671 users, 3496 items, 90072 interactions"), "{check:?}");
    }
}
