//! The same candidates under other letters, several times: do the films keep their places, or do the letters?

use leptos::prelude::*;
use shared::{CANDIDATES, protocol::ShuffleStudy};

use crate::{
    app::{bar::Bar, browser, page::Page, recorded::Recorded, stop_button::StopButton},
    format::percent,
    ids,
    shuffle::{Film, LetterGain, films, letters},
    state::State,
    update::Action,
};

/// How many orders are asked about.
const ORDERS: usize = 8;

/// A disclosure with the study.
#[component]
pub fn Shuffle(
    /// Whether it is what is spoken of, and so open.
    open: Signal<bool>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let ready = Memo::new(move |_| page.state.with(State::has_ranker));
    let can_ask = Memo::new(move |_| page.state.with(State::can_ask));
    let measuring = Memo::new(move |_| page.state.with(State::is_measuring));
    let own = Memo::new(move |_| page.state.with(|state| state.study().cloned()));
    let recorded = Memo::new(move |_| {
        let idle = own.with(Option::is_none) && !measuring.get();
        idle.then(|| page.recorded(|example| &example.study)).flatten()
    });
    let study = move || recorded.get().map(|(study, _)| study).or_else(|| own.get());
    let start = move |_| {
        // As many as are proposed: what is in the history is not.
        let films =
            page.bundle.with_untracked(|bundle| bundle.as_ref().map_or(0, |bundle| bundle.catalog.len()));
        let known = page.state.with_untracked(|state| state.history.items().len());
        let candidates = CANDIDATES.min(films.saturating_sub(known));
        page.act(Action::Shuffle((0..ORDERS).map(|_| browser::shuffled(candidates)).collect()));
    };
    view! {
        <details class="prompt" open=move || open.get()>
            <summary>"Shuffle: do the films keep their places, or do the letters?"</summary>
            <p class="hint">
                "The model, tuned even if the answer above is the untuned one's, is asked by letters about the same films in several orders. A good ranker follows the films; a bad \
                one prefers certain letters. The mean over the orders evens some of that preference out, not all: in a few orders \
                some films stand under a liked letter more often than others. Over very many orders a ranker without any preference \
                gives each letter 5\u{a0}%; with eight, chance alone gives some 2\u{a0}% and some 9\u{a0}%."
            </p>
            <Recorded of=Signal::derive(move || recorded.get().map(|(_, words)| words))/>
            <Show when=move || !ready.get()>
                <p class="hint">"To ask about your own films, load the ranker."</p>
            </Show>
            <div class="actions">
                <button id=ids::SHUFFLES type="button" aria-disabled=move || (!can_ask.get()).to_string() on:click=start>
                    {format!("Ask in {ORDERS} orders")}
                </button>
                <StopButton id=ids::STOP_SHUFFLES words="Stop" running=measuring/>
                <span class="hint" role="status">
                    {move || study().map(|study| format!("{} of {} orders asked.", study.answers.len(), study.orders))}
                </span>
            </div>
            {move || study().filter(|study| !study.answers.is_empty()).map(|study| view! { <Study study/> })}
        </details>
    }
}

#[component]
fn Study(
    /// What was shown so far.
    study: ShuffleStudy,
) -> impl IntoView {
    let most = letters(&study).iter().map(|gain| gain.probability).fold(f32::MIN_POSITIVE, f32::max);
    let gain = |gain: LetterGain| {
        view! {
            <li>
                <span class="letter">{gain.letter.to_string()}</span>
                <Bar share=gain.probability / most/>
                <span class="percent">{percent(gain.probability)}</span>
                <span class="grow hint">{format!("best {} times", gain.wins)}</span>
            </li>
        }
    };
    let film = |(n, film): (usize, Film)| {
        view! {
            <tr>
                <td class="place">{n + 1}</td>
                <th scope="row">{film.title}</th>
                <td>{percent(film.probability)}</td>
                <td>{format!("{} to {}", film.best, film.worst)}</td>
                <td>{format!("{:.1}", film.deviation)}</td>
            </tr>
        }
    };
    view! {
        <div class="figures">
            <div class="scroll" tabindex="0" role="region" aria-label="Films over all orders">
                <table id=ids::AVERAGE class="plain">
                    <caption>"Ranked by the mean over the orders. Spread: standard deviation of the place."</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Place"</th>
                            <th scope="col">"Film"</th>
                            <th scope="col">"Mean"</th>
                            <th scope="col">"Places"</th>
                            <th scope="col">"Spread"</th>
                        </tr>
                    </thead>
                    <tbody>{films(&study).into_iter().enumerate().map(film).collect_view()}</tbody>
                </table>
            </div>
            <div>
                <p class="hint">"What each letter gets, whatever stands under it. Without a preference all have 5\u{a0}%."</p>
                <ol id=ids::BIAS class="bars">{letters(&study).into_iter().map(gain).collect_view()}</ol>
            </div>
        </div>
    }
}
