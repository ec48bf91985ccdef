//! The browser's caches, as page and engine use them.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Cache, CacheStorage, Response};

/// Opens a cache, which is made if there is none.
pub async fn open(caches: Result<CacheStorage, JsValue>, name: &str) -> Result<Cache, JsValue> {
    JsFuture::from(caches?.open(name)).await.map(JsCast::unchecked_into)
}

/// Keeps what the browser holds, which does not pass through the module's memory.
pub async fn put(cache: &Cache, address: &str, blob: &Blob) -> Result<(), JsValue> {
    let response = Response::new_with_opt_blob(Some(blob))?;
    JsFuture::from(cache.put_with_str(address, &response)).await.map(drop)
}

/// A kept file of a visitor's own bundle ([`crate::own_bundle`]).
pub async fn kept(caches: Result<CacheStorage, JsValue>, url: &str) -> Result<Response, JsValue> {
    let found = JsFuture::from(caches?.match_with_str(url)).await?;
    found.dyn_into().map_err(|_| JsValue::from_str("this device does not keep it any more"))
}
