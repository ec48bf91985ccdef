//! The button that stops what takes long. It keeps the focus when there is nothing more to stop.

use leptos::prelude::*;

use super::page::Page;
use crate::update::Action;

/// A button that stops what is computed, as long as it is this.
#[component]
pub fn StopButton(
    /// Its id.
    id: &'static str,
    /// What it says.
    words: &'static str,
    /// Whether there is something to stop.
    running: Memo<bool>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let stop = move |_| {
        if running.get_untracked() {
            page.act(Action::Stop);
        }
    };
    view! {
        <button id=id type="button" aria-disabled=move || (!running.get()).to_string() on:click=stop>{words}</button>
    }
}
