//! Programs that building and testing the page needs.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::Check;

/// The page's wasm-bindgen crate and the program of the same name must have the same version.
const WASM_BINDGEN: &str = "0.2.130";

const CHROMIUMS: [&str; 5] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// Looks for each program.
pub fn checks() -> Vec<Check> {
    vec![
        simple("rustc", &["rustc"], "builds everything", "install Rust with rustup"),
        wasm_target(),
        simple("trunk", &["trunk"], "builds the page", "cargo install trunk --version 0.21.14 --locked"),
        wasm_bindgen(),
        simple(
            "wasm-opt",
            &["wasm-opt"],
            "optional; makes the page smaller",
            "install the package binaryen of your system or of npm",
        ),
        simple("node", &["node", "nodejs"], "optional; runs a wasm-opt from npm", "install Node.js"),
        simple("chromium", &CHROMIUMS, "optional; the browser tests", "install Chromium or Chrome"),
    ]
}

fn simple(name: &'static str, programs: &[&str], purpose: &str, remedy: &str) -> Check {
    match version(programs) {
        Some(version) => Check::ok(name, version),
        None => Check::missing(name, purpose, remedy),
    }
}

fn wasm_target() -> Check {
    const NAME: &str = "wasm target";
    let folder = output("rustc", &["--print", "target-libdir", "--target", "wasm32-unknown-unknown"]);
    match folder {
        Some(folder) if Path::new(&folder).is_dir() => Check::ok(NAME, "wasm32-unknown-unknown"),
        _ => Check::missing(NAME, "builds the page", "rustup target add wasm32-unknown-unknown"),
    }
}

fn wasm_bindgen() -> Check {
    const NAME: &str = "wasm-bindgen";
    let remedy = format!("cargo install wasm-bindgen-cli --version {WASM_BINDGEN} --locked");
    match version(&["wasm-bindgen"]) {
        Some(found) if found.split_whitespace().any(|word| word == WASM_BINDGEN) => Check::ok(NAME, found),
        Some(found) => Check::missing(NAME, format!("{found} where {WASM_BINDGEN} is needed"), remedy),
        None => Check::missing(NAME, "builds the page", remedy),
    }
}

/// First line of `--version` of the first of the programs that is there.
fn version(programs: &[&str]) -> Option<String> {
    programs.iter().find_map(|program| output(program, &["--version"]))
}

/// First line of what a program prints, if it runs and ends well.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(find(program)).args(arguments).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default().trim();
    (output.status.success() && !line.is_empty()).then(|| line.to_owned())
}

/// The program as the page's build finds it: in the project's own tools, else wherever the system looks.
fn find(program: &str) -> PathBuf {
    let own = env::current_dir().ok().map(|folder| folder.join(".tools"));
    own.iter()
        .flat_map(|tools| [tools.join("bin"), tools.join("node_modules/.bin")])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| program.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wanted_wasm_bindgen_is_the_one_of_the_page() {
        let manifest = include_str!("../../../../Cargo.toml");
        assert!(manifest.contains(&format!("wasm-bindgen = \"={WASM_BINDGEN}\"")));
    }

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
}
