//! Keeps a bundle that the visitor brings along on this device, once all of it is checked.

use leptos::prelude::window;
use shared::{
    manifest::{FileEntry, Manifest},
    protocol::{Failure, FailureCode},
};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File};

use super::{
    browser::{absolute, message, read},
    bundle::json,
};
use crate::{
    caches,
    digest::{self, Wrong},
    own_bundle::{CACHE, FOLDER, MANIFEST, Plan, SHIPPED, plan, refuse, without_manifest},
    stored,
};

/// Largest manifest that is read, in bytes.
const LARGEST_MANIFEST: usize = 1 << 20;
/// Which files can be read.
const EXPORTED: &str = "Choose all files of a folder that llamarec export wrote.";

/// Checks the files and keeps them in the place of what was kept before.
///
/// # Errors
/// A file that is missing or not what the manifest says, by its name; a browser that keeps nothing.
pub async fn keep(files: &[File]) -> Result<(), Failure> {
    let named = files.iter().find(|file| file.name() == MANIFEST);
    let text = read(named.ok_or_else(|| without_manifest(files.len()))?, LARGEST_MANIFEST, EXPORTED).await?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(|error| {
        refuse(FailureCode::Format, format!("{MANIFEST} is no manifest of LlamaRec: {error}"))
    })?;
    let brought: Vec<(String, u64)> = files.iter().map(|file| (file.name(), file.size() as u64)).collect();
    let Plan { manifest, keep, base } = plan(manifest, &brought, &shipped_base().await?)?;

    let not_kept = |error: JsValue| {
        refuse(FailureCode::Device, format!("this browser does not keep it ({})", message(&error)))
    };
    let mut whole = Vec::new();
    for (n, entry) in keep {
        digest::check_blob(window().crypto(), &files[n], &entry).await.map_err(|wrong| match wrong {
            Wrong::Different(how) => refuse(
                FailureCode::Checksum,
                format!("{} is not the file of the manifest: {how}", entry.path),
            ),
            Wrong::Unreadable(error) => {
                refuse(FailureCode::Input, format!("{} cannot be read: {}", entry.path, message(&error)))
            }
            Wrong::Unavailable(error) => refuse(FailureCode::Device, message(&error)),
        })?;
        whole.push((entry.path, files[n].clone().into()));
    }
    let text = serde_json::to_string(&manifest).unwrap_or_default();
    let text = Blob::new_with_str_sequence(&js_sys::Array::of1(&text.into()));
    // Last, as what is whole has a manifest.
    whole.push((MANIFEST.to_owned(), text.map_err(not_kept)?));
    let base = base.map(|n| (&files[n], &manifest.base.file));
    store(whole, base).await.map_err(not_kept)
}

/// Throws away what is kept.
pub async fn forget() {
    if let Ok(caches) = window().caches() {
        // What is not there needs no deletion.
        let _ = JsFuture::from(caches.delete(CACHE)).await;
    }
}

/// The base model that the page's server has, by its absolute address.
async fn shipped_base() -> Result<FileEntry, Failure> {
    let folder = absolute(SHIPPED);
    let manifest: Manifest = json(&format!("{folder}{MANIFEST}")).await?;
    let file = manifest.base.file;
    Ok(FileEntry { path: absolute(&format!("{SHIPPED}{}", file.path)), ..file })
}

async fn store(files: Vec<(String, Blob)>, base: Option<(&File, &FileEntry)>) -> Result<(), JsValue> {
    forget().await;
    if let Some((file, entry)) = base {
        // Where a download would keep it; its checksum is compared when it is loaded.
        let cache = caches::open(window().caches(), stored::CACHE).await?;
        for n in 0..stored::chunks(entry.bytes) {
            let start = (n * stored::CHUNK) as f64;
            let end = start + stored::chunk_len(entry.bytes, n) as f64;
            let chunk = file.slice_with_f64_and_f64(start, end)?;
            caches::put(&cache, &stored::chunk_address(&entry.sha256, n), &chunk).await?;
        }
    }
    let cache = caches::open(window().caches(), CACHE).await?;
    for (name, blob) in files {
        caches::put(&cache, &format!("{FOLDER}{name}"), &blob).await?;
    }
    Ok(())
}
