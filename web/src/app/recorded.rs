//! The mark of what was computed beforehand.

use leptos::prelude::*;

/// Says that what follows is a record, and of what; nothing for what was computed here.
#[component]
pub fn Recorded(
    /// What it is a record of, in a sentence.
    #[prop(into)]
    of: Signal<Option<String>>,
) -> impl IntoView {
    move || {
        of.get()
            .map(|words| view! { <p class="note recorded"><span class="badge">"Record"</span>" "{words}</p> })
    }
}
