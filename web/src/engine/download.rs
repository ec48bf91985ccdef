//! A large file: from the device if it is stored, else from the server, with progress, stop and resumption.

use std::{
    cell::{Cell, RefCell},
    ops::Range,
    sync::Arc,
};

use js_sys::{Array, Reflect, Uint8Array};
use shared::{
    manifest::FileEntry,
    protocol::{EventBody, Failure, LoadPhase},
    weights::{File, WeightError},
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Blob, FileReaderSync, ReadableStreamDefaultReader, Response};

use super::{fetch, message, post, store::Store};
use crate::stored::{CHUNK, chunk_len, chunks};

/// The way to stop the download, whether it runs already or not yet.
#[derive(Default)]
pub struct Cancel {
    controller: RefCell<Option<AbortController>>,
    /// Downloads for requests with smaller numbers are not wanted.
    stopped_before: Cell<u64>,
}

impl Cancel {
    /// Stops what was asked for before request `seq`.
    pub fn cancel(&self, seq: u64) {
        self.stopped_before.set(seq);
        if let Some(controller) = self.controller.borrow().as_ref() {
            controller.abort();
        }
    }

    /// Ends what was stopped.
    fn check(&self, seq: u64) -> Result<(), Stop> {
        if seq < self.stopped_before.get() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    fn arm(&self) -> Option<AbortController> {
        // Every browser with modules in workers has it; without it a download cannot be stopped.
        let controller = AbortController::new().ok();
        self.controller.replace(controller.clone());
        controller
    }
}

/// Why there is no answer.
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

/// The whole file, checked; progress is told as answer to request `seq`. Its bytes stay with the browser, which keeps what is
/// stored on the disk: this module's memory never holds more than it reads. Of a file that comes from the server `begun` gets
/// the beginning while the rest is on its way.
pub async fn download(
    seq: u64,
    url: &str,
    file: &FileEntry,
    cancel: &Cancel,
    begun: impl FnOnce(Beginning) + 'static,
) -> Result<Blob, Stop> {
    let controller = cancel.arm();
    let mut download = Download {
        chunks: Array::new(),
        pieces: Array::new(),
        arrived: 0,
        store: Store::open(file).await,
        begun: Some(Box::new(begun)),
        file,
        told: 0,
        seq,
    };
    download.take_stored().await;
    if !download.is_complete() {
        download.tell_beginning();
        // What waited for its turn may have been stopped before there was anything to abort.
        cancel.check(seq)?;
        let ended = download.stream(url, controller.as_ref()).await;
        // A download that is stopped fails, too.
        cancel.check(seq)?;
        ended?;
    }
    let bytes = file.bytes;
    post(seq, EventBody::Loading { phase: LoadPhase::Verify, done: bytes, total: bytes });
    let whole = download.whole()?;
    if let Err(failure) = fetch::check_blob(&whole, file).await {
        download.store.clear().await;
        return Err(failure.into());
    }
    Ok(whole)
}

struct Download<'a> {
    file: &'a FileEntry,
    store: Store<'a>,
    /// The whole chunks so far, as blobs.
    chunks: Array,
    /// What has arrived of the next one, as arrays of bytes.
    pieces: Array,
    /// Bytes of all of these.
    arrived: u64,
    /// Who waits for the first chunk.
    begun: Option<Box<dyn FnOnce(Beginning)>>,
    /// Bytes at the last word of progress.
    told: u64,
    seq: u64,
}

