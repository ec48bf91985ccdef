//! SHA-256 through the browser's own implementation.

use shared::{
    manifest::FileEntry,
    protocol::{Failure, FailureCode},
};
use wasm_bindgen_futures::JsFuture;

use super::{message, scope};

/// Refuses bytes that are not the file announced.
pub async fn check(bytes: &[u8], file: &FileEntry) -> Result<(), Failure> {
    if bytes.len() as u64 != file.bytes {
        return Err(wrong(file, &format!("it has {} bytes instead of {}", bytes.len(), file.bytes)));
    }
    let sum = sha256(bytes).await?;
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

async fn sha256(bytes: &[u8]) -> Result<String, Failure> {
    let unavailable = |error| Failure {
        code: FailureCode::Device,
        message: format!("This browser computes no checksums here: {}.", message(&error)),
        hint: "Open the page through https or on localhost; elsewhere browsers switch this off.".into(),
    };
    let subtle = scope().crypto().map_err(unavailable)?.subtle();
    let promise = subtle.digest_with_str_and_u8_array("SHA-256", bytes).map_err(unavailable)?;
    let digest = JsFuture::from(promise).await.map_err(unavailable)?;
    let digest = js_sys::Uint8Array::new(&digest).to_vec();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
