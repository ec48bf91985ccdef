//! Records out and in, and the link for a class.

use leptos::{prelude::*, task::spawn_local};
use shared::trace::Trace;

use crate::{
    app::{browser, file_input::FileInput, page::Page},
    ids,
    letters::letter_bars,
    record,
    state::Record,
    update::Action,
};

/// Save, copy, open.
#[component]
pub fn Export(
    /// The record on the screen.
    trace: Memo<Option<Trace>>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let copied = RwSignal::new("");
    let with = move |use_it: fn(&Trace)| trace.with_untracked(|trace| trace.as_ref().map(use_it));
    let save = move |_| {
        with(|trace| browser::save(record::FILE, "application/json", &record::write(trace)));
    };
    let picture = move |_| {
        let temperature = page.state.with_untracked(|state| state.display.temperature);
        trace.with_untracked(|trace| {
            if let Some(trace) = trace {
                let svg = record::picture(&letter_bars(trace, temperature), temperature);
                browser::save(record::PICTURE, "image/svg+xml", &svg);
            }
        });
    };
    let copy = move |_| {
        let text = trace.with_untracked(|trace| trace.as_ref().map(record::markdown));
        spawn_local(async move {
            let done = browser::copy(&text.unwrap_or_default()).await;
            copied.set(if done { "Copied." } else { "The browser does not allow copying here." });
        });
    };
    let read = |text: &str| Ok(Action::Open(Record::File, Box::new(record::read(text)?)));
    view! {
        <h3>"Take it along"</h3>
        <div class="actions">
            <button id=ids::SAVE type="button" on:click=save>"Save the record (JSON)"</button>
            <button id=ids::PICTURE type="button" on:click=picture>"Save the letters (SVG)"</button>
            <button id=ids::COPY type="button" on:click=copy>"Copy the ranking (Markdown)"</button>
            <span class="hint" role="status">{move || copied.get()}</span>
        </div>
        <FileInput
            id=ids::OPEN
            label="Open a record"
            accept="application/json,.json"
            most=record::LARGEST
            read
        />
        <p class="field">
            <label class="check">
                <input
                    id=ids::GUIDED
                    type="checkbox"
                    prop:checked=move || page.state.with(|state| state.display.guided)
                    on:change:target=move |event| page.act(Action::Guided(event.target().checked()))
                />
                " For a class: show the lesson alone. The address then leads to exactly this view."
            </label>
        </p>
    }
}
