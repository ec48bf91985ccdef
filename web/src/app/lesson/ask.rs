//! How the lesson asks the ranker: by letters or film by film, with the adapter or without, in which order.

use leptos::prelude::*;
use shared::trace::{Asking, Trace};

use crate::{
    app::{browser, page::Page, radio::Radios},
    ids,
    state::{Ranker, RankerInfo, State},
    update::Action,
};

/// The ways of asking.
const WAYS: [(&str, bool, bool); 3] = [
    ("By letters", true, false),
    ("Film by film, tuned", false, false),
    ("Film by film, adapter off", false, true),
];

/// Way, order, and the button that asks.
#[component]
pub fn Ask(
    /// The record on the screen.
    trace: Memo<Option<Trace>>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let asking = Memo::new(move |_| page.state.with(|state| state.asking.clone()));
    let can_ask = Memo::new(move |_| page.state.with(State::can_ask));
    let tuned = Memo::new(move |_| {
        page.state.with(|state| matches!(&state.ranker, Ranker::Ready(RankerInfo { adapter: Some(_), .. })))
    });
    let loaded = Memo::new(move |_| page.state.with(State::has_ranker));
    let chosen = Signal::derive(move || {
        let asking = asking.get();
        WAYS.iter().position(|&(_, letters, untuned)| (letters, untuned) == (asking.letters, asking.untuned))
    });
    let choose = move |n: usize| {
        let (_, letters, untuned) = WAYS[n];
        page.act(Action::Ask(Asking { letters, untuned, order: Vec::new() }));
    };
    let shuffle = move |_| {
        let candidates =
            trace.with_untracked(|trace| trace.as_ref().map_or(0, |trace| trace.candidates.len()));
        let order = browser::shuffled(candidates);
        page.act(Action::Ask(Asking { letters: true, untuned: false, order }));
    };
    view! {
        <div class="ask">
            {move || {
                // Of records there are two kinds; a base model without an adapter can be asked by letters only.
                let ways = match (loaded.get(), tuned.get()) {
                    (false, _) => 2,
                    (true, false) => 1,
                    (true, true) => WAYS.len(),
                };
                let choices = WAYS[..ways].iter().map(|way| way.0.to_owned()).collect();
                let disabled = Signal::derive(move || loaded.get() && !can_ask.get());
                view! { <Radios id=ids::ASKED legend="Ask" choices chosen disabled choose/> }
            }}
            <Show
                when=move || loaded.get()
                fallback=|| view! {
                    <p class="hint">"You are seeing recorded answers. Load the ranker to ask the model yourself."</p>
                }
            >
                <div class="actions">
                    <button
                        id=ids::ASK
                        type="button"
                        disabled=move || !can_ask.get()
                        on:click=move |_| page.act(Action::Ask(asking.get_untracked()))
                    >"Ask about my history"</button>
                    <button
                        id=ids::SHUFFLE
                        type="button"
                        disabled=move || !can_ask.get()
                        on:click=shuffle
                    >"Shuffle the letters"</button>
                    <span class="hint" role="status">
                        {move || page.state.with(|state| state.is_busy().then_some("The ranker is reading…"))}
                    </span>
                </div>
            </Show>
        </div>
    }
}
