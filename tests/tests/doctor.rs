//! `llamarec doctor`: says what is there, what is missing and what to do, on any machine.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

use serde_json::Value;
use tests::llamarec;

#[test]
fn doctor_names_a_remedy_for_all_that_is_missing() {
    let home = tempfile::tempdir().unwrap();
    // No tool is on this path: all of them are missing.
    let output = llamarec()
        .args(["doctor", "--json"])
        .env("LLAMAREC_HOME", home.path())
        .env("LLAMAREC_TOOLS", home.path())
        .env("PATH", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["version"].is_string());
    let checks = report["checks"].as_array().unwrap();
    for (name, ok) in [
        ("llamarec", true),
        ("cpu", true),
        ("data", true),
        ("base model", false),
        ("rustc", false),
        ("wasm target", false),
        ("trunk", false),
        ("wasm-bindgen", false),
    ] {
        let check = checks.iter().find(|check| check["name"] == name).unwrap();
        assert_eq!(check["ok"], ok, "{check}");
        assert!(!check["found"].as_str().unwrap().is_empty(), "{check}");
    }
    for check in checks {
        assert_eq!(check["ok"] == false, check["remedy"].is_string(), "{check}");
    }
    assert!(checks.iter().any(|check| check["name"] == "gpu"));
    for tool in ["trunk", "wasm-bindgen", "wasm-opt"] {
        let check = checks.iter().find(|check| check["name"] == tool).unwrap();
        assert_eq!(check["remedy"], "llamarec demo brings it");
    }
}

#[test]
fn doctor_in_words_shows_each_remedy_below_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    let output = llamarec().arg("doctor").env("LLAMAREC_HOME", home.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains("base model")).unwrap();
    assert!(lines[at].starts_with("missing"), "{text}");
    assert_eq!(lines[at + 1].trim(), "-> llamarec model fetch (98 MB, once)", "{text}");
}

/// A repository with tools that say what they are told to, on a machine that has no others.
#[cfg(unix)]
mod agreement {
    use std::{
        fs,
        os::unix::fs::PermissionsExt,
        path::{Path, PathBuf},
        process::Command,
    };

    use serde_json::Value;
    use tempfile::TempDir;
    use tests::llamarec;

    /// Each tool, where demo puts it, and what demo says if it is not what it wants.
    const TOOLS: [(&str, &str, &str); 3] = [
        ("trunk", "bin", "building trunk "),
        ("wasm-bindgen", "bin", "building wasm-bindgen-cli "),
        ("wasm-opt", "npm/node_modules/.bin", "there is no wasm-opt "),
    ];

    struct Machine(TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(machine.below()).unwrap();
            for file in ["Trunk.toml", "web/index.html"] {
                fs::write(machine.root().join(file), "").unwrap();
            }
            fs::write(machine.root().join("base.gguf"), "GGUF").unwrap();
            // Any folder will do as that of the wasm target; cargo builds nothing.
            program(&machine.path().join("rustc"), "echo /");
            program(&machine.path().join("cargo"), "exit 1");
            machine
        }

        fn root(&self) -> &Path {
            self.0.path()
        }

        fn path(&self) -> PathBuf {
            self.root().join("path")
        }

        /// A subfolder, from which the repository must be found.
        fn below(&self) -> PathBuf {
            self.root().join("web/src")
        }

        fn tool(&self, tools: &str, (name, folder, _): (&str, &str, &str), version: &str) {
            let file = self.root().join(tools).join(folder).join(name);
            program(&file, &format!("echo {name} {version}"));
        }

        fn llamarec(&self) -> Command {
            let mut command = llamarec();
            command.current_dir(self.below()).env("PATH", self.path());
            command.env("LLAMAREC_HOME", self.root()).env_remove("LLAMAREC_TOOLS");
            command
        }

        /// Which tools demo does not take, up to the first that it cannot do without.
        fn refused(&self) -> Vec<&'static str> {
            let mut command = self.llamarec();
            command.args(["demo", "--no-browser", "--port", "0", "--base"]);
            let output = command.arg(self.root().join("base.gguf")).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && said.contains("1/3 tools"), "{said}");
            let refused = TOOLS.iter().filter(|(_, _, words)| said.contains(words));
            refused.map(|&(name, ..)| name).collect()
        }
    }

    fn doctor(command: &mut Command) -> [Value; 3] {
        let output = command.args(["doctor", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        TOOLS.map(|(name, ..)| checks.iter().find(|check| check["name"] == name).unwrap().clone())
    }

    fn program(file: &Path, body: &str) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn missing(checks: &[Value; 3]) -> Vec<&str> {
        checks
            .iter()
            .filter(|check| check["ok"] == false)
            .map(|check| check["name"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn doctor_and_demo_take_the_same_tools() {
        let machine = Machine::new();
        for tool in TOOLS {
            machine.tool(".tools", tool, "0");
        }
        // Doctor says which version would do, and demo takes it.
        let wanted = doctor(&mut machine.llamarec()).map(|check| {
            let found = check["found"].as_str().unwrap().to_owned();
            let (name, version) = found.split_once(" 0 where ").unwrap();
            assert_eq!(check["name"], name);
            version.split(' ').next().unwrap().to_owned()
        });
        for (tool, version) in TOOLS.into_iter().zip(&wanted) {
            machine.tool(".tools", tool, version);
        }
        assert_eq!(missing(&doctor(&mut machine.llamarec())), [""; 0]);
        assert_eq!(machine.refused(), [""; 0]);
        for (tool, version) in TOOLS.into_iter().zip(&wanted) {
            machine.tool(".tools", tool, "1");
            assert_eq!(missing(&doctor(&mut machine.llamarec())), [tool.0]);
            assert_eq!(machine.refused(), [tool.0]);
            machine.tool(".tools", tool, version);
        }
        // A folder that the environment names takes the place of the repository's.
        machine.tool("elsewhere", TOOLS[0], &wanted[0]);
        let mut command = machine.llamarec();
        command.env("LLAMAREC_TOOLS", "../../elsewhere");
        assert_eq!(missing(&doctor(&mut command)), ["wasm-bindgen", "wasm-opt"]);
    }
}
