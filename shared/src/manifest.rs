//! The manifest of a bundle: which files make a model, how large they are and what they hash to.

use serde::{Deserialize, Serialize};

/// One file that is downloaded and checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Path relative to the manifest.
    pub path: String,
    /// Exact size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// A bundle: the catalogue, the retriever trained on it and the base model that ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Bundle name, for example `movielens`.
    pub name: String,
    /// Data the bundle was trained on, for people.
    pub data: String,
    /// Licence of the data, for people.
    pub data_licence: String,
    /// `catalog.json`: an array of items in id order.
    pub catalog: FileEntry,
    /// Retriever weights (safetensors, its config in the metadata).
    pub retriever: FileEntry,
    /// The base model (GGUF).
    pub base: BaseModel,
    /// Adapter of the ranker; `None` until a tuned one is shipped.
    pub adapter: Option<FileEntry>,
    /// A second adapter, tuned to answer by index letters; `None`: letters are those of the untuned base model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letters: Option<FileEntry>,
    /// Recorded examples ([`crate::exhibit::Example`]), JSON.
    #[serde(default)]
    pub examples: Option<FileEntry>,
    /// Measures of these models beside the paper's ([`crate::exhibit::Results`]), JSON.
    #[serde(default)]
    pub results: Option<FileEntry>,
}

impl Manifest {
    /// The files that lie in the bundle's own folder: all but the base model.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        let more = [&self.adapter, &self.letters, &self.examples, &self.results];
        [&self.catalog, &self.retriever].into_iter().chain(more.into_iter().flatten())
    }

    /// The same, to be changed.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut FileEntry> {
        let more = [&mut self.adapter, &mut self.letters, &mut self.examples, &mut self.results];
        [&mut self.catalog, &mut self.retriever].into_iter().chain(more.into_iter().flatten())
    }
}

/// The base model a bundle ranks with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseModel {
    /// Name for people, for example `SmolLM2-135M-Instruct Q4_1`.
    pub name: String,
    /// Licence for people.
    pub licence: String,
    /// The file.
    pub file: FileEntry,
}
