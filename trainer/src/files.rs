//! Files that are whole under their final name.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use tempfile::NamedTempFile;

use crate::report::UserError;

/// Writes a file so that readers see the old or the new content, never a part. A link stays and its target is written; a pipe
/// or a device takes the bytes as they come.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            return fs::File::options().write(true).open(path)?.write_all(bytes);
        }
        let path = &target(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let partial = path.with_added_extension("partial");
        let mut file = fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Where a path leads through symbolic links, whether or not something is there.
fn target(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    // As many as Linux follows.
    for _ in 0..40 {
        let Ok(link) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(link);
    }
    path
}

/// Removes a file, if it is there.
///
/// # Errors
/// A file that cannot be removed.
pub fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Refuses a path that is no folder and, unless `force`, a folder that holds one of the files of `what`.
///
/// # Errors
/// Such a path or folder.
pub fn check_free(folder: &Path, files: &[&str], what: &str, force: bool) -> Result<(), UserError> {
    if folder.exists() && !folder.is_dir() {
        let message = format!("{} is not a folder", folder.display());
        return Err(UserError::usage(message).hint("choose a folder for --out"));
    }
    match files.iter().map(|file| folder.join(file)).find(|file| file.exists()) {
        Some(file) if !force => Err(UserError::usage(format!("{} is there already", file.display()))
            .hint(format!("choose another --out, or --force to replace the {what}"))),
        _ => Ok(()),
    }
}

/// A file in the folder that vanishes unless it is kept, as readable by others as any other file.
///
/// # Errors
/// A folder that cannot be written to.
pub fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    let builder = &mut tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    builder.tempfile_in(folder)
}

#[cfg(all(test, unix))]
mod tests {
    use std::{os::unix::fs::symlink, thread};

    use super::*;

    #[test]
    fn links_pipes_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        symlink("sub/link", at("first")).unwrap();
        symlink("file", at("sub/link")).unwrap();
        // Once where nothing is there yet, once over what is.
        for text in ["one", "two"] {
            write_atomic(&at("first"), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("sub/file")).unwrap(), text);
        }
        assert!(at("first").is_symlink() && at("sub/link").is_symlink());

        let pipe = at("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = thread::spawn(move || fs::read_to_string(pipe).unwrap());
        write_atomic(&at("pipe"), b"through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(!fs::metadata(at("pipe")).unwrap().is_file());
    }
}
