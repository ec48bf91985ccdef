//! The page in parts: what is drawn at first comes in several tasks, so that the browser can paint and listen in between.

use leptos::prelude::*;

use super::{browser::wait, page::Page};

/// Parts of the page.
const PARTS: usize = 9;
/// A browser paints about as often.
const FRAME_MS: i32 = 16;

/// A part of the page, drawn when it is its turn.
#[component]
pub fn Part(
    /// Its turn, from 1.
    n: usize,
    /// What is drawn.
    children: ChildrenFn,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let here = Memo::new(move |_| page.parts.get() >= n);
    view! { <Show when=move || here.get()>{children()}</Show> }
}

/// Lets the parts appear one after the other, in the order in which one reads; returns once the last one is painted.
pub async fn draw(parts: RwSignal<usize>) {
    for part in 1..=PARTS {
        wait(FRAME_MS).await;
        parts.set(part);
    }
    wait(FRAME_MS).await;
}

/// Whether all parts are there, as of now.
pub fn all_drawn(parts: RwSignal<usize>) -> bool {
    parts.with_untracked(|parts| *parts == PARTS)
}
