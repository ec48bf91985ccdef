//! Files from the page's own origin.

use serde::de::DeserializeOwned;
use shared::{
    manifest::FileEntry,
    protocol::{Failure, FailureCode},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Blob, Request, RequestInit, Response, Url};

use super::{message, scope};
use crate::{
    caches,
    digest::{self, Wrong},
    own_bundle::is_kept,
};

/// Asks for a file from byte `from` on.
pub async fn request(url: &str, from: u64, signal: Option<&AbortSignal>) -> Result<Response, Failure> {
    let response = send(url, from, signal).await.map_err(|error| unreachable(url, &message(&error)))?;
    if response.ok() {
        Ok(response)
    } else {
        Err(unreachable(url, &format!("the server answered {}", response.status())))
    }
}

async fn send(url: &str, from: u64, signal: Option<&AbortSignal>) -> Result<Response, JsValue> {
    if is_kept(url) {
        return caches::kept(scope().caches(), url).await;
    }
    let init = RequestInit::new();
    init.set_signal(signal);
    let request = Request::new_with_str_and_init(url, &init)?;
    if from > 0 {
        request.headers().set("Range", &format!("bytes={from}-"))?;
    }
    JsFuture::from(scope().fetch_with_request(&request)).await.map(JsCast::unchecked_into)
}

/// A file could not be fetched.
pub fn unreachable(url: &str, why: &str) -> Failure {
    Failure {
        code: FailureCode::Network,
        message: format!("{url} could not be fetched: {why}."),
        hint: "Check the connection to the server of this page and try again; what has arrived is kept."
            .into(),
    }
}

/// A small file, whole and checked.
pub async fn file(folder: &str, file: &FileEntry) -> Result<Vec<u8>, Failure> {
    let url = resolve(folder, &file.path)?;
    let bytes = body(&url).await?;
    check(&bytes, file).await?;
    Ok(bytes)
}

/// Refuses bytes that are not the file announced.
pub async fn check(bytes: &[u8], file: &FileEntry) -> Result<(), Failure> {
    digest::check(scope().crypto(), bytes, file).await.map_err(|wrong| refusal(wrong, file))
}

/// The same for bytes that the browser holds.
pub async fn check_blob(blob: &Blob, file: &FileEntry) -> Result<(), Failure> {
    digest::check_blob(scope().crypto(), blob, file).await.map_err(|wrong| refusal(wrong, file))
}

fn refusal(wrong: Wrong, file: &FileEntry) -> Failure {
    match wrong {
        Wrong::Different(how) => Failure {
            code: FailureCode::Checksum,
            message: format!("{} is not the file announced: {how}.", file.path),
            hint: "Try again; if it stays, the server holds a damaged or different file.".into(),
        },
        Wrong::Unreadable(error) => Failure {
            code: FailureCode::Device,
            message: format!("This browser cannot read what it keeps of {}: {}.", file.path, message(&error)),
            hint: "Delete the stored model and load it again.".into(),
        },
        Wrong::Unavailable(error) => Failure {
            code: FailureCode::Device,
            message: format!("This browser computes no checksums here: {}.", message(&error)),
            hint: "Open the page through https or on localhost; elsewhere browsers switch this off.".into(),
        },
    }
}

/// A JSON file that no manifest announces.
pub async fn json<T: DeserializeOwned>(url: &str) -> Result<T, Failure> {
    parse(url, &body(url).await?)
}

/// Reads JSON.
pub fn parse<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|error| Failure {
        code: FailureCode::Format,
        message: format!("{what} cannot be read: {error}."),
        hint: "The page and its data may be of different versions: build it again, then reload.".into(),
    })
}

/// The address of a path relative to a folder.
pub fn resolve(folder: &str, path: &str) -> Result<String, Failure> {
    Url::new_with_base(path, folder)
        .map(|url| url.href())
        .map_err(|error| unreachable(path, &message(&error)))
}

async fn body(url: &str) -> Result<Vec<u8>, Failure> {
    let lost = |error: JsValue| unreachable(url, &message(&error));
    let response = request(url, 0, None).await?;
    let buffer = JsFuture::from(response.array_buffer().map_err(lost)?).await.map_err(lost)?;
    Ok(js_sys::Uint8Array::new(&buffer).to_vec())
}
