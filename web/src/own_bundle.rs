//! A bundle in the place of the page's own: another folder of the same server, or files that the visitor brings along and
//! this device keeps.

use shared::{
    manifest::{FileEntry, Manifest},
    protocol::{Failure, FailureCode},
};

/// Folder of the page's own bundle, relative to the page.
pub const SHIPPED: &str = "models/movielens/";
/// What stands in a link for the bundle that this device keeps.
pub const KEPT: &str = "own";
/// Name of the cache that keeps it.
pub const CACHE: &str = "llamarec-bundle-v1";
/// The folder under which the cache knows its files; no server has it.
pub const FOLDER: &str = "/stored/bundle/";
/// The file that names the others.
pub const MANIFEST: &str = "manifest.json";

/// Whether an address is that of a kept file.
pub fn is_kept(url: &str) -> bool {
    // The path begins behind the third slash.
    url.splitn(4, '/').nth(3).is_some_and(|path| path.starts_with(&FOLDER[1..]))
}

/// The folder that a link or a visitor means: a manifest's own address will do too.
pub fn folder(said: &str) -> String {
    let folder = said.trim().trim_end_matches(MANIFEST).trim_end_matches('/');
    if folder == KEPT { FOLDER.to_owned() } else { format!("{folder}/") }
}

/// What becomes of the files that a visitor brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The manifest as it is kept: files lie beside it, and the base model where it can be found.
    pub manifest: Manifest,
    /// Places, among the files brought, of those that are checked and kept.
    pub keep: Vec<(usize, FileEntry)>,
    /// The place of the base model, if it was brought.
    pub base: Option<usize>,
}

/// Finds a manifest's files among those brought, each a name and a size. `base` is the base model that the page's own server
/// has, by its absolute address.
///
/// # Errors
/// A file that is missing or has another size, by its name; a base model that is nowhere.
pub fn plan(mut manifest: Manifest, brought: &[(String, u64)], base: &FileEntry) -> Result<Plan, Failure> {
    let find = |file: &FileEntry| brought.iter().position(|(name, _)| name == last(&file.path));
    let place = |file: &FileEntry| {
        let name = last(&file.path);
        let Some(n) = find(file) else {
            return Err(refuse(
                FailureCode::Input,
                format!(
                    "{name} is missing: the manifest names it, and it is not among the {} files",
                    brought.len()
                ),
            ));
        };
        if brought[n].1 == file.bytes {
            return Ok(n);
        }
        let (is, should) = (brought[n].1, file.bytes);
        Err(refuse(FailureCode::Checksum, format!("{name} has {is} bytes, the manifest says {should}")))
    };
    let mut keep = Vec::new();
    for file in manifest.files_mut() {
        let n = place(file)?;
        file.path = last(&file.path).to_owned();
        keep.push((n, file.clone()));
    }
    let model = &mut manifest.base.file;
    let brought_base = if model.sha256 == base.sha256 {
        model.path.clone_from(&base.path);
        None
    } else if find(model).is_some() {
        Some(place(model)?)
    } else {
        return Err(refuse(
            FailureCode::Input,
            format!(
                "its base model {} is neither among the files nor the one that this page has",
                last(&model.path)
            ),
        ));
    };
    Ok(Plan { manifest, keep, base: brought_base })
}

/// No file of those brought is a manifest.
pub fn without_manifest(files: usize) -> Failure {
    refuse(FailureCode::Input, format!("there is no {MANIFEST} among the {files} files"))
}

/// A bundle that cannot be used.
pub fn refuse(code: FailureCode, why: String) -> Failure {
    Failure {
        code,
        message: format!("This bundle cannot be used: {why}."),
        hint: "Choose all files of one folder that llamarec export wrote, and of its base model if that is another one."
            .into(),
    }
}

/// The name of a file at the end of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use shared::manifest::BaseModel;

    use super::*;

    fn file(path: &str, bytes: u64) -> FileEntry {
        FileEntry { path: path.into(), bytes, sha256: format!("sum of {path}") }
    }

    fn manifest() -> Manifest {
        Manifest {
            name: "mine".into(),
            data: "mine".into(),
            data_licence: "mine".into(),
            catalog: file("catalog.json", 10),
            retriever: file("deep/retriever.safetensors", 20),
            base: BaseModel {
                name: "tiny".into(),
                licence: "mine".into(),
                file: file("../base/tiny.gguf", 30),
            },
            adapter: Some(file("adapter.safetensors", 40)),
            letters: None,
            examples: None,
            results: None,
        }
    }

    fn brought(sizes: [(&str, u64); 4]) -> Vec<(String, u64)> {
        sizes.map(|(name, bytes)| (name.to_owned(), bytes)).to_vec()
    }

    #[test]
    fn files_are_found_by_their_names_and_sizes() {
        let sizes =
            [("adapter.safetensors", 40), ("x.txt", 1), ("retriever.safetensors", 20), ("catalog.json", 10)];
        let there = FileEntry { path: "/models/base/a.gguf".into(), ..file("../base/tiny.gguf", 30) };
        let whole = plan(manifest(), &brought(sizes), &there).expect("a plan");
        assert_eq!(whole.keep.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [3, 2, 0]);
        assert_eq!(whole.manifest.retriever.path, "retriever.safetensors", "all lie beside the manifest");
        assert_eq!((whole.base, whole.manifest.base.file.path.as_str()), (None, "/models/base/a.gguf"));

        let other = file("other.gguf", 30);
        let refused = plan(manifest(), &brought(sizes), &other).expect_err("no base model");
        assert!(refused.message.contains("tiny.gguf is neither"), "{refused:?}");
        let with_base = [("tiny.gguf", 30), sizes[0], sizes[2], sizes[3]];
        assert_eq!(plan(manifest(), &brought(with_base), &other).expect("a plan").base, Some(0));
    }

    #[test]
    fn what_is_missing_or_of_another_size_is_named() {
        let base = file("../base/tiny.gguf", 30);
        let says = |sizes| plan(manifest(), &brought(sizes), &base).expect_err("refused").message;
        let whole =
            [("catalog.json", 10), ("retriever.safetensors", 20), ("adapter.safetensors", 40), ("y", 0)];
        let mut short = whole;
        short[1].1 = 19;
        assert!(says(short).contains("retriever.safetensors has 19 bytes, the manifest says 20"));
        let mut missing = whole;
        missing[2].0 = "adapter (1).safetensors";
        assert!(says(missing).contains("adapter.safetensors is missing"));
        assert!(without_manifest(3).message.contains("among the 3 files"));
    }

    #[test]
    fn folders_are_read_from_what_people_write() {
        for said in ["models/other", "models/other/", " models/other/manifest.json "] {
            assert_eq!(folder(said), "models/other/");
        }
        assert_eq!(folder(KEPT), FOLDER);
        assert!(is_kept("http://localhost:1/stored/bundle/catalog.json"));
        assert!(!is_kept("http://localhost:1/models/stored/bundle/catalog.json"));
    }
}
