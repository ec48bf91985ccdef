//! A base model of one's own: looked at before anything slow begins.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use crate::report::UserError;

/// What every GGUF file begins with.
const MAGIC: [u8; 4] = *b"GGUF";

/// Checks that `base` is a file and begins as a GGUF file does; the page reads the rest.
///
/// # Errors
/// [`UserError`] of unusable input, naming the file.
pub fn check(base: &Path) -> Result<(), UserError> {
    let wrong = |what: String| {
        UserError::input(format!("the base model {} {what}", base.display()))
            .hint("--base takes a model in the GGUF format; without it the fetched one is served")
    };
    let unreadable = |error: io::Error| wrong(format!("cannot be read: {error}"));
    // Asked first: opening a pipe would wait for its writer.
    if !fs::metadata(base).map_err(unreadable)?.is_file() {
        return Err(wrong("is not a file".to_owned()));
    }
    let mut start = Vec::with_capacity(MAGIC.len());
    let file = File::open(base).map_err(unreadable)?;
    file.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(unreadable)?;
    if start == MAGIC {
        Ok(())
    } else {
        Err(wrong("is no GGUF file: it does not begin with GGUF".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_the_magic_pass() {
        let folder = tempfile::tempdir().unwrap();
        let says = |name: &str, bytes: &[u8]| {
            let file = folder.path().join(name);
            fs::write(&file, bytes).unwrap();
            check(&file).map_err(|error| error.message)
        };
        assert_eq!(says("my model.gguf", b"GGUF\x03\0\0\0"), Ok(()));
        for bytes in [&b""[..], b"GGU", b"gguf\x03\0\0\0", b"<!DOCTYPE html>"] {
            let message = says("{model}.gguf", bytes).unwrap_err();
            assert!(message.contains("{model}.gguf is no GGUF file"), "{message}");
        }
        assert!(check(folder.path()).unwrap_err().message.ends_with("is not a file"));
    }
}
