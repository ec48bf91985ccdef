//! SHA-256 through the browser's own implementation.

use js_sys::{Promise, Uint8Array};
use shared::manifest::FileEntry;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Crypto};

const SHA_256: &str = "SHA-256";

/// What is wrong with a file's bytes.
pub enum Wrong {
    /// They are others than announced; how.
    Different(String),
    /// They cannot be read.
    Unreadable(JsValue),
    /// The browser computes no checksums here.
    Unavailable(JsValue),
}

/// Refuses bytes that are not the file announced.
#[cfg(feature = "engine")]
pub async fn check(crypto: Result<Crypto, JsValue>, bytes: &[u8], file: &FileEntry) -> Result<(), Wrong> {
    check_len(bytes.len() as u64, file)?;
    let digest = crypto.and_then(|crypto| crypto.subtle().digest_with_str_and_u8_array(SHA_256, bytes));
    check_sum(digest, file).await
}

/// Refuses what the browser holds, which does not pass through the module's memory, if it is not the file announced.
pub async fn check_blob(crypto: Result<Crypto, JsValue>, blob: &Blob, file: &FileEntry) -> Result<(), Wrong> {
    check_len(blob.size() as u64, file)?;
    let bytes = JsFuture::from(blob.array_buffer()).await.map_err(Wrong::Unreadable)?;
    let subtle = crypto.map_err(Wrong::Unavailable)?.subtle();
    check_sum(subtle.digest_with_str_and_buffer_source(SHA_256, bytes.unchecked_ref()), file).await
}

fn check_len(len: u64, file: &FileEntry) -> Result<(), Wrong> {
    if len == file.bytes {
        return Ok(());
    }
    Err(Wrong::Different(format!("it has {len} bytes instead of {}", file.bytes)))
}

async fn check_sum(digest: Result<Promise, JsValue>, file: &FileEntry) -> Result<(), Wrong> {
    let digest = JsFuture::from(digest.map_err(Wrong::Unavailable)?).await.map_err(Wrong::Unavailable)?;
    let sum: String = Uint8Array::new(&digest).to_vec().iter().map(|byte| format!("{byte:02x}")).collect();
    if sum == file.sha256 {
        return Ok(());
    }
    Err(Wrong::Different(format!("its SHA-256 is {sum} instead of {}", file.sha256)))
}
