//! A large file: from the device if it is stored, else from the server, with progress, stop and resumption.

use std::cell::RefCell;

use js_sys::{Reflect, Uint8Array};
use shared::{
    manifest::FileEntry,
    protocol::{EventBody, Failure, LoadPhase},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStreamDefaultReader, Response};

use super::{digest, fetch, message, post, store::Store};
use crate::stored::{CHUNK, chunks};

/// The way to stop the running download.
#[derive(Default)]
pub struct Cancel {
    controller: RefCell<Option<AbortController>>,
}

impl Cancel {
    /// Stops the running download, if there is one.
    pub fn cancel(&self) {
        if let Some(controller) = self.controller.borrow().as_ref() {
            controller.abort();
        }
    }

    fn arm(&self) -> Option<AbortController> {
        // Every browser with modules in workers has it; without it a download cannot be stopped.
        let controller = AbortController::new().ok();
        self.controller.replace(controller.clone());
        controller
    }
}

/// Why there is no file.
pub enum Stop {
    /// The visitor stopped it.
    Cancelled,
    /// It did not work.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The whole file, checked; progress is told as answer to request `seq`.
pub async fn download(seq: u64, url: &str, file: &FileEntry, cancel: &Cancel) -> Result<Vec<u8>, Stop> {
    let controller = cancel.arm();
    let mut download = Download {
        bytes: Vec::with_capacity(file.bytes as usize),
        store: Store::open(file).await,
        file,
        stored: 0,
        told: 0,
        seq,
    };
    download.take_stored().await;
    if !download.is_complete() {
        let ended = download.stream(url, controller.as_ref()).await;
        if controller.is_some_and(|controller| controller.signal().aborted()) {
            return Err(Stop::Cancelled);
        }
        ended?;
    }
    let bytes = file.bytes;
    post(seq, EventBody::Loading { phase: LoadPhase::Verify, done: bytes, total: bytes });
    if let Err(failure) = digest::check(&download.bytes, file).await {
        download.store.clear().await;
        return Err(failure.into());
    }
    Ok(download.bytes)
}

struct Download<'a> {
    file: &'a FileEntry,
    store: Store<'a>,
    bytes: Vec<u8>,
    /// Chunks that need not be stored any more.
    stored: u64,
    /// Bytes at the last word of progress.
    told: usize,
    seq: u64,
}

impl Download<'_> {
    fn is_complete(&self) -> bool {
        self.bytes.len() as u64 >= self.file.bytes
    }

    async fn take_stored(&mut self) {
        while self.stored < chunks(self.file.bytes) {
            let Some(chunk) = self.store.get(self.stored).await else { break };
            self.bytes.extend(chunk);
            self.stored += 1;
            self.tell();
        }
    }

    async fn stream(&mut self, url: &str, controller: Option<&AbortController>) -> Result<(), Failure> {
        let signal = controller.map(AbortController::signal);
        let response = fetch::request(url, self.bytes.len() as u64, signal.as_ref()).await?;
        if response.status() != 206 {
            // The server does not resume and begins with the first byte.
            self.bytes.clear();
            self.stored = 0;
        }
        let lost = |error: JsValue| fetch::unreachable(url, &message(&error));
        let reader = reader(&response).map_err(lost)?;
        while let Some(piece) = read(&reader).await.map_err(lost)? {
            let start = self.bytes.len();
            let end = start + piece.length() as usize;
            if end as u64 > self.file.bytes {
                // Longer than announced: the check says so.
                self.bytes.resize(end, 0);
                break;
            }
            self.bytes.resize(end, 0);
            piece.copy_to(&mut self.bytes[start..]);
            self.keep().await;
            self.tell();
        }
        Ok(())
    }

    /// Stores every chunk that is complete.
    async fn keep(&mut self) {
        while self.stored < chunks(self.file.bytes) {
            let start = self.stored * CHUNK;
            let end = (start + CHUNK).min(self.file.bytes);
            let Some(chunk) = self.bytes.get(start as usize..end as usize) else { break };
            self.store.put(self.stored, chunk).await;
            self.stored += 1;
        }
    }

    /// Tells the page, at most a few hundred times.
    fn tell(&mut self) {
        let done = self.bytes.len();
        if done - self.told.min(done) >= self.file.bytes as usize / 200 {
            self.told = done;
            let (done, total) = (done as u64, self.file.bytes);
            post(self.seq, EventBody::Loading { phase: LoadPhase::Download, done, total });
        }
    }
}

fn reader(response: &Response) -> Result<ReadableStreamDefaultReader, JsValue> {
    let stream = response.body().ok_or_else(|| JsValue::from_str("the answer is empty"))?;
    Ok(stream.get_reader().unchecked_into())
}

/// The next piece of a stream; none at its end.
async fn read(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, JsValue> {
    let piece = JsFuture::from(reader.read()).await?;
    let done = Reflect::get(&piece, &"done".into())?.is_truthy();
    if done {
        Ok(None)
    } else {
        Reflect::get(&piece, &"value".into()).map(|value| Some(value.unchecked_into()))
    }
}
