//! Size and SHA-256: what decides whether a file is the one that is wanted.

use std::{
    fmt::Display,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256};
use shared::manifest::FileEntry;

use crate::report::{Printer, UserError};

/// SHA-256 of all that `reader` gives, lower-case hexadecimal; `progress` hears of each piece's bytes.
///
/// # Errors
/// Those of the reader.
pub fn sha256(mut reader: impl Read, mut progress: impl FnMut(u64)) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            length => {
                hasher.update(&buffer[..length]);
                progress(length as u64);
            }
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// Lower-case hexadecimal digits of bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks the size of a file, then its sum; `shown` is what errors call the file.
pub fn verify(
    path: &Path,
    shown: &dyn Display,
    wanted: &FileEntry,
    printer: &Printer,
) -> Result<(), UserError> {
    check_size(path, shown, wanted)?;
    let bar = printer.bytes_bar(wanted.bytes, "checking");
    let sum = File::open(path).and_then(|file| sha256(file, |bytes| bar.inc(bytes)));
    bar.finish_and_clear();
    check_sum(&sum.map_err(|error| unreadable(shown, &error))?, shown, wanted)
}

/// Checks only the sum that was found.
pub fn check_sum(found: &str, shown: &dyn Display, wanted: &FileEntry) -> Result<(), UserError> {
    if found == wanted.sha256 {
        return Ok(());
    }
    Err(UserError::input(format!(
        "{shown} is not {}: its SHA-256 is {found}, expected {}",
        wanted.path, wanted.sha256
    )))
}

/// Checks only the size.
pub fn check_size(path: &Path, shown: &dyn Display, wanted: &FileEntry) -> Result<(), UserError> {
    let bytes = path.metadata().map_err(|error| unreadable(shown, &error))?.len();
    let what = match bytes {
        same if same == wanted.bytes => return Ok(()),
        less if less < wanted.bytes => format!("is truncated, or is not {}", wanted.path),
        _ => format!("is not {}", wanted.path),
    };
    let message = format!("{shown} {what}: it has {bytes} bytes, expected {}", wanted.bytes);
    Err(UserError::input(message))
}

/// Copies a file that has the right size.
pub fn copy(
    from: &Path,
    wanted: &FileEntry,
    to: &mut impl Write,
    printer: &Printer,
) -> Result<(), UserError> {
    let shown = from.display();
    check_size(from, &shown, wanted)?;
    let bar = printer.bytes_bar(wanted.bytes, "copying");
    let copied = File::open(from).and_then(|file| io::copy(&mut bar.wrap_read(file), to));
    bar.finish_and_clear();
    copied.map(|_| ()).map_err(|error| unreadable(&shown, &error))
}

fn unreadable(shown: &dyn Display, error: &io::Error) -> UserError {
    UserError::input(format!("cannot read {shown}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::Verbosity;

    // The sum of "abc" in FIPS 180-2.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn verified(contents: &str) -> Result<(), UserError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, contents).unwrap();
        let wanted = FileEntry { path: "abc.gguf".into(), bytes: 3, sha256: ABC.into() };
        verify(&path, &path.display(), &wanted, &Printer::new(Verbosity::Quiet))
    }

    #[test]
    fn the_right_file_passes() {
        verified("abc").unwrap();
        let mut read = 0;
        assert_eq!(sha256("abc".as_bytes(), |bytes| read += bytes).unwrap(), ABC);
        assert_eq!(read, 3);
    }

    #[test]
    fn a_wrong_file_is_named_with_both_sums() {
        let message = verified("abd").unwrap_err().message;
        let found = "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9";
        assert!(message.contains(ABC) && message.contains(found), "{message}");
    }

    #[test]
    fn a_wrong_size_is_named_before_anything_is_hashed() {
        assert!(
            verified("ab")
                .unwrap_err()
                .message
                .contains("is truncated, or is not abc.gguf: it has 2 bytes, expected 3")
        );
        assert!(
            verified("abcd").unwrap_err().message.contains("is not abc.gguf: it has 4 bytes, expected 3")
        );
    }
}
