//! The tools that build the page: found on the path in the right version, else put into a local folder.
//!
//! Nothing is installed outside that folder, except the wasm target of the toolchain, which rustup keeps.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    path::{self, Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use super::children::{ask, run};
use crate::report::{Printer, UserError};

/// The environment variable that names the tools' folder.
pub(crate) const FOLDER_VARIABLE: &str = "LLAMAREC_TOOLS";
/// What the page is compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Builds the page.
pub(crate) const TRUNK: Crate =
    Crate { name: "trunk", program: "trunk", version: "0.21.14", locked: true, minutes: 8 };
/// Its version must equal that of the crate `wasm-bindgen` in the workspace. Its lock file names yanked
/// versions, so it is built without.
pub(crate) const WASM_BINDGEN: Crate = Crate {
    name: "wasm-bindgen-cli",
    program: "wasm-bindgen",
    version: "0.2.130",
    locked: false,
    minutes: 4,
};
/// The npm package that carries wasm-opt as JavaScript, and the oldest wasm-opt that reads what rustc writes.
const BINARYEN: (&str, u32) = ("binaryen@132.0.0", 130);

/// A tool that cargo builds, wanted in exactly one version.
pub(crate) struct Crate {
    name: &'static str,
    program: &'static str,
    version: &'static str,
    locked: bool,
    minutes: u32,
}

/// What the search path holds of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// The wanted version; what the tool says of itself.
    Usable(String),
    /// Another version.
    Other {
        /// What the tool says of itself.
        found: String,
        /// The version that would do.
        wanted: String,
    },
    /// Nothing that runs.
    Absent,
}

impl Probe {
    fn new(program: &str, path: &OsStr, wanted: impl Into<String>, fits: impl Fn(&str) -> bool) -> Self {
        let answer = find(program, path).and_then(|program| ask(Command::new(program).arg("--version")));
        match answer.as_deref().and_then(|text| text.lines().next()) {
            Some(found) if fits(found) => Self::Usable(found.to_owned()),
            Some(found) => Self::Other { found: found.to_owned(), wanted: wanted.into() },
            None => Self::Absent,
        }
    }

    fn is_usable(&self) -> bool {
        matches!(self, Self::Usable(_))
    }
}

/// Tools that are ready to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tools {
    /// The search path on which the build finds them.
    pub path: OsString,
    /// Whether there is a wasm-opt; without it the page works and is larger.
    pub wasm_opt: bool,
}

impl Tools {
    /// Finds the tools or brings them into `folder`; `quiet` hides the words of the installers.
    ///
    /// # Errors
    /// [`UserError`] naming the tool that could not be had.
    pub fn ensure(folder: &Path, quiet: bool, printer: &Printer) -> anyhow::Result<Self> {
        // The installers run in that folder, where a relative path would name another one.
        let folder = &absolute(folder)?;
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        // Two set-ups at a time would build the same tool twice.
        let lock = File::create(folder.join("lock")).context("cannot create the lock of the tools")?;
        lock.lock().context("cannot lock the tools")?;
        let path = search_path(folder)?;
        ensure_target(quiet, printer)?;
        for tool in [&TRUNK, &WASM_BINDGEN] {
            tool.ensure(folder, &path, quiet, printer)?;
        }
        let wasm_opt = ensure_wasm_opt(folder, &path, quiet, printer);
        Ok(Self { path, wasm_opt })
    }
}

impl Crate {
    /// Looks for it on a search path.
    pub(crate) fn probe(&self, path: &OsStr) -> Probe {
        let fits = |text: &str| text.split_whitespace().any(|word| word == self.version);
        Probe::new(self.program, path, self.version, fits)
    }

    fn ensure(&self, folder: &Path, path: &OsStr, quiet: bool, printer: &Printer) -> anyhow::Result<()> {
        if self.probe(path).is_usable() {
            return Ok(());
        }
        let Self { name, version, minutes, .. } = self;
        printer.note(&format!(
            "building {name} {version} into {}: about {minutes} minutes, once",
            folder.display()
        ));
        // A build folder of its own, kept until the end: an interrupted build goes on where it stopped.
        let build = folder.join("build");
        let mut cargo = Command::new("cargo");
        cargo.args(["install", name, "--version", version, "--root"]).arg(folder);
        cargo.args(self.locked.then_some("--locked")).env("CARGO_TARGET_DIR", &build);
        // Run outside the workspace: its toolchain is right, its build settings are not meant for tools.
        run(&format!("build {name}"), cargo.current_dir(folder), quiet)?;
        // It has served; if it cannot be deleted it is only in the way.
        let _ = fs::remove_dir_all(&build);
        Ok(())
    }
}

