//! How the lesson asks the ranker: by letters or film by film, with the adapter or without, in which order.

use leptos::prelude::*;
use shared::{
    exhibit::Example,
    protocol::TunedWays,
    trace::{Asking, Trace},
};

use crate::{
    app::{browser, page::Page, radio::Radios, reading::Reading},
    ids,
    spoken::ByLetters,
    state::{Ranker, RankerInfo, State},
    update::Action,
};

/// A way of asking: its name, by letters or not, without the adapter or not.
type Way = (&'static str, bool, bool);

/// Those that there are with these adapters.
fn ways(tuned: TunedWays) -> Vec<Way> {
    let mut ways = vec![(if tuned.letters { "By letters, tuned" } else { "By letters" }, true, false)];
    if tuned.film_by_film {
        ways.extend([("Film by film, tuned", false, false), ("Film by film, untuned", false, true)]);
    }
    if tuned.letters {
        ways.push(("By letters, untuned", true, true));
    }
    ways
}

/// Way, order, and the button that asks.
#[component]
pub fn Ask(
    /// The record on the screen.
    trace: Memo<Option<Trace>>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let asking = Memo::new(move |_| page.state.with(|state| state.asking.clone()));
    let can_ask = Memo::new(move |_| page.state.with(State::can_ask));
    // Without a ranker there are the ways that were recorded.
    let ways = Memo::new(move |_| {
        ways(page.state.with(|state| match &state.ranker {
            Ranker::Ready(RankerInfo { tuned, .. }) => *tuned,
            _ => page.examples.with(|examples| examples.first().map(Example::tuned)).unwrap_or_default(),
        }))
    });
    let way = Memo::new(move |_| page.state.with(State::by_letters));
    let loaded = Memo::new(move |_| page.state.with(State::has_ranker));
    let chosen = Signal::derive(move || {
        let asking = asking.get();
        let asked = |&(_, letters, untuned): &Way| (letters, untuned) == (asking.letters, asking.untuned);
        ways.with(|ways| ways.iter().position(asked))
    });
    let choose = move |n: usize| {
        if let Some((_, letters, untuned)) = ways.with_untracked(|ways| ways.get(n).copied()) {
            page.act(Action::Ask(Asking { letters, untuned, order: Vec::new() }));
        }
    };
    // The buttons keep the focus while the ranker reads.
    let ask = move |asking: Asking| {
        if can_ask.get_untracked() {
            page.act(Action::Ask(asking));
        }
    };
    let shuffle = move |_| {
        let candidates =
            trace.with_untracked(|trace| trace.as_ref().map_or(0, |trace| trace.candidates.len()));
        let order = browser::shuffled(candidates);
        // The tuned or the untuned model, as before; film by film there are no letters.
        let untuned = asking.with_untracked(|asking| asking.letters && asking.untuned);
        ask(Asking { letters: true, untuned, order });
    };
    view! {
        <div class="ask">
            {move || {
                let choices = ways.get().iter().map(|way| way.0.to_owned()).collect();
                // A file holds one answer; of examples all ways were recorded.
                let disabled = Signal::derive(move || {
                    way.get() == ByLetters::Load || (loaded.get() && !can_ask.get())
                });
                view! { <Radios id=ids::ASKED legend="Ask" choices chosen disabled choose/> }
            }}
            <Show when=move || loaded.get()>
                <div class="actions">
                    <button
                        id=ids::ASK
                        type="button"
                        aria-disabled=move || (!can_ask.get()).to_string()
                        on:click=move |_| ask(Asking { order: Vec::new(), ..asking.get_untracked() })
                    >"Ask about my history"</button>
                    <button
                        id=ids::SHUFFLE
                        type="button"
                        aria-disabled=move || (!can_ask.get()).to_string()
                        on:click=shuffle
                    >"Shuffle the letters"</button>
                    <span class="hint" role="status">
                        {move || page.state.with(|state| state.is_busy().then_some("The ranker is reading…"))}
                    </span>
                </div>
                <Reading/>
            </Show>
        </div>
    }
}
