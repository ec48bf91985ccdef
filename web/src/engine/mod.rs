//! The engine worker: takes requests one after the other, answers with events.
//!
//! Everything is asynchronous and nothing blocks, because a browser thread that waits for its own GPU waits for
//! ever; only on the CPU the engine waits for its helpers (`team`), for milliseconds. Requests wait in a queue while
//! one is answered; only a word to stop passes it.

mod adapter;
mod download;
mod ear;
mod fetch;
mod helper;
mod place;
mod rehearsal;
mod session;
mod store;
mod team;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
};

use shared::protocol::{Event, EventBody, Failure, FailureCode, Request, RequestBody};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use download::{Cancel, Stop};
use ear::Ear;
use session::Session;

/// Starts listening, or helping; called once.
pub fn start() {
    if scope().name() == helper::NAME {
        return helper::run();
    }
    std::panic::set_hook(Box::new(last_words));
    let worker = Rc::new(Worker::default());
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        let text = event.data().as_string().unwrap_or_default();
        match serde_json::from_str::<Request>(&text) {
            Ok(request) => Rc::clone(&worker).receive(request),
            Err(error) => web_sys::console::error_1(&format!("unreadable request: {error}").into()),
        }
    });
    scope().set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    // The worker listens as long as it lives.
    on_message.forget();
    post(0, EventBody::Ready);
}

/// A panic ends the worker; the page hears why and starts a new one.
fn last_words(info: &std::panic::PanicHookInfo<'_>) {
    let message = info.to_string();
    web_sys::console::error_1(&message.as_str().into());
    let first = message.lines().take(2).collect::<Vec<_>>().join(" ");
    post(0, EventBody::Failed(Failure { code: FailureCode::Device, message: first, hint: String::new() }));
}

/// The queue and what is loaded.
#[derive(Default)]
struct Worker {
    queue: RefCell<VecDeque<Request>>,
    /// At home while no request is being answered.
    session: Cell<Option<Session>>,
    working: Cell<bool>,
    cancel: Cancel,
    ear: Arc<Ear>,
}

impl Worker {
    fn receive(self: Rc<Self>, request: Request) {
        if request.body == RequestBody::CancelDownload {
            self.cancel.cancel(request.seq);
            return;
        }
        if request.body == RequestBody::Stop {
            self.ear.stop(request.seq);
            return;
        }
        self.queue.borrow_mut().push_back(request);
        if !self.working.replace(true) {
            spawn_local(self.work());
        }
    }

    async fn work(self: Rc<Self>) {
        let mut session = self.session.take().unwrap_or_default();
        loop {
            let request = self.queue.borrow_mut().pop_front();
            let Some(Request { seq, body }) = request else { break };
            self.ear.begin(seq);
            let answer = session.answer(seq, body, &self.cancel, &self.ear).await;
            post(
                seq,
                answer.unwrap_or_else(|stop| match stop {
                    Stop::Cancelled => EventBody::Cancelled,
                    Stop::Failed(failure) => EventBody::Failed(failure),
                }),
            );
        }
        self.session.set(Some(session));
        self.working.set(false);
    }
}

/// Tells the page something.
fn post(seq: u64, body: EventBody) {
    if let Ok(text) = serde_json::to_string(&Event { seq, body }) {
        // Posting a string only fails when the page is gone.
        let _ = scope().post_message(&JsValue::from_str(&text));
    }
}

/// Milliseconds since any moment.
fn now() -> f64 {
    scope().performance().map_or(0.0, |performance| performance.now())
}

/// The worker's own global object.
fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// A property of an object, if it has one.
fn get(object: &JsValue, key: &str) -> Option<JsValue> {
    js_sys::Reflect::get(object, &key.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

/// What a JavaScript error says.
fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => format!("{error:?}"),
    }
}

/// Lets the worker hear what came meanwhile: on the CPU nothing else would wait.
async fn breathe() {
    sleep(0).await;
}

/// Waits so many milliseconds.
async fn sleep(ms: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        // Without a timer the work goes on, deaf.
        if scope().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms).is_err() {
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    let _ = JsFuture::from(promise).await;
}
