//! How far the ranker has read, and the way to stop it.

use leptos::prelude::*;

use super::page::Page;
use crate::{
    ids,
    state::{Reading as Standing, State},
    update::Action,
};

/// Progress and a button, while the ranker reads.
#[component]
pub fn Reading() -> impl IntoView {
    let page = expect_context::<Page>();
    let reading = Memo::new(move |_| page.state.with(State::reading));
    let number = move |of: fn(Standing) -> usize| reading.get().map_or(0, of).to_string();
    view! {
        <Show when=move || reading.with(Option::is_some)>
            <p class="reading">
                <progress
                    aria-label="Tokens that the ranker has read"
                    max=move || number(|reading| reading.of)
                    value=move || number(|reading| reading.read)
                ></progress>
                <span id=ids::READING class="hint">
                    {move || reading.get().map(|Standing { read, of }| format!("{read} of {of} tokens read"))}
                </span>
                <button id=ids::STOP type="button" on:click=move |_| page.act(Action::Stop)>"Stop"</button>
            </p>
        </Show>
    }
}
