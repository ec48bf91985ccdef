//! A visitor's own list of films as history.

use leptos::prelude::*;

use super::{file_input::FileInput, page::Page};
use crate::{
    ids,
    import::{self, Import},
    update::Action,
};

/// The file input.
#[component]
pub fn ImportList() -> impl IntoView {
    let page = expect_context::<Page>();
    let read = move |text: &str| {
        // There is no page to choose a file on before the catalogue is here.
        let bundle = page.bundle.get_untracked();
        let catalog = bundle.as_ref().map(|bundle| &bundle.catalog);
        catalog.map_or(Ok(Import::default()), |catalog| import::read(text, catalog)).map(Action::Import)
    };
    view! {
        <details class="prompt">
            <summary>"Bring your own list"</summary>
            <p class="hint">
                "An export from Letterboxd or MovieLens, any CSV with titles, or a text file with one title per line. It is read on \
                this device and sent nowhere; where there are ratings, only what you liked is taken."
            </p>
            <FileInput
                id=ids::IMPORT
                label="File"
                accept=".csv,.txt,text/csv,text/plain"
                most=import::LARGEST
                hint="Give a list of films as CSV or text, of 8 MB at most."
                read
            />
            <p id=ids::IMPORTED class="hint">{move || page.state.with(|state| state.imported.clone())}</p>
        </details>
    }
}