impl Download<'_> {
    fn is_complete(&self) -> bool {
        self.arrived >= self.file.bytes
    }

    async fn take_stored(&mut self) {
        for n in 0..chunks(self.file.bytes) {
            let Some(chunk) = self.store.get(n).await else { break };
            self.arrived += chunk_len(self.file.bytes, n);
            self.chunks.push(&chunk);
            self.tell();
        }
    }

    async fn stream(&mut self, url: &str, controller: Option<&AbortController>) -> Result<(), Failure> {
        let signal = controller.map(AbortController::signal);
        let response = fetch::request(url, self.arrived, signal.as_ref()).await?;
        if response.status() != 206 {
            // The server does not resume and begins with the first byte.
            self.chunks = Array::new();
            self.arrived = 0;
        }
        let lost = |error: JsValue| fetch::unreachable(url, &message(&error));
        let reader = reader(&response).map_err(lost)?;
        while let Some(piece) = read(&reader).await.map_err(lost)? {
            self.take(&piece).await.map_err(lost)?;
            self.tell();
            if self.arrived > self.file.bytes {
                // Longer than announced: the check says so.
                break;
            }
        }
        Ok(())
    }

    /// Adds a piece; chunks that it completes are stored.
    async fn take(&mut self, piece: &Uint8Array) -> Result<(), JsValue> {
        let mut taken = 0;
        while taken < piece.length() {
            let n = u64::from(self.chunks.length());
            let end = if n < chunks(self.file.bytes) {
                n * CHUNK + chunk_len(self.file.bytes, n)
            } else {
                u64::MAX
            };
            let some = piece.length().min(taken.saturating_add((end - self.arrived).min(CHUNK) as u32));
            self.pieces.push(&piece.subarray(taken, some));
            self.arrived += u64::from(some - taken);
            taken = some;
            if self.arrived == end {
                let pieces: Array = std::mem::take(&mut self.pieces);
                let chunk = Blob::new_with_u8_array_sequence(&pieces)?;
                self.store.put(n, &chunk).await;
                self.chunks.push(&chunk);
                self.tell_beginning();
            }
        }
        Ok(())
    }

    /// Hands out the first chunk, once it is there.
    fn tell_beginning(&mut self) {
        if let Ok(chunk) = self.chunks.get(0).dyn_into::<Blob>()
            && let Some(begun) = self.begun.take()
        {
            begun(Beginning { chunk: InBrowser(chunk), len: self.file.bytes as usize });
        }
    }

    /// All that has arrived.
    fn whole(&self) -> Result<Blob, Failure> {
        let parts = self.chunks.concat(&self.pieces);
        Blob::new_with_blob_sequence(&parts)
            .map_err(|error| fetch::unreachable(&self.file.path, &message(&error)))
    }

    /// Tells the page, at most a few hundred times.
    fn tell(&mut self) {
        let (done, total) = (self.arrived, self.file.bytes);
        if done - self.told.min(done) >= total / 200 {
            self.told = done;
            post(self.seq, EventBody::Loading { phase: LoadPhase::Download, done, total });
        }
    }
}

/// A file that the browser holds, read a part at a time. Only a worker may wait for that.
pub struct InBrowser(pub Blob);

impl File for InBrowser {
    fn len(&self) -> usize {
        self.0.size() as usize
    }

    fn part(&self, range: Range<usize>) -> Result<(Arc<Vec<u8>>, Range<usize>), WeightError> {
        let len = range.len();
        let read = || -> Result<Vec<u8>, JsValue> {
            let part = self.0.slice_with_f64_and_f64(range.start as f64, range.end as f64)?;
            let buffer = FileReaderSync::new()?.read_as_array_buffer(&part)?;
            Ok(Uint8Array::new(&buffer).to_vec())
        };
        let bytes = read().map_err(|error| {
            WeightError::Format(format!("the browser no longer gives the file: {}", message(&error)))
        })?;
        Ok((Arc::new(bytes), 0..len))
    }
}

/// A file of which only the first chunk is there.
pub struct Beginning {
    chunk: InBrowser,
    len: usize,
}

impl File for Beginning {
    fn len(&self) -> usize {
        self.len
    }

    fn part(&self, range: Range<usize>) -> Result<(Arc<Vec<u8>>, Range<usize>), WeightError> {
        if range.end > self.chunk.len() {
            return Err(WeightError::Format("only the beginning of the file is there".into()));
        }
        self.chunk.part(range)
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
