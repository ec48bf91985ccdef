//! A GPU compiles its kernels while the base model is downloaded.

use std::{cell::RefCell, rc::Rc};

use burn::tensor::Device;
use js_sys::Promise;
use shared::{rehearsal::rehearse, weights::File};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

/// What goes on beside the download, if anything.
#[derive(Clone, Default)]
pub struct Rehearsal(Rc<RefCell<Option<Promise>>>);

impl Rehearsal {
    /// Begins; the file's header is there.
    pub fn begin(&self, file: impl File + 'static, device: Device) {
        let running = async move {
            if let Err(error) = rehearse(Box::new(file), &device).await {
                // The model itself is loaded next, and fails with a reason that visitors hear.
                web_sys::console::info_1(&format!("no kernels were compiled beforehand: {error}").into());
            }
            Ok(JsValue::UNDEFINED)
        };
        self.0.replace(Some(future_to_promise(running)));
    }

    /// Waits for the end, so that the model is not on the GPU beside the one of nothing. (One of a download that was stopped may
    /// still be there when the next begins.)
    pub async fn end(&self) {
        let running = self.0.take();
        if let Some(running) = running {
            // It is never rejected.
            let _ = JsFuture::from(running).await;
        }
    }
}
