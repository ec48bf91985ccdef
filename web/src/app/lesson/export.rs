//! Records and figures out, records in.

use leptos::{prelude::*, task::spawn_local};
use shared::trace::Trace;
use wasm_bindgen::JsValue;

use crate::{
    app::{browser, file_input::FileInput, page::Page},
    ids,
    picture::{self, Picture},
    record,
    state::Record,
    update::Action,
};

/// Draws a record's figure at a temperature.
type Draw = fn(&Trace, f32) -> Picture;

/// Save, copy, open.
#[component]
pub fn Export(
    /// The record on the screen.
    trace: Memo<Option<Trace>>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let said = RwSignal::new(String::new());
    let offered = move |name: &str, result: Result<(), JsValue>, otherwise: &str| {
        said.set(result.map_or_else(|_| otherwise.to_owned(), |()| format!("The browser saves {name}.")));
    };
    let no_files = "The browser does not save files here.";
    let save = move |_| {
        trace.with_untracked(|trace| {
            if let Some(trace) = trace {
                let result = browser::save(record::FILE, "application/json", &record::write(trace));
                offered(record::FILE, result, no_files);
            }
        });
    };
    let draw = move |kind: Draw, png: bool| {
        let temperature = page.state.with_untracked(|state| state.display.temperature);
        let drawn = trace.with_untracked(|trace| trace.as_ref().map(|trace| kind(trace, temperature)));
        let Some(Picture { name, svg }) = drawn else { return };
        if !png {
            let file = format!("{name}.svg");
            return offered(&file, browser::save(&file, "image/svg+xml", &svg), no_files);
        }
        spawn_local(async move {
            let file = format!("{name}.png");
            let result = browser::save_png(&file, &svg).await;
            offered(&file, result, "The browser does not draw pictures here; save it as SVG.");
        });
    };
    let pictures: [(_, _, Draw); 2] = [
        (ids::LETTERS, "Letters", picture::letters),
        (ids::VOCABULARY, "Vocabulary", |trace, _| picture::vocabulary(trace)),
    ];
    let by_letters = Memo::new(move |_| trace.with(|trace| trace.as_ref().is_some_and(Trace::is_by_letters)));
    let buttons = pictures.into_iter().flat_map(move |(figure, name, kind)| {
        // Asked film by film, there is nothing of the vocabulary to draw.
        let disabled = move || figure == ids::VOCABULARY && !by_letters.get();
        let name = move || if by_letters.get() || figure == ids::VOCABULARY { name } else { "Films" };
        [("SVG", false), ("PNG", true)].map(|(ending, png)| {
            view! {
                <button
                    id=ids::picture(figure, ending)
                    type="button"
                    disabled=disabled
                    on:click=move |_| draw(kind, png)
                >
                    {move || format!("{} ({ending})", name())}
                </button>
            }
        })
    });
    let buttons = buttons.collect_view();
    let copy = move |_| {
        let text = trace.with_untracked(|trace| trace.as_ref().map(record::markdown));
        spawn_local(async move {
            let done = browser::copy(&text.unwrap_or_default()).await;
            said.set(if done { "Copied." } else { "The browser does not allow copying here." }.into());
        });
    };
    let read = |text: &str| Ok(Action::Open(Record::File, Box::new(record::read(text)?)));
    view! {
        <h3>"Take it along"</h3>
        <p class="hint">
            "The address of the page opens this step with this history, way of asking, temperature and type, shown alone if it is now; without the ranker an example stands in for films of your own."
        </p>
        <div class="actions">
            <button id=ids::SAVE type="button" on:click=save>"Save the record (JSON)"</button>
            <button id=ids::COPY type="button" on:click=copy>"Copy the ranking (Markdown)"</button>
        </div>
        <div class="actions" role="group" aria-label="Save a figure">
            <span class="hint">"Save a figure:"</span>
            {buttons}
            <span class="hint" role="status">{move || said.get()}</span>
        </div>
        <FileInput
            id=ids::OPEN
            label="Open a record"
            accept="application/json,.json"
            most=record::LARGEST
            hint="Open a file that this page saved."
            read
        />
    }
}
