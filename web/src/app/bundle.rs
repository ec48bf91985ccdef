//! The bundle as far as the page itself needs it: manifest and catalogue, and how much of the base model
//! is already stored on this device.

use js_sys::Uint8Array;
use leptos::prelude::window;
use serde::de::DeserializeOwned;
use shared::{
    catalog::Catalog,
    exhibit::{Example, Results},
    manifest::{FileEntry, Manifest},
    protocol::{Failure, FailureCode},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use super::browser::{absolute, message, same_origin};
use crate::{
    caches,
    own_bundle::{self, KEPT, MANIFEST, SHIPPED, is_kept},
    stored,
};

/// Manifest and catalogue.
#[derive(Debug, PartialEq)]
pub struct Bundle {
    /// Its folder, an absolute address.
    pub folder: String,
    /// What belongs to the bundle.
    pub manifest: Manifest,
    /// The films.
    pub catalog: Catalog,
}

impl Bundle {
    /// Fetches both from a folder, an absolute address that ends with a slash.
    pub async fn fetch(folder: String) -> Result<Self, Failure> {
        let manifest: Manifest = json(&format!("{folder}{MANIFEST}")).await?;
        let catalog = json(&format!("{folder}{}", manifest.catalog.path)).await?;
        Ok(Self { folder, manifest, catalog })
    }

    /// Fetches the bundle that a link or a visitor names.
    ///
    /// # Errors
    /// A folder that is not on the page's server or holds no bundle.
    pub async fn named(said: &str) -> Result<Self, Failure> {
        let hint = "A bundle is a folder on the server of this page, or comes as files.".to_owned();
        let Some(folder) = same_origin(&own_bundle::folder(said)) else {
            let message = format!("The bundle “{said}” does not lie on the server of this page.");
            return Err(Failure { code: FailureCode::Input, message, hint });
        };
        Self::fetch(folder).await.map_err(|failure| Failure { hint, ..failure })
    }

    /// Whether it is the page's own.
    pub fn is_shipped(&self) -> bool {
        self.folder == absolute(SHIPPED)
    }

    /// What stands for it in a link.
    pub fn name_in_links(&self) -> String {
        if is_kept(&self.folder) {
            return KEPT.to_owned();
        }
        web_sys::Url::new(&self.folder).map_or_else(|_| self.folder.clone(), |url| url.pathname())
    }

    /// Recorded examples; `None` if there are none, or they cannot be read: nothing depends on them.
    pub async fn examples(&self) -> Option<Vec<Example>> {
        json(&format!("{}{}", self.folder, self.manifest.examples.as_ref()?.path)).await.ok()
    }

    /// Measures of the models, as [`Self::examples`].
    pub async fn results(&self) -> Option<Results> {
        json(&format!("{}{}", self.folder, self.manifest.results.as_ref()?.path)).await.ok()
    }
}

/// A JSON file from the server, or from what this device keeps of a visitor's bundle.
pub async fn json<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    let unreachable = |error: JsValue| Failure {
        code: FailureCode::Network,
        message: format!("{path} could not be fetched: {}.", message(&error)),
        hint: "Check the connection to the server of this page, then reload.".into(),
    };
    let response = if is_kept(path) {
        caches::kept(window().caches(), path).await.map_err(unreachable)?
    } else {
        JsFuture::from(window().fetch_with_str(path)).await.map_err(unreachable)?.unchecked_into::<Response>()
    };
    if !response.ok() {
        return Err(Failure {
            code: FailureCode::Network,
            message: format!("{path} could not be fetched: the server answered {}.", response.status()),
            hint: "The page may be half installed: build it again, then reload.".into(),
        });
    }
    // Bytes, not text: a text would be decoded by the browser and encoded again on its way here.
    let bytes = JsFuture::from(response.array_buffer().map_err(unreachable)?).await.map_err(unreachable)?;
    serde_json::from_slice(&Uint8Array::new(&bytes).to_vec()).map_err(|error| Failure {
        code: FailureCode::Format,
        message: format!("{path} cannot be read: {error}."),
        hint: "The page and its data may be of different versions: build it again, then reload.".into(),
    })
}

/// How many bytes of a file are stored on this device.
pub async fn stored_bytes(file: &FileEntry) -> u64 {
    // Without a cache (a private window, an insecure origin) nothing is stored.
    count_stored(file).await.unwrap_or(0)
}

async fn count_stored(file: &FileEntry) -> Result<u64, JsValue> {
    let caches = window().caches()?;
    if JsFuture::from(caches.has(stored::CACHE)).await?.is_falsy() {
        return Ok(0);
    }
    let cache = caches::open(Ok(caches), stored::CACHE).await?;
    let mut bytes = 0;
    for n in 0..stored::chunks(file.bytes) {
        let found = JsFuture::from(cache.match_with_str(&stored::chunk_address(&file.sha256, n))).await?;
        if found.is_object() {
            bytes += stored::chunk_len(file.bytes, n);
        }
    }
    Ok(bytes)
}
