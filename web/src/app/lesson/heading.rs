//! The lesson's heading, and how it is shown to a class.

use leptos::prelude::*;

use crate::{
    app::{navigation::LargeType, page::Page},
    ids,
    state::State,
    update::Action,
    view::View,
};

/// Title, the switch between the lesson alone and the whole page, and what a room needs.
#[component]
pub fn Heading() -> impl IntoView {
    let page = expect_context::<Page>();
    let alone = Memo::new(move |_| page.state.with(State::is_guided));
    view! {
        <div class="heading">
            <h2 id=ids::title(View::Lesson) tabindex="-1">"How a language model ranks with one forward pass"</h2>
            // Alone, the lesson is without the navigation that has it otherwise.
            <Show when=move || alone.get()>
                <LargeType/>
            </Show>
            <button
                id=ids::GUIDED
                type="button"
                on:click=move |_| page.act(Action::Guided(!alone.get_untracked()))
            >
                {move || if alone.get() { "Show the whole page" } else { "Show only the lesson" }}
            </button>
        </div>
    }
}
