//! Builds the page with trunk, unless what was built last is of the same sources and tools.

use std::{
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::{children::run, compress, offline, tools::Tools};
use crate::{fetch::hex, report::Printer};

/// Everything that the page is built from, relative to the workspace.
const SOURCES: [&str; 8] = [
    "web",
    "shared/Cargo.toml",
    "shared/src",
    ".cargo",
    "Cargo.toml",
    "Cargo.lock",
    "Trunk.toml",
    "rust-toolchain.toml",
];
/// Pictures of the page for those who read about it.
const NOT_BUILT: &str = "web/screenshots";
/// What the page loads: copied as it is at every start, so that a new retriever needs no build.
const MODELS: (&str, &str) = ("public/models", "models");
/// Where the sum of the sources is kept beside what was built from them.
const STAMP: &str = ".sources";

/// Brings the page up to date; gives the folder it lies in.
///
/// # Errors
/// If a source cannot be read or the build fails.
pub fn build(root: &Path, tools: &Tools, quiet: bool, printer: &Printer) -> anyhow::Result<PathBuf> {
    let page = root.join("dist");
    let stamp = page.join(STAMP);
    // Two builds at a time, say of a demo and of the tests, would mix their files.
    let lock = fs::File::open(root.join("Trunk.toml")).context("cannot open Trunk.toml")?;
    lock.lock().context("cannot lock Trunk.toml")?;
    let sources = fingerprint(root, tools)?;
    if fs::read_to_string(&stamp).is_ok_and(|built| built == sources) && page.join("index.html").is_file() {
        complete(root, &page)?;
        return Ok(page);
    }
    printer
        .note("building the page: about 15 minutes on two cores the first time, 10 when something changed");
    download(root, tools)?;
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
    complete(root, &page)?;
    fs::write(&stamp, sources).with_context(|| format!("cannot write {}", stamp.display()))?;
    Ok(page)
}

/// Downloads the crates that only the page is built from: trunk, told not to fetch tools of its own, fetches nothing at all.
fn download(root: &Path, tools: &Tools) -> anyhow::Result<()> {
    // Listing them brings those that are missing, and needs no network if none is.
    const LIST: &str = "tree --locked --quiet --depth 0 --edges no-dev --manifest-path web/Cargo.toml \
                        --features app,engine --target wasm32-unknown-unknown";
    let mut list = Command::new("cargo");
    list.args(LIST.split(' ')).env("PATH", &tools.path).current_dir(root);
    run("download what the page is built from", &mut list, true)
}

/// Adds to what trunk built: models, the list of all files, compressed copies.
fn complete(root: &Path, page: &Path) -> anyhow::Result<()> {
    let (from, to) = (root.join(MODELS.0), page.join(MODELS.1));
    copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    offline::write(page)?;
    compress::folder(page)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    fs::read_dir(from)?.try_for_each(|entry| {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))
    })
}

/// One sum of all sources and of the tools that matter.
fn fingerprint(root: &Path, tools: &Tools) -> anyhow::Result<String> {
    let mut sum = Sha256::new();
    sum.update([u8::from(tools.wasm_opt)]);
    let skipped = root.join(NOT_BUILT);
    for source in SOURCES {
        let path = root.join(source);
        add(&mut sum, &path, &skipped).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(hex(&sum.finalize()))
}

fn add(sum: &mut Sha256, path: &Path, skipped: &Path) -> io::Result<()> {
    if path == skipped {
        return Ok(());
    }
    if path.is_dir() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| add(sum, entry, skipped));
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
        let manifest = format!("{}/movielens/manifest.json", MODELS.0);
        for source in SOURCES.into_iter().chain([MODELS.0]) {
            let path = root.path().join(source);
            let is_file =
                path.extension().is_some_and(|extension| extension == "toml" || extension == "lock");
            let file = if is_file { path } else { path.join("file") };
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, source).unwrap();
        }
        let shipped = include_str!("../../../public/models/movielens/manifest.json");
        fs::create_dir(root.path().join(&manifest).parent().unwrap()).unwrap();
        fs::write(root.path().join(manifest), shipped).unwrap();
        root
    }

    #[test]
    fn the_fingerprint_follows_every_source_and_the_tools() {
        let root = workspace();
        let tools = Tools { path: "".into(), wasm_opt: true };
        let before = fingerprint(root.path(), &tools).unwrap();
        assert_eq!(fingerprint(root.path(), &tools).unwrap(), before);
        assert_ne!(fingerprint(root.path(), &Tools { wasm_opt: false, ..tools.clone() }).unwrap(), before);
        fs::create_dir(root.path().join(NOT_BUILT)).unwrap();
        fs::write(root.path().join(NOT_BUILT).join("lesson.png"), "a picture").unwrap();
        assert_eq!(fingerprint(root.path(), &tools).unwrap(), before);
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
        fs::write(page.join("sw.js"), "").unwrap();
        fs::write(page.join(STAMP), fingerprint(root.path(), &tools).unwrap()).unwrap();
        let printer = Printer::new(crate::report::Verbosity::Quiet);
        // With an empty search path there is no trunk: only a build that is not made can succeed.
        assert_eq!(build(root.path(), &tools, true, &printer).unwrap(), page);
        assert_eq!(fs::read_to_string(page.join("models/file")).unwrap(), MODELS.0);
        fs::write(root.path().join("public/models/file"), "trained anew").unwrap();
        assert!(build(root.path(), &tools, true, &printer).is_ok(), "models need no build");
        assert_eq!(fs::read_to_string(page.join("models/file")).unwrap(), "trained anew");
        fs::write(root.path().join("web/file"), "changed").unwrap();
        assert!(build(root.path(), &tools, true, &printer).is_err());
    }

    /// Trunk is told to fetch nothing, and on a new machine nothing else has fetched what only the page is built from.
    #[cfg(unix)]
    #[test]
    fn what_the_page_is_built_from_is_downloaded_before_it_is_built() {
        use std::os::unix::fs::PermissionsExt;

        let root = workspace();
        let tools = root.path().join("tools");
        fs::create_dir(&tools).unwrap();
        for program in ["cargo", "trunk"] {
            let path = tools.join(program);
            fs::write(&path, format!("#!/bin/sh\necho {program} \"$@\" >> tools/log\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let page = root.path().join("dist");
        fs::create_dir(&page).unwrap();
        fs::write(page.join("sw.js"), "").unwrap();
        let found = Tools { path: tools.clone().into(), wasm_opt: true };
        let printer = Printer::new(crate::report::Verbosity::Quiet);
        build(root.path(), &found, true, &printer).unwrap();
        let log = fs::read_to_string(tools.join("log")).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert!(lines[0].starts_with("cargo tree ") && !lines[0].contains("--offline"), "{log}");
        assert!(lines[0].contains("--features app,engine") && lines[0].contains("wasm32"), "{log}");
        assert_eq!(lines[1..], ["trunk build --offline --release"], "{log}");
    }
}
