//! What the page needs without its server: the list of files that its service worker keeps.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
};

use anyhow::Context;
use shared::manifest::Manifest;

use crate::fetch::sha256;

/// The service worker's file.
pub(super) const WORKER: &str = "sw.js";
/// How the line begins in it that holds the list.
const LIST: &str = "const FILES = ";
/// Folder of the bundle, relative to the page.
const BUNDLE: &str = "models/movielens/";
/// Kinds of files that the page is made of.
const KINDS: [&str; 6] = ["html", "js", "css", "wasm", "svg", "webmanifest"];

/// The service worker of the page in a folder with the text of its bundle's manifest, as both are served: another content of
/// any file makes another text.
///
/// # Errors
/// A file of the page that cannot be read, or a text that is no manifest.
pub(super) fn worker(page: &Path, manifest: &[u8]) -> anyhow::Result<String> {
    let template = page.join(WORKER);
    let text =
        fs::read_to_string(&template).with_context(|| format!("cannot read {}", template.display()))?;
    let list = serde_json::to_string(&files(page, manifest)?)?;
    let line = |line: &str| {
        if line.starts_with(LIST) { format!("{LIST}{list};\n") } else { format!("{line}\n") }
    };
    Ok(text.lines().map(line).collect())
}

/// Writes the list into the page's service worker.
///
/// # Errors
/// As [`worker`], and a file that cannot be written.
pub(super) fn write(page: &Path) -> anyhow::Result<()> {
    let path = page.join(BUNDLE).join("manifest.json");
    let manifest = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = worker(page, &manifest)?;
    let path = page.join(WORKER);
    // One that stays as it was needs no new compressed copy.
    if fs::read_to_string(&path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Paths relative to the page, and sums of the content.
fn files(page: &Path, manifest: &[u8]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let list = || format!("cannot list {}", page.display());
    for entry in fs::read_dir(page).with_context(list)? {
        let path = entry.with_context(list)?.path();
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if KINDS.contains(&kind) && name != WORKER {
            let sum = File::open(&path).and_then(|file| sha256(file, |_| ()));
            files.insert(name, sum.with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    files.insert(format!("{BUNDLE}manifest.json"), sha256(manifest, |_| ())?);
    let manifest: Manifest =
        serde_json::from_slice(manifest).with_context(|| format!("{BUNDLE}manifest.json is no manifest"))?;
    files.extend(manifest.files().map(|file| (format!("{BUNDLE}{}", file.path), file.sha256.clone())));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_follows_every_file() {
        let root = tempfile::tempdir().unwrap();
        let page = root.path();
        let bundle = page.join(BUNDLE);
        fs::create_dir_all(&bundle).unwrap();
        let shipped = include_str!("../../../public/models/movielens/manifest.json");
        fs::write(bundle.join("manifest.json"), shipped).unwrap();
        for (name, text) in
            [("index.html", "page"), ("a.wasm", "app"), ("a.wasm.br", "packed"), (".sources", "x")]
        {
            fs::write(page.join(name), text).unwrap();
        }
        fs::write(page.join(WORKER), include_str!("../../../web/sw.js")).unwrap();
        let worker = || {
            write(page).unwrap();
            fs::read_to_string(page.join(WORKER)).unwrap()
        };
        let first = worker();
        let line = first.lines().find_map(|line| line.strip_prefix(LIST)).unwrap().trim_end_matches(';');
        let files: BTreeMap<String, String> = serde_json::from_str(line).unwrap();
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let of_bundle = ["adapter.safetensors", "catalog.json", "examples.json", "manifest.json"];
        assert_eq!(names[..2], ["a.wasm", "index.html"]);
        assert!(of_bundle.iter().all(|name| files.contains_key(&format!("{BUNDLE}{name}"))), "{names:?}");
        assert!(!names.iter().any(|name| name.contains(".gguf") || name.contains(".br")), "{names:?}");
        assert_eq!(worker(), first);
        fs::write(page.join("a.wasm"), "another app").unwrap();
        let second = worker();
        assert_ne!(second, first);
        fs::write(
            bundle.join("manifest.json"),
            shipped.replace("\"name\": \"movielens\"", "\"name\": \"x\""),
        )
        .unwrap();
        assert_ne!(worker(), second);
    }
}
