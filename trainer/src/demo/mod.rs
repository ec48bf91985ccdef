//! The page, from its sources to the browser: tools, build, server.

pub mod base;
pub(crate) mod children;
mod compress;
mod offline;
pub mod page;
pub mod server;
pub mod tools;

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::report::UserError;

/// The folder of the sources: the nearest one above the working directory, else the one this was built from.
///
/// # Errors
/// [`UserError`] if neither holds the page's sources.
pub fn workspace() -> Result<PathBuf, UserError> {
    let is_workspace =
        |folder: &&Path| folder.join("Trunk.toml").is_file() && folder.join("web/index.html").is_file();
    let here = env::current_dir().ok();
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let candidates = here.iter().flat_map(|here| here.ancestors()).chain(built_from);
    candidates.into_iter().find(is_workspace).map(Path::to_owned).ok_or_else(|| {
        UserError::input(
            "the sources of the page are not here: there is no Trunk.toml with web/index.html beside it",
        )
        .hint("run this command inside the llamarec repository")
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_is_found() {
        assert!(super::workspace().unwrap().join("trainer/Cargo.toml").is_file());
    }
}
