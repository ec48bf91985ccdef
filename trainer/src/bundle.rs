//! A bundle on disk: catalogue, retriever and manifest, as the page downloads them.
//!
//! The bundle under `public/models/movielens` is also compiled in, so that `llamarec rank` works anywhere.

use std::{fs, path::Path};

use burn::tensor::Device;
use shared::{
    catalog::Catalog,
    exhibit::{Example, Results},
    llama::Adapter,
    manifest::{BaseModel, FileEntry, Manifest},
    recommender::Recommender,
    retriever::Retriever,
    scoring::Mode,
    tuned::TunedFor,
};

use crate::{
    data::Dataset,
    fetch,
    files::{self, write_atomic},
    report::UserError,
};

const MANIFEST: &str = "manifest.json";
const CATALOG: &str = "catalog.json";
const RETRIEVER: &str = "retriever.safetensors";
const ADAPTER: &str = "adapter.safetensors";
const LETTERS: &str = "letters.safetensors";
const EXAMPLES: &str = "examples.json";
const RESULTS: &str = "results.json";

/// The files of the embedded bundle that are needed here.
const EMBEDDED: [(&str, &[u8]); 5] = [
    (MANIFEST, include_bytes!("../../public/models/movielens/manifest.json")),
    (CATALOG, include_bytes!("../../public/models/movielens/catalog.json")),
    (RETRIEVER, include_bytes!("../../public/models/movielens/retriever.safetensors")),
    (ADAPTER, include_bytes!("../../public/models/movielens/adapter.safetensors")),
    (LETTERS, include_bytes!("../../public/models/movielens/letters.safetensors")),
];

/// What a bundle holds.
pub struct Bundle {
    /// Name of the data set that it is made of.
    pub data: String,
    /// Catalogue and retriever, without a ranker.
    pub recommender: Recommender,
    /// The ranker's adapters as files' bytes; the first decides.
    pub adapters: Vec<Vec<u8>>,
}

/// What a bundle is made of, beside the data set.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// The first stage.
    pub retriever: &'a [u8],
    /// What decides in the second stage.
    pub adapter: Option<&'a [u8]>,
    /// What answers by index letters, if that does not.
    pub letters: Option<&'a [u8]>,
}

/// Reads a bundle's folder, or the embedded bundle.
///
/// The retriever is small and runs on the CPU whatever the ranker's device.
pub fn load(folder: Option<&Path>) -> anyhow::Result<Bundle> {
    let place =
        folder.map_or_else(|| "the embedded bundle".to_owned(), |folder| folder.display().to_string());
    let broken = |file: &str, what: String| {
        UserError::input(format!("{file} of {place} {what}"))
            .hint("write the bundle again with: llamarec export")
    };
    let malformed =
        |file: &'static str| move |error: serde_json::Error| broken(file, format!("is malformed: {error}"));
    let bytes = |file: &str| match folder {
        Some(folder) => read(folder, file),
        None => EMBEDDED
            .iter()
            .find(|(name, _)| *name == file)
            .map(|(_, bytes)| bytes.to_vec())
            .ok_or_else(|| broken(file, "is missing".to_owned()).into()),
    };
    let manifest: Manifest = serde_json::from_slice(&bytes(MANIFEST)?).map_err(malformed(MANIFEST))?;
    let checked = |file: &str, expected: &FileEntry| {
        let bytes = bytes(file)?;
        let found = sha256(&bytes);
        if found == expected.sha256 {
            return Ok(bytes);
        }
        let what = format!("has SHA-256 {found}, the manifest says {}", expected.sha256);
        Err(anyhow::Error::from(broken(&expected.path, what)))
    };
    let catalog = checked(CATALOG, &manifest.catalog)?;
    let retriever = checked(RETRIEVER, &manifest.retriever)?;
    let adapters = [(ADAPTER, &manifest.adapter), (LETTERS, &manifest.letters)];
    let adapters = adapters.into_iter().filter_map(|(file, entry)| Some(checked(file, entry.as_ref()?)));
    let adapters = adapters.collect::<anyhow::Result<_>>()?;
    let catalog: Catalog = serde_json::from_slice(&catalog).map_err(malformed(CATALOG))?;
    let retriever = Retriever::from_safetensors(&retriever, &Device::flex())
        .map_err(|error| broken(RETRIEVER, format!("cannot be used: {error}")))?;
    let recommender = Recommender::new(manifest.name, catalog, retriever).map_err(|error| {
        UserError::input(error.to_string()).hint("export the bundle again from one data set")
    })?;
    Ok(Bundle { data: manifest.data, recommender, adapters })
}

