//! The chunks of a file in the browser's cache; see [`crate::stored`]. Where the browser refuses storage,
//! nothing is kept and everything else goes on.

use shared::manifest::FileEntry;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Cache, Response};

use super::{message, scope};
use crate::{
    caches,
    stored::{CACHE, chunk_address, chunk_len, chunks},
};

/// The stored chunks of one file.
pub struct Store<'a> {
    file: &'a FileEntry,
    cache: Option<Cache>,
}

impl<'a> Store<'a> {
    /// Opens the cache for a file.
    pub async fn open(file: &'a FileEntry) -> Self {
        let cache = caches::open(scope().caches(), CACHE).await.map_err(|error| note("open", &error)).ok();
        Self { file, cache }
    }

    /// Chunk `n`, if it is there in full length; its bytes stay where they are.
    pub async fn get(&self, n: u64) -> Option<Blob> {
        let address = chunk_address(&self.file.sha256, n);
        let found = JsFuture::from(self.cache.as_ref()?.match_with_str(&address)).await.ok()?;
        let response: Response = found.dyn_into().ok()?;
        let chunk: Blob = JsFuture::from(response.blob().ok()?).await.ok()?.unchecked_into();
        (chunk.size() as u64 == chunk_len(self.file.bytes, n)).then_some(chunk)
    }

    /// Keeps chunk `n`; a full disk only means that nothing more is kept.
    pub async fn put(&mut self, n: u64, chunk: &Blob) {
        if let Some(cache) = &self.cache {
            let address = chunk_address(&self.file.sha256, n);
            if let Err(error) = caches::put(cache, &address, chunk).await {
                note("write", &error);
                self.cache = None;
            }
        }
    }

    /// Throws all chunks of the file away.
    pub async fn clear(&self) {
        if let Some(cache) = &self.cache {
            for n in 0..chunks(self.file.bytes) {
                // A chunk that is not there needs no deletion.
                let _ = JsFuture::from(cache.delete_with_str(&chunk_address(&self.file.sha256, n))).await;
            }
        }
    }
}

/// Deletes everything stored.
pub async fn delete_all() -> Result<(), JsValue> {
    JsFuture::from(scope().caches()?.delete(CACHE)).await.map(drop)
}

fn note(what: &str, error: &JsValue) {
    web_sys::console::warn_1(
        &format!("the model is not kept: cannot {what} the cache: {}", message(error)).into(),
    );
}
