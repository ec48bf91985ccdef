//! Which bundle the page uses, and the way to another one and back.

use leptos::{prelude::*, task::spawn_local};
use web_sys::File;

use super::{address, bundle::Bundle, file_input::FileField, own_bundle, page::Page};
use crate::{
    ids,
    own_bundle::{KEPT, is_kept},
};

/// Says what is in use and takes another one.
#[component]
pub fn BundlePanel() -> impl IntoView {
    let page = expect_context::<Page>();
    let folder = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let take = move |files: Vec<File>| {
        busy.set(true);
        spawn_local(async move {
            match own_bundle::keep(&files).await {
                Ok(()) => address::start_at(&format!("bundle={KEPT}")),
                Err(failure) => page.fail(failure),
            }
            busy.set(false);
        });
    };
    let go = move |_| {
        let said = folder.get_untracked().trim().to_owned();
        if said.is_empty() {
            return;
        }
        // A mistyped name must not cost the films on the screen.
        spawn_local(async move {
            match Bundle::named(&said).await {
                Ok(_) => address::start_at(&format!("bundle={said}")),
                Err(failure) => page.fail(failure),
            }
        });
    };
    view! {
        <Other/>
        <details class="prompt">
            <summary>"Use another bundle"</summary>
            <p class="hint">
                "A bundle is the folder that llamarec export writes: a catalogue, a retriever trained on it, adapters. Its files \
                are checked against its manifest, kept on this device and sent nowhere."
            </p>
            <FileField id=ids::BUNDLE_FILES label="All files of its folder" accept="" multiple=true take/>
            <p class="hint" role="status">{move || busy.get().then_some("Checking the files…")}</p>
            <p class="field">
                <label for=ids::BUNDLE_FOLDER>"Or a folder on this server"</label>
                <input
                    id=ids::BUNDLE_FOLDER
                    type="text"
                    placeholder="models/mine"
                    autocomplete="off"
                    spellcheck="false"
                    on:input:target=move |event| folder.set(event.target().value())
                />
                <button
                    id=ids::BUNDLE_GO
                    type="button"
                    aria-disabled=move || folder.with(|folder| folder.trim().is_empty()).to_string()
                    on:click=go
                >"Use it"</button>
            </p>
        </details>
    }
}

/// Says that another bundle than the page's own is in use.
#[component]
fn Other() -> impl IntoView {
    let page = expect_context::<Page>();
    let back = move |_| {
        spawn_local(async {
            own_bundle::forget().await;
            address::start_at("");
        });
    };
    let other = move || {
        let bundle = page.bundle.get().filter(|bundle| !bundle.is_shipped())?;
        let from = if is_kept(&bundle.folder) { "your files" } else { bundle.folder.as_str() };
        Some(format!("Bundle in use: {}, from {from}.", bundle.manifest.name))
    };
    view! {
        {move || other().map(|words| view! {
            <div class="actions">
                <span id=ids::BUNDLE class="note">{words}</span>
                <button id=ids::BUNDLE_BACK type="button" on:click=back>"Back to the page’s own"</button>
            </div>
        })}
    }
}
