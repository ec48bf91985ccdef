//! Files that are whole under their final name.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::Context;
use tempfile::NamedTempFile;

use crate::report::UserError;

/// Writes a file so that readers see the old or the new content, never a part.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
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
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    builder.tempfile_in(folder)
}
