//! A visitor's own list of films as history.

use leptos::{prelude::*, task::spawn_local};

use super::{browser, page::Page};
use crate::{ids, import, update::Action};

/// The file input.
#[component]
pub fn ImportList() -> impl IntoView {
    let page = expect_context::<Page>();
    let open = move |file: Option<web_sys::File>| {
        spawn_local(async move {
            let (Some(file), Some(bundle)) = (file, page.bundle.get_untracked()) else { return };
            let read = match browser::read(&file, import::LARGEST).await {
                Ok(text) => import::read(&text, &bundle.catalog),
                Err(failure) => Err(failure),
            };
            match read {
                Ok(found) => page.act(Action::Import(found)),
                Err(failure) => page.state.update(|state| state.failure = Some(failure)),
            }
        });
    };
    view! {
        <details class="prompt">
            <summary>"Bring your own list"</summary>
            <p class="hint">
                "An export from Letterboxd or MovieLens, any CSV with titles, or a text file with one title per line. It is read on \
                this device and sent nowhere; where there are ratings, only what you liked is taken."
            </p>
            <p class="field">
                <label for=ids::IMPORT>"File"</label>
                <input
                    id=ids::IMPORT
                    type="file"
                    accept=".csv,.txt,text/csv,text/plain"
                    on:change:target=move |event| open(event.target().files().and_then(|files| files.get(0)))
                />
            </p>
            <p id=ids::IMPORTED class="hint">{move || page.state.with(|state| state.imported.clone())}</p>
        </details>
    }
}
