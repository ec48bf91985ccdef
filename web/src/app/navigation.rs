//! The way from view to view, and how large the page is drawn.

use leptos::prelude::*;

use super::page::Page;
use crate::{ids, update::Action, view::View};

/// The views and the switch to large type.
#[component]
pub fn Navigation() -> impl IntoView {
    let page = expect_context::<Page>();
    let display = Memo::new(move |_| page.state.with(|state| state.display));
    let button = |view: View| {
        view! {
            <li>
                <button
                    id=ids::view(view)
                    type="button"
                    aria-current=move || (display.get().view == view).then_some("page")
                    on:click=move |_| page.act(Action::View(view))
                >
                    {view.name()}
                </button>
            </li>
        }
    };
    view! {
        <nav aria-label="Views">
            <ul>{View::ALL.map(button).collect_view()}</ul>
            <LargeType/>
        </nav>
    }
}

/// The switch to large type.
#[component]
pub fn LargeType() -> impl IntoView {
    let page = expect_context::<Page>();
    view! {
        <label class="check">
            <input
                id=ids::LARGE
                type="checkbox"
                prop:checked=move || page.state.with(|state| state.display.large)
                on:change:target=move |event| page.act(Action::Large(event.target().checked()))
            />
            " Large type"
        </label>
    }
}
