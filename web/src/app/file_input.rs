//! A file of the visitor's, read on this device.

use leptos::{prelude::*, task::spawn_local};
use shared::protocol::Failure;

use super::{browser, page::Page};
use crate::update::Action;

/// A labelled file input. What is in the file becomes an action, or a failure that is shown.
#[component]
pub fn FileInput(
    /// Id of the input.
    id: &'static str,
    /// Its label.
    label: &'static str,
    /// Kinds of files offered.
    accept: &'static str,
    /// Largest file that is read, in bytes.
    most: usize,
    /// Reads the file's text.
    read: impl Fn(&str) -> Result<Action, Failure> + Copy + 'static,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let open = move |file: Option<web_sys::File>| {
        spawn_local(async move {
            let Some(file) = file else { return };
            match browser::read(&file, most).await.and_then(|text| read(&text)) {
                Ok(action) => page.act(action),
                Err(failure) => page.state.update(|state| state.failure = Some(failure)),
            }
        });
    };
    view! {
        <p class="field">
            <label for=id>{label}</label>
            <input
                id=id
                type="file"
                accept=accept
                on:change:target=move |event| open(event.target().files().and_then(|files| files.get(0)))
            />
        </p>
    }
}
