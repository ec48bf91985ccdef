//! A bundle on disk: catalogue, retriever and manifest, as the page downloads them.
//!
//! The bundle under `public/models/movielens` is also compiled in, so that `llamarec rank` works anywhere.

use std::{fs, path::Path};

use anyhow::Context;
use burn::tensor::Device;
use shared::{
    catalog::Catalog,
    manifest::{BaseModel, FileEntry, Manifest},
    recommender::Recommender,
    retriever::LruRec,
};

use crate::{data::Dataset, fetch, report::UserError};

const MANIFEST: &str = "manifest.json";
const CATALOG: &str = "catalog.json";
const RETRIEVER: &str = "retriever.safetensors";

const EMBEDDED_MANIFEST: &[u8] = include_bytes!("../../public/models/movielens/manifest.json");
const EMBEDDED_CATALOG: &[u8] = include_bytes!("../../public/models/movielens/catalog.json");
const EMBEDDED_RETRIEVER: &[u8] = include_bytes!("../../public/models/movielens/retriever.safetensors");

/// A recommender without a ranker, from a bundle's folder or the embedded bundle.
///
/// The retriever is small and runs on the CPU whatever the ranker's device.
pub fn load(folder: Option<&Path>) -> anyhow::Result<Recommender> {
    let (manifest, catalog, retriever) = match folder {
        None => (EMBEDDED_MANIFEST.to_vec(), EMBEDDED_CATALOG.to_vec(), EMBEDDED_RETRIEVER.to_vec()),
        Some(folder) => (read(folder, MANIFEST)?, read(folder, CATALOG)?, read(folder, RETRIEVER)?),
    };
    let manifest: Manifest = serde_json::from_slice(&manifest).context("manifest.json is malformed")?;
    check(&manifest.catalog, &catalog)?;
    check(&manifest.retriever, &retriever)?;
    let catalog: Catalog = serde_json::from_slice(&catalog).context("catalog.json is malformed")?;
    let retriever = LruRec::from_safetensors(&retriever, &Device::flex())?;
    let (known, listed) = (retriever.config().num_items, catalog.len());
    if known != listed {
        let message = format!("the retriever knows {known} items, the catalogue lists {listed}");
        return Err(UserError::input(message).hint("export the bundle again from one data set").into());
    }
    Ok(Recommender::new(manifest.name, catalog, retriever))
}

/// Writes a bundle: the data set's catalogue, these retriever weights, and the manifest over both.
pub fn write(folder: &Path, name: &str, dataset: &Dataset, retriever: &[u8]) -> anyhow::Result<Manifest> {
    let known = LruRec::from_safetensors(retriever, &Device::flex())?.config().num_items;
    let listed = dataset.catalog.len();
    if known != listed {
        let message = format!("the retriever knows {known} items, the data set has {listed}");
        return Err(UserError::input(message).hint("give the data set it was trained on").into());
    }
    let catalog = serde_json::to_vec(&dataset.catalog)?;
    let manifest = Manifest {
        name: name.to_owned(),
        data: dataset.name.clone(),
        data_licence: "GroupLens terms for MovieLens: research and education, no commercial use; see NOTICE"
            .to_owned(),
        catalog: entry(CATALOG, &catalog),
        retriever: entry(RETRIEVER, retriever),
        base: BaseModel {
            name: fetch::BASE_MODEL_NAME.to_owned(),
            licence: fetch::BASE_MODEL_LICENCE.to_owned(),
            file: base_entry(),
        },
        adapter: None,
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for (file, bytes) in [(CATALOG, catalog.as_slice()), (RETRIEVER, retriever)] {
        write_file(&folder.join(file), bytes)?;
    }
    let mut text = serde_json::to_vec_pretty(&manifest)?;
    text.push(b'\n');
    write_file(&folder.join(MANIFEST), &text)?;
    Ok(manifest)
}

/// The base model as the page finds it, beside the bundles.
fn base_entry() -> FileEntry {
    let file = fetch::base_model();
    FileEntry { path: format!("../base/{}", file.path), ..file }
}

fn entry(path: &str, bytes: &[u8]) -> FileEntry {
    FileEntry { path: path.to_owned(), bytes: bytes.len() as u64, sha256: sha256(bytes) }
}

fn check(expected: &FileEntry, bytes: &[u8]) -> anyhow::Result<()> {
    let found = sha256(bytes);
    if found == expected.sha256 {
        return Ok(());
    }
    let message = format!("{} has SHA-256 {found}, the manifest says {}", expected.path, expected.sha256);
    Err(UserError::input(message).hint("export the bundle again: llamarec export").into())
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(folder: &Path, file: &str) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(file);
    fs::read(&path).map_err(|error| {
        UserError::input(format!("cannot read {}: {error}", path.display()))
            .hint("a bundle's folder holds manifest.json, catalog.json and retriever.safetensors")
            .into()
    })
}

fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
