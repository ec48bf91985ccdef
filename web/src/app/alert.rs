//! The alert: what happened, what it means, what to do.

use leptos::prelude::*;

use super::{browser, page::Page};
use crate::{help::meaning, ids, update::Action};

/// Shows the last failure until it is closed.
#[component]
pub fn Alert() -> impl IntoView {
    let page = expect_context::<Page>();
    let failure = Memo::new(move |_| page.state.with(|state| state.failure.clone()));
    // Somebody who pressed a button far below must see what came of it.
    Effect::new(move || {
        if failure.with(Option::is_some) {
            browser::reveal_soon(ids::ALERT.into());
        }
    });
    let close = move |_| {
        page.act(Action::Dismiss);
        let view = page.state.with_untracked(|state| state.display.view);
        browser::focus_soon(vec![ids::title(view)]);
    };
    // The container stays, so that screen readers hear what is put into it.
    view! {
        <div id=ids::ALERT role="alert">
            {move || {
                failure.get().map(|failure| view! {
                    <div class="alert">
                        <p class="alert-message">{failure.message}</p>
                        <p>{meaning(failure.code)}</p>
                        <p><strong>"What to do: "</strong>{failure.hint}</p>
                        <button type="button" on:click=close>"Close"</button>
                    </div>
                })
            }}
        </div>
    }
}
