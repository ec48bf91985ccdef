//! Compressed copies beside the page's files, for servers that hand them out as they are.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use brotli::CompressorWriter;

/// Kinds of files that get smaller; weights are noise.
const KINDS: [&str; 5] = ["wasm", "js", "css", "html", "json"];
/// Brotli's window.
const WINDOW: u32 = 22;
/// Files up to this size, in bytes, take its best quality. That takes ten times as long for 3 % less, so larger ones do not.
const SMALL: usize = 4 << 20;

/// Writes `FILE.br` beside every file of these kinds in a folder and the folders in it; one that is newer than its file
/// stays.
///
/// # Errors
/// A file that cannot be read or written.
pub(super) fn folder(folder: &Path) -> anyhow::Result<()> {
    let list = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    for path in list().with_context(|| format!("cannot read {}", folder.display()))? {
        if path.is_dir() {
            self::folder(&path)?;
        } else if path.extension().is_some_and(|kind| KINDS.iter().any(|&known| kind == known)) {
            compress(&path).with_context(|| format!("cannot compress {}", path.display()))?;
        }
    }
    Ok(())
}

fn compress(path: &Path) -> io::Result<()> {
    let copy = path.with_added_extension("br");
    let changed = |path: &Path| fs::metadata(path)?.modified();
    if copy.is_file() && changed(&copy)? > changed(path)? {
        return Ok(());
    }
    let bytes = fs::read(path)?;
    let quality = if bytes.len() <= SMALL { 11 } else { 9 };
    let mut out = CompressorWriter::new(File::create(&copy)?, 1 << 16, quality, WINDOW);
    out.write_all(&bytes)?;
    // Writes the end.
    out.into_inner().flush()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn copies_hold_the_same_and_follow_their_files() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("models");
        fs::create_dir(&inner).unwrap();
        let (page, data, weights) =
            (root.path().join("index.html"), inner.join("catalog.json"), inner.join("x.safetensors"));
        for path in [&page, &data, &weights] {
            fs::write(path, "film ".repeat(1000)).unwrap();
        }
        folder(root.path()).unwrap();
        let unpacked = |path: &Path| {
            let mut text = String::new();
            let packed = fs::read(path.with_added_extension("br")).unwrap();
            assert!(packed.len() < 100);
            brotli::Decompressor::new(&packed[..], 4096).read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!((unpacked(&page), unpacked(&data)), ("film ".repeat(1000), "film ".repeat(1000)));
        assert!(!weights.with_added_extension("br").exists());
        // A copy of an older file is made again.
        fs::write(&data, "Heat ".repeat(1000)).unwrap();
        folder(root.path()).unwrap();
        assert_eq!(unpacked(&data), "Heat ".repeat(1000));
    }
}
