//! The chunks of a file in the browser's cache; see [`crate::stored`]. Where the browser refuses storage,
//! nothing is kept and everything else goes on.

use shared::manifest::FileEntry;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Cache, Response};

use super::{message, scope};
use crate::stored::{CACHE, chunk_address, chunk_len, chunks};

/// The stored chunks of one file.
pub struct Store<'a> {
    file: &'a FileEntry,
    cache: Option<Cache>,
}

impl<'a> Store<'a> {
    /// Opens the cache for a file.
    pub async fn open(file: &'a FileEntry) -> Self {
        let cache = open().await.map_err(|error| note("open", &error)).ok();
        Self { file, cache }
    }

    /// Chunk `n`, if it is there in full length.
    pub async fn get(&self, n: u64) -> Option<Vec<u8>> {
        let address = chunk_address(&self.file.sha256, n);
        let found = JsFuture::from(self.cache.as_ref()?.match_with_str(&address)).await.ok()?;
        let response: Response = found.dyn_into().ok()?;
        let buffer = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
        let bytes = js_sys::Uint8Array::new(&buffer).to_vec();
        (bytes.len() as u64 == chunk_len(self.file.bytes, n)).then_some(bytes)
    }

    /// Keeps chunk `n`; a full disk only means that nothing more is kept.
    pub async fn put(&mut self, n: u64, bytes: &[u8]) {
        if let Some(cache) = &self.cache {
            let address = chunk_address(&self.file.sha256, n);
            if let Err(error) = put(cache, &address, bytes).await {
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

async fn open() -> Result<Cache, JsValue> {
    JsFuture::from(scope().caches()?.open(CACHE)).await.map(JsCast::unchecked_into)
}

async fn put(cache: &Cache, address: &str, bytes: &[u8]) -> Result<(), JsValue> {
    // A copy: the memory of the module may move while the browser writes.
    let copy = js_sys::Uint8Array::from(bytes);
    let response = Response::new_with_opt_buffer_source(Some(copy.as_ref()))?;
    JsFuture::from(cache.put_with_str(address, &response)).await.map(drop)
}

fn note(what: &str, error: &JsValue) {
    web_sys::console::warn_1(
        &format!("the model is not kept: cannot {what} the cache: {}", message(error)).into(),
    );
}
