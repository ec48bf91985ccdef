//! Builds the page with trunk, unless what was built last is of the same sources and tools.

use std::{
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::{children::run, tools::Tools};
use crate::report::Printer;

/// Everything that the page is made of, relative to the workspace.
const SOURCES: [&str; 8] = [
    "web",
    "shared",
    "public/models",
    ".cargo",
    "Cargo.toml",
    "Cargo.lock",
    "Trunk.toml",
    "rust-toolchain.toml",
];
/// Where the sum of the sources is kept beside what was built from them.
const STAMP: &str = ".sources";

/// Brings the page up to date; gives the folder it lies in.
///
/// # Errors
/// If a source cannot be read or the build fails.
pub fn build(root: &Path, tools: &Tools, quiet: bool, printer: &Printer) -> anyhow::Result<PathBuf> {
    let page = root.join("dist");
    let stamp = page.join(STAMP);
    let sources = fingerprint(root, tools)?;
    if fs::read_to_string(&stamp).is_ok_and(|built| built == sources) && page.join("index.html").is_file() {
        return Ok(page);
    }
    printer.note("building the page: about 8 minutes on two cores the first time, 3 when something changed");
    let mut trunk = Command::new("trunk");
    trunk.args(["build", "--offline"]).env("PATH", &tools.path).current_dir(root);
    if tools.wasm_opt {
        // Only `--release` calls wasm-opt; the compiler's own profile is named in the page itself.
        trunk.arg("--release");
    }
    // Trunk takes NO_COLOR=1 for a value it cannot read.
    if env::var_os("NO_COLOR").is_some() {
        trunk.env("NO_COLOR", "true");
    }
    // The build must not inherit what cargo tells the program that it runs.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            trunk.env_remove(name);
        }
    }
    run("build the page", &mut trunk, quiet)?;
    fs::write(&stamp, sources).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(page)
}

/// One sum of all sources and of the tools that matter.
fn fingerprint(root: &Path, tools: &Tools) -> anyhow::Result<String> {
    let mut sum = Sha256::new();
    sum.update([u8::from(tools.wasm_opt)]);
    for source in SOURCES {
        let path = root.join(source);
        add(&mut sum, &path).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn add(sum: &mut Sha256, path: &Path) -> io::Result<()> {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| add(sum, entry));
    }
    // Name and length are part of the sum: moving bytes from one file to the next changes it.
    sum.update(path.to_string_lossy().as_bytes());
    sum.update(fs::metadata(path)?.len().to_le_bytes());
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        sum.update(&buffer[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for source in SOURCES {
            let path = root.path().join(source);
            let file =
                if source.contains(".toml") || source.ends_with(".lock") { path } else { path.join("file") };
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, source).unwrap();
        }
        root
    }

    #[test]
    fn the_fingerprint_follows_every_source_and_the_tools() {
        let root = workspace();
        let tools = Tools { path: "".into(), wasm_opt: true };
        let before = fingerprint(root.path(), &tools).unwrap();
        assert_eq!(fingerprint(root.path(), &tools).unwrap(), before);
        assert_ne!(fingerprint(root.path(), &Tools { wasm_opt: false, ..tools.clone() }).unwrap(), before);
        fs::write(root.path().join("web/file"), "web, changed").unwrap();
        assert_ne!(fingerprint(root.path(), &tools).unwrap(), before);
    }

    #[test]
    fn a_page_of_the_same_sources_is_not_built_again() {
        let root = workspace();
        let tools = Tools { path: "".into(), wasm_opt: true };
        let page = root.path().join("dist");
        fs::create_dir(&page).unwrap();
        fs::write(page.join("index.html"), "").unwrap();
        fs::write(page.join(STAMP), fingerprint(root.path(), &tools).unwrap()).unwrap();
        let printer = Printer::new(crate::report::Verbosity::Quiet);
        // With an empty search path there is no trunk: only a build that is not made can succeed.
        assert_eq!(build(root.path(), &tools, true, &printer).unwrap(), page);
        fs::write(root.path().join("web/file"), "changed").unwrap();
        assert!(build(root.path(), &tools, true, &printer).is_err());
    }
}
