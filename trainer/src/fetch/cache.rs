//! The folder for files that can be fetched again.

use std::{env, path::PathBuf};

use crate::report::UserError;

/// `$LLAMAREC_HOME`, else `llamarec` in the platform's cache folder. It may not exist yet.
///
/// # Errors
/// [`UserError`] if this machine says nothing about a home folder.
pub fn cache_folder() -> Result<PathBuf, UserError> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let in_home = |folder| env::home_dir().map(|home| home.join(folder));
    variable("LLAMAREC_HOME")
        .or_else(|| {
            let cache = if cfg!(target_os = "macos") {
                in_home("Library/Caches")
            } else if cfg!(windows) {
                variable("LOCALAPPDATA")
            } else {
                variable("XDG_CACHE_HOME").or_else(|| in_home(".cache"))
            };
            cache.map(|cache| cache.join("llamarec"))
        })
        .ok_or_else(|| {
            UserError::input("this machine has no home folder to keep the base model in")
                .hint("set LLAMAREC_HOME to a folder for downloads")
        })
}
