//! Files of the visitor's, read on this device: chosen, or dropped where the input stands.

use leptos::{ev::DragEvent, prelude::*, task::spawn_local};
use shared::protocol::Failure;
use web_sys::{File, FileList};

use super::{browser, page::Page};
use crate::update::Action;

/// A labelled file input that is a place to drop files on, too.
#[component]
pub fn FileField(
    /// Id of the input.
    id: &'static str,
    /// Its label.
    label: &'static str,
    /// Kinds of files offered.
    accept: &'static str,
    /// Whether several can be chosen.
    #[prop(optional)]
    multiple: bool,
    /// Takes the files, at least one.
    take: impl Fn(Vec<File>) + Copy + 'static,
) -> impl IntoView {
    let over = RwSignal::new(false);
    let given = move |files: Option<FileList>| {
        let files: Vec<File> =
            files.iter().flat_map(|list| (0..list.length()).filter_map(|n| list.get(n))).collect();
        if !files.is_empty() {
            take(files);
        }
    };
    let drop = move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        given(event.data_transfer().and_then(|dropped| dropped.files()));
    };
    view! {
        <p
            class="field drop"
            class:over=move || over.get()
            on:dragover=move |event| {
                event.prevent_default();
                over.set(true);
            }
            on:dragleave=move |_| over.set(false)
            on:drop=drop
        >
            <label for=id>{label}</label>
            <input
                id=id
                type="file"
                accept=accept
                multiple=multiple
                on:change:target=move |event| {
                    given(event.target().files());
                    // The same file can be chosen again, changed meanwhile.
                    event.target().set_value("");
                }
            />
            <span class="hint">{if multiple { "or drop them here" } else { "or drop it here" }}</span>
        </p>
    }
}

/// A field for one file of text. What is in it becomes an action, or a failure that is shown.
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
    /// Which files can be opened.
    hint: &'static str,
    /// Reads the file's text.
    read: impl Fn(&str) -> Result<Action, Failure> + Copy + 'static,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let take = move |files: Vec<File>| {
        spawn_local(async move {
            match browser::read(&files[0], most, hint).await.and_then(|text| read(&text)) {
                Ok(action) => page.act(action),
                Err(failure) => page.fail(failure),
            }
        });
    };
    view! { <FileField id label accept take/> }
}