/// Writes a bundle: the data set's catalogue, these weights, and the manifest over them.
///
/// `licence` is the data's, for people; the weights and the catalogue are made of it.
pub fn write(
    folder: &Path,
    name: &str,
    licence: &str,
    dataset: &Dataset,
    Weights { retriever, adapter, letters }: Weights,
) -> anyhow::Result<Manifest> {
    let model = Retriever::from_safetensors(retriever, &Device::flex()).map_err(|error| {
        UserError::input(format!("the retriever cannot be used: {error}"))
            .hint("make it with: llamarec train retriever")
    })?;
    let known = model.config().num_items;
    let listed = dataset.catalog.len();
    if known != listed {
        let message = format!("the retriever knows {known} items, the data set has {listed}");
        return Err(UserError::input(message).hint("give the data set it was trained on").into());
    }
    let mode = adapter.map(|adapter| usable(adapter, dataset)).transpose();
    let mode = mode.map_err(|why| unusable("the adapter", &why))?;
    if let Some(letters) = letters {
        let refuse = |why: &str| unusable("the adapter for letters", why);
        if usable(letters, dataset).map_err(|why| refuse(&why))? != Mode::Letters {
            return Err(refuse("it was tuned to be asked film by film").into());
        }
        if mode == Some(Mode::Letters) {
            return Err(refuse("the adapter beside it answers by letters itself").into());
        }
    }
    let catalog = serde_json::to_vec(&dataset.catalog)?;
    let manifest = Manifest {
        name: name.to_owned(),
        data: dataset.name.clone(),
        data_licence: licence.to_owned(),
        catalog: entry(CATALOG, &catalog),
        retriever: entry(RETRIEVER, retriever),
        base: BaseModel {
            name: fetch::BASE_MODEL_NAME.to_owned(),
            licence: fetch::BASE_MODEL_LICENCE.to_owned(),
            file: base_entry(),
        },
        adapter: adapter.map(|bytes| entry(ADAPTER, bytes)),
        letters: letters.map(|bytes| entry(LETTERS, bytes)),
        examples: None,
        results: None,
    };
    let files = [
        (CATALOG, Some(catalog.as_slice())),
        (RETRIEVER, Some(retriever)),
        (ADAPTER, adapter),
        (LETTERS, letters),
    ];
    for (file, bytes) in files.into_iter().filter_map(|(file, bytes)| Some((file, bytes?))) {
        write_atomic(&folder.join(file), bytes)?;
    }
    write_manifest(folder, &manifest)?;
    // Of the bundle that was replaced. Last: until now a manifest may have named them.
    for (file, _) in [(ADAPTER, adapter), (LETTERS, letters)].into_iter().filter(|(_, bytes)| bytes.is_none())
    {
        files::remove(&folder.join(file))?;
    }
    Ok(manifest)
}

/// Refuses a folder that holds a bundle already, unless `force`, and a path that is no folder.
///
/// # Errors
/// Such a folder or path.
pub fn check_free(folder: &Path, force: bool) -> Result<(), UserError> {
    files::check_free(folder, &[MANIFEST], "bundle", force)
}

/// How an adapter is asked that the page can use with this data set, or why it cannot.
fn usable(adapter: &[u8], dataset: &Dataset) -> Result<Mode, String> {
    Adapter::from_safetensors(adapter, &Device::flex()).map_err(|error| error.to_string())?;
    let tuned_for = TunedFor::of(adapter).map_err(|error| error.to_string())?;
    if tuned_for.base_sha256 != fetch::base_model().sha256 {
        return Err(format!("it was tuned on {}, the page loads another", tuned_for.base));
    }
    if tuned_for.data != dataset.name {
        return Err(format!("it was tuned on {}, not on {}", tuned_for.data, dataset.name));
    }
    Ok(tuned_for.scoring.mode)
}

fn unusable(what: &str, why: &str) -> UserError {
    UserError::input(format!("{what} cannot be used: {why}")).hint("make it with: llamarec train ranker")
}

/// Adds what the page shows before any model is loaded to a bundle's folder, in place of what was there; without new results
/// the old ones stay.
///
/// # Errors
/// A folder without a manifest, or one that cannot be written.
pub fn add_exhibits(folder: &Path, examples: &[Example], results: Option<&Results>) -> anyhow::Result<()> {
    let manifest = read(folder, MANIFEST)?;
    let mut manifest: Manifest = serde_json::from_slice(&manifest).map_err(|error| {
        UserError::input(format!("{} is malformed: {error}", folder.join(MANIFEST).display()))
            .hint("write the bundle again with: llamarec export")
    })?;
    let add = |file: &str, bytes: &[u8]| {
        write_atomic(&folder.join(file), bytes)?;
        anyhow::Ok(entry(file, bytes))
    };
    manifest.examples = Some(add(EXAMPLES, &serde_json::to_vec(examples)?)?);
    if let Some(results) = results {
        manifest.results = Some(add(RESULTS, &serde_json::to_vec(results)?)?);
    }
    write_manifest(folder, &manifest)
}

fn write_manifest(folder: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(manifest)?;
    text.push(b'\n');
    write_atomic(&folder.join(MANIFEST), &text)
}

/// The base model as the page finds it, beside the bundles.
fn base_entry() -> FileEntry {
    let file = fetch::base_model();
    FileEntry { path: format!("../base/{}", file.path), ..file }
}

fn entry(path: &str, bytes: &[u8]) -> FileEntry {
    FileEntry { path: path.to_owned(), bytes: bytes.len() as u64, sha256: sha256(bytes) }
}

/// SHA-256 of bytes in memory.
fn sha256(bytes: &[u8]) -> String {
    fetch::sha256(bytes, |_| ()).expect("memory can always be read")
}

fn read(folder: &Path, file: &str) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(file);
    fs::read(&path).map_err(|error| {
        UserError::input(format!("cannot read {}: {error}", path.display()))
            .hint("a bundle's folder holds manifest.json, catalog.json and retriever.safetensors")
            .into()
    })
}
