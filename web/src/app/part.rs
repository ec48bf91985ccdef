//! The page in parts: what is drawn at first comes in several tasks, so that the browser can paint and listen in between.

use leptos::prelude::*;

use super::{browser::wait, page::Page};

/// A browser paints about as often.
const FRAME_MS: i32 = 16;

/// When a part is drawn: in the order in which one reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Navigation and headings.
    Frame,
    /// The search.
    Search,
    /// Examples and the history.
    History,
    /// What visitors bring along.
    Own,
    /// The view that is shown.
    View,
    /// The first five candidates.
    Rows1,
    /// The next five.
    Rows2,
    /// The next five.
    Rows3,
    /// The last five.
    Rows4,
    /// What stands behind the candidates.
    Details,
    /// The ranker's panel.
    Model,
    /// The end of the page.
    Footer,
}

impl Turn {
    const ALL: [Self; 12] = [
        Self::Frame,
        Self::Search,
        Self::History,
        Self::Own,
        Self::View,
        Self::Rows1,
        Self::Rows2,
        Self::Rows3,
        Self::Rows4,
        Self::Details,
        Self::Model,
        Self::Footer,
    ];

    /// Those of the candidates.
    pub const ROWS: [Self; 4] = [Self::Rows1, Self::Rows2, Self::Rows3, Self::Rows4];

    /// Whether it has come when so many parts are drawn.
    fn has_come(self, drawn: usize) -> bool {
        drawn > self as usize
    }
}

/// A part of the page, drawn when it is its turn.
#[component]
pub fn Part(
    /// Its turn.
    turn: Turn,
    /// What is drawn.
    children: ChildrenFn,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let here = Memo::new(move |_| turn.has_come(page.drawn.get()));
    view! { <Show when=move || here.get()>{children()}</Show> }
}

/// Lets the parts appear one after the other; returns once the last one is painted.
pub async fn draw(drawn: RwSignal<usize>) {
    for _ in Turn::ALL {
        wait(FRAME_MS).await;
        drawn.update(|drawn| *drawn += 1);
    }
    wait(FRAME_MS).await;
}

/// Whether the first part is there; whoever follows this hears of it once, not of every part.
pub fn has_begun(drawn: RwSignal<usize>) -> Memo<bool> {
    Memo::new(move |_| drawn.get() > 0)
}

/// Whether all parts are there, as of now.
pub fn all_drawn(drawn: RwSignal<usize>) -> bool {
    drawn.with_untracked(|drawn| *drawn == Turn::ALL.len())
}
