//! Helpers of the tests that cross crates.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use burn::tensor::{Device, DeviceKind};

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The binary `llamarec` that was built beside the running test.
///
/// # Panics
/// If it was not built: `cargo test --workspace` and `cargo build -p trainer` build it.
pub fn llamarec() -> Command {
    let test = env::current_exe().expect("a running test has a path");
    let binary = test
        .ancestors()
        .nth(2)
        .expect("tests lie in target/PROFILE/deps")
        .join(format!("llamarec{}", env::consts::EXE_SUFFIX));
    assert!(binary.is_file(), "{} is not built; run: cargo build -p trainer", binary.display());
    let mut command = Command::new(binary);
    // What the developer's own environment says must not change a test.
    for variable in ["LLAMAREC_DEVICE", "LLAMAREC_HOME", "HF_ENDPOINT"] {
        command.env_remove(variable);
    }
    command
}

/// Checks exit code and error text of a call of `llamarec` that must fail and print no result.
///
/// # Panics
/// If it does otherwise.
pub fn refused(args: &[&str], exit: i32, parts: &[&str]) {
    let output = llamarec().args(args).output().expect("llamarec runs");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(exit), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{args:?} printed a result");
    for part in parts {
        assert!(stderr.contains(part), "{args:?} does not say {part:?}: {stderr}");
    }
}

/// The GPU that wgpu finds; one in software will do. Without any the test is skipped; the reason is printed.
#[expect(clippy::print_stderr, reason = "a skipped test must say so; tests have no printer")]
pub fn gpu() -> Option<Device> {
    let gpu = Device::wgpu_options().device_kind(DeviceKind::DefaultDevice).init();
    gpu.inspect_err(|error| eprintln!("skipped: no wgpu adapter ({error}); install mesa-vulkan-drivers")).ok()
}

/// A folder of the data that lies beside the repository, for example `data/ml-latest-small`.
///
/// These data may not be redistributed with the product. Without them the test is skipped; the reason is
/// printed.
#[expect(clippy::print_stderr, reason = "a skipped test must say so; tests have no printer")]
pub fn shared_data(sub: &str) -> Option<PathBuf> {
    let folder = workspace().join("..").join("shared").join(sub);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: there is no {}", folder.display());
    None
}

pub mod documented;
pub mod tiny_llama;
pub mod tuned;

/// The base model, if it was fetched; the reason for skipping is printed otherwise.
#[expect(clippy::print_stderr, reason = "a skipped test must say so; tests have no printer")]
pub fn skip_without_base_model(found: anyhow::Result<PathBuf>) -> Option<PathBuf> {
    found.inspect_err(|error| eprintln!("skipped: {error}; run: llamarec model fetch")).ok()
}
