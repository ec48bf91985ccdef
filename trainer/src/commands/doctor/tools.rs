//! Programs that building and testing the page needs.

use std::{env, ffi::OsString, path::PathBuf, process::Command};

use super::Check;
use crate::demo::{
    children::ask,
    tools::{self, Probe, TARGET, TRUNK, WASM_BINDGEN},
    workspace,
};

const DEMO: &str = "llamarec demo brings it";

const CHROMIUMS: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// Looks for each program; those that `llamarec demo` brings are looked for where it puts them.
pub fn checks() -> Vec<Check> {
    let path = search_path();
    vec![
        simple("rustc", &["rustc"], "builds everything", "install Rust with rustup"),
        wasm_target(),
        brought("trunk", TRUNK.probe(&path), "builds the page"),
        brought("wasm-bindgen", WASM_BINDGEN.probe(&path), "builds the page"),
        brought("wasm-opt", tools::probe_wasm_opt(&path), "optional; makes the page smaller"),
        simple("node", &["node", "nodejs"], "optional; brings and runs wasm-opt", "install Node.js with npm"),
        simple("chromium", &CHROMIUMS, "optional; the browser tests", "install Chromium or Chrome"),
    ]
}

/// The path on which `llamarec demo`, started here, would find its tools.
fn search_path() -> OsString {
    let named = env::var_os(tools::FOLDER_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = named.or_else(|| workspace().ok().map(|root| tools::default_folder(&root)));
    // A folder that cannot be part of a search path holds no tool that demo could use.
    let own = folder.and_then(|folder| tools::search_path(&folder).ok());
    own.or_else(|| env::var_os("PATH")).unwrap_or_default()
}

fn brought(name: &'static str, probe: Probe, purpose: &str) -> Check {
    match probe {
        Probe::Usable(version) => Check::ok(name, version),
        Probe::Other { found, wanted } => {
            Check::missing(name, format!("{found} where {wanted} is needed"), DEMO)
        }
        Probe::Absent => Check::missing(name, purpose, DEMO),
    }
}

fn simple(name: &'static str, programs: &[&str], purpose: &str, remedy: &str) -> Check {
    match version(programs) {
        Some(version) => Check::ok(name, version),
        None => Check::missing(name, purpose, remedy),
    }
}

fn wasm_target() -> Check {
    const NAME: &str = "wasm target";
    if tools::has_target() {
        Check::ok(NAME, TARGET)
    } else {
        Check::missing(NAME, "builds the page", format!("rustup target add {TARGET}"))
    }
}

/// First line of `--version` of the first of the programs that is there.
fn version(programs: &[&str]) -> Option<String> {
    programs.iter().find_map(|program| {
        let text = ask(Command::new(program).arg("--version"))?;
        text.lines().next().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_has_a_remedy() {
        let check = simple("x", &["no-such-program-here"], "purpose", "install it");
        assert_eq!(check, Check::missing("x", "purpose", "install it"));
    }

    #[test]
    fn the_compiler_that_built_this_test_is_found() {
        // Cargo puts its toolchain on the path of tests.
        assert!(version(&["rustc"]).is_some_and(|version| version.starts_with("rustc 1.")));
    }

    #[test]
    fn a_tool_of_another_version_is_missing_and_named() {
        let other = Probe::Other { found: "trunk 0.1.0".into(), wanted: "0.2.0".into() };
        let expected = Check::missing("trunk", "trunk 0.1.0 where 0.2.0 is needed", DEMO);
        assert_eq!(brought("trunk", other, "builds the page"), expected);
        let absent = Check::missing("trunk", "builds the page", DEMO);
        assert_eq!(brought("trunk", Probe::Absent, "builds the page"), absent);
    }
}