/// Where the tools of a workspace are, unless a folder is named.
pub(crate) fn default_folder(workspace: &Path) -> PathBuf {
    workspace.join(".tools")
}

/// The tools folder's programs first, then the path as it is; the folder need not be there.
pub(crate) fn search_path(folder: &Path) -> anyhow::Result<OsString> {
    let folder = absolute(folder)?;
    let own = [folder.join("bin"), folder.join("npm/node_modules/.bin")];
    let inherited = env::var_os("PATH").unwrap_or_default();
    env::join_paths(own.into_iter().chain(env::split_paths(&inherited))).context("cannot make a search path")
}

fn absolute(folder: &Path) -> anyhow::Result<PathBuf> {
    path::absolute(folder).with_context(|| format!("cannot find the tools' folder {}", folder.display()))
}

fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    let name = format!("{program}{}", env::consts::EXE_SUFFIX);
    env::split_paths(path).map(|folder| folder.join(&name)).find(|file| file.is_file())
}

/// Whether this Rust can build the page.
pub(crate) fn has_target() -> bool {
    let libraries = ask(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]));
    libraries.is_some_and(|folder| Path::new(&folder).is_dir())
}

fn ensure_target(quiet: bool, printer: &Printer) -> anyhow::Result<()> {
    if has_target() {
        return Ok(());
    }
    printer.note(&format!("adding the target {TARGET}: about a minute, once"));
    run(&format!("add the target {TARGET}"), Command::new("rustup").args(["target", "add", TARGET]), quiet)
        .map_err(|error| {
            UserError::failed(format!("this Rust cannot build for {TARGET}: {error:#}"))
                .hint("install Rust with rustup, or add the target the way this Rust was installed")
                .into()
        })
}

/// Looks for a wasm-opt on a search path.
pub(crate) fn probe_wasm_opt(path: &OsStr) -> Probe {
    let oldest = BINARYEN.1;
    let fits = |text: &str| wasm_opt_version(text).is_some_and(|version| version >= oldest);
    Probe::new("wasm-opt", path, format!("{oldest} or newer"), fits)
}

/// Whether there is a wasm-opt in the end; its absence is only noted.
fn ensure_wasm_opt(folder: &Path, path: &OsStr, quiet: bool, printer: &Printer) -> bool {
    let (package, oldest) = BINARYEN;
    let usable = || probe_wasm_opt(path).is_usable();
    if usable() {
        return true;
    }
    if find("npm", path).is_some() {
        printer.note(&format!("installing {package} (wasm-opt) with npm: a few seconds, once"));
        let prefix = folder.join("npm");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&prefix).arg(package);
        let installed = fs::create_dir_all(&prefix)
            .map_err(Into::into)
            .and_then(|()| run("install wasm-opt", &mut npm, quiet));
        match installed {
            Ok(()) if usable() => return true,
            Ok(()) => printer.note("npm installed it, but it does not run"),
            Err(error) => printer.note(&format!("{error:#}")),
        }
    }
    printer.note(&format!("there is no wasm-opt {oldest} or newer: the page will be about a third larger"));
    false
}

/// The number in `wasm-opt version 132 (version_132)`.
fn wasm_opt_version(text: &str) -> Option<u32> {
    text.split_whitespace().find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_wasm_opt_are_read() {
        assert_eq!(wasm_opt_version("wasm-opt version 132 (version_132)"), Some(132));
        assert_eq!(wasm_opt_version("wasm-opt version 108"), Some(108));
        assert_eq!(wasm_opt_version("no such thing"), None);
    }

    #[test]
    fn the_tools_of_the_folder_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let own = bin.join(format!("cargo{}", env::consts::EXE_SUFFIX));
        fs::write(&own, "").unwrap();
        let path = search_path(folder.path()).unwrap();
        assert_eq!(find("cargo", &path), Some(own));
        assert_eq!(find("llamarec-no-such-program", &path), None);
    }

    #[test]
    fn the_bindgen_program_and_crate_have_one_version() {
        let root = super::super::workspace().unwrap();
        let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
        let version = WASM_BINDGEN.version;
        assert!(read("Cargo.toml").contains(&format!("wasm-bindgen = \"={version}\"")));
        assert!(read("Trunk.toml").contains(&format!("wasm_bindgen = \"{version}\"")));
    }
}
