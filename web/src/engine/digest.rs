//! SHA-256 through the browser's own implementation.

use shared::{
    manifest::FileEntry,
    protocol::{Failure, FailureCode},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use super::{message, scope};

/// Refuses bytes that are not the file announced.
pub async fn check(bytes: &[u8], file: &FileEntry) -> Result<(), Failure> {
    let data = js_sys::Uint8Array::from(bytes);
    compare(bytes.len() as u64, file, async || Ok(data.into())).await
}

/// The same for bytes that the browser holds.
pub async fn check_blob(blob: &Blob, file: &FileEntry) -> Result<(), Failure> {
    compare(blob.size() as u64, file, async || JsFuture::from(blob.array_buffer()).await).await
}

async fn compare(
    len: u64,
    file: &FileEntry,
    data: impl AsyncFnOnce() -> Result<JsValue, JsValue>,
) -> Result<(), Failure> {
    if len != file.bytes {
        return Err(wrong(file, &format!("it has {len} bytes instead of {}", file.bytes)));
    }
    let sum = sha256(data).await?;
    if sum != file.sha256 {
        return Err(wrong(file, &format!("its SHA-256 is {sum} instead of {}", file.sha256)));
    }
    Ok(())
}

fn wrong(file: &FileEntry, how: &str) -> Failure {
    Failure {
        code: FailureCode::Checksum,
        message: format!("{} is not the file announced: {how}.", file.path),
        hint: "Try again; if it stays, the server holds a damaged or different file.".into(),
    }
}

async fn sha256(data: impl AsyncFnOnce() -> Result<JsValue, JsValue>) -> Result<String, Failure> {
    let unavailable = |error| Failure {
        code: FailureCode::Device,
        message: format!("This browser computes no checksums here: {}.", message(&error)),
        hint: "Open the page through https or on localhost; elsewhere browsers switch this off.".into(),
    };
    let subtle = scope().crypto().map_err(unavailable)?.subtle();
    let data = data().await.map_err(unavailable)?.unchecked_into();
    let promise = subtle.digest_with_str_and_buffer_source("SHA-256", &data).map_err(unavailable)?;
    let digest = JsFuture::from(promise).await.map_err(unavailable)?;
    let digest = js_sys::Uint8Array::new(&digest).to_vec();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
