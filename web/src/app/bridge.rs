//! The way to the engine: starts the worker, sends requests, hands events over.

use std::{cell::Cell, rc::Rc};

use shared::protocol::{Event, EventBody, Request};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

use super::browser::{absolute, message};

const WORKER: &str = "engine_loader.js";

/// A running engine worker; dropping it stops the worker.
pub struct Bridge {
    worker: Worker,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

/// What comes from the worker.
pub enum News {
    /// An event of the protocol.
    Event(Event),
    /// The worker stopped for good.
    Stopped {
        /// What it said.
        why: String,
        /// Whether it ever ran; if not, starting it again is of no use.
        ran: bool,
    },
}

impl Bridge {
    /// Starts the worker; `hear` is called with everything it tells.
    pub fn start(hear: impl Fn(News) + Clone + 'static) -> Result<Self, String> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker =
            Worker::new_with_options(&absolute(WORKER), &options).map_err(|error| message(&error))?;
        let ran = Rc::new(Cell::new(false));
        let on_message = Closure::new({
            let (hear, ran) = (hear.clone(), Rc::clone(&ran));
            move |event: MessageEvent| {
                let text = event.data().as_string().unwrap_or_default();
                match serde_json::from_str::<Event>(&text) {
                    // The engine's last words.
                    Ok(Event { seq: 0, body: EventBody::Failed(failure) }) => {
                        hear(News::Stopped { why: failure.message, ran: ran.get() });
                    }
                    Ok(event) => {
                        ran.set(true);
                        hear(News::Event(event));
                    }
                    Err(error) => {
                        let why = format!("it said something unreadable ({error})");
                        hear(News::Stopped { why, ran: ran.get() });
                    }
                }
            }
        });
        let on_error = Closure::new(move |event: ErrorEvent| {
            // A script that cannot be loaded has no message.
            let said = event.message();
            let why = if said.is_empty() { "its program could not be loaded".into() } else { said };
            hear(News::Stopped { why, ran: ran.get() });
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self { worker, _on_message: on_message, _on_error: on_error })
    }

    /// Sends a request.
    pub fn send(&self, request: &Request) {
        if let Ok(text) = serde_json::to_string(request) {
            // Posting a string to a worker only fails when there is no worker, and that is told by `hear`.
            let _ = self.worker.post_message(&JsValue::from_str(&text));
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
