//! The race of the paper's Figure 3, on the visitor's own device: one pass through the verbalizer against writing the
//! ranking out.

use leptos::prelude::*;
use shared::protocol::{Race as Standing, RaceEnd};

use super::{page::Page, recorded::Recorded, stop_button::StopButton};
use crate::{
    format::{duration, films, times},
    ids,
    state::State,
    update::Action,
};

/// A disclosure with both runners.
#[component]
pub fn Race(
    /// Whether it is what is spoken of, and so open.
    open: Signal<bool>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let ready = Memo::new(move |_| page.state.with(State::has_ranker));
    let running = Memo::new(move |_| page.state.with(State::is_racing));
    let own = Memo::new(move |_| page.state.with(|state| state.race().cloned()));
    let recorded = Memo::new(move |_| {
        own.with(Option::is_none).then(|| page.recorded(|example| &example.race)).flatten()
    });
    let race = Memo::new(move |_| match recorded.get() {
        Some((race, _)) => Some(race),
        None => own.with(|own| own.as_ref()?.race.clone()),
    });
    view! {
        <details id=ids::RACE class="prompt race" open=move || open.get()>
            <summary>"Race: one pass against writing the ranking out"</summary>
            <p class="hint">
                "Most language models would write the twenty titles in their new order, one token after another. Here \
                both are asked about the same films: the tuned model answers by letter in one pass, and the same base model \
                without its adapter, which was taught letters only, writes."
            </p>
            <Recorded of=Signal::derive(move || recorded.get().map(|(_, words)| words))/>
            <Show when=move || !ready.get()>
                <p class="hint">"To race on your own device, load the ranker."</p>
            </Show>
            <div class="actions">
                <button
                    id=ids::START_RACE
                    type="button"
                    aria-disabled=move || page.state.with(|state| !state.can_race()).to_string()
                    on:click=move |_| page.act(Action::Race)
                >
                    "Start the race"
                </button>
                <StopButton id=ids::STOP_RACE words="Stop writing" running/>
            </div>
            <dl class="runners">
                <div>
                    <dt>"One pass, read by letters"</dt>
                    <dd id=ids::RACE_PASS>{move || race.with(|race| pass(race.as_ref(), running.get()))}</dd>
                </div>
                <div>
                    <dt>"Writing token by token"</dt>
                    <dd id=ids::RACE_WRITING>{move || race.with(|race| writing(race.as_ref()))}</dd>
                </div>
            </dl>
            <pre id=ids::RACE_TEXT tabindex="0" aria-label="What the model writes">
                {move || race.with(|race| race.as_ref().map(|race| race.text.clone()))}
            </pre>
            <p id=ids::RACE_RESULT>{move || race.with(|race| race.as_ref().and_then(result))}</p>
            <p class="hint">
                "In the paper, a Llama with 7 billion weights took 56\u{a0}s to write titles of 20 tokens each, and less than \
                1\u{a0}s for one pass."
            </p>
        </details>
    }
}

fn pass(race: Option<&Standing>, running: bool) -> String {
    match race {
        Some(race) => {
            let time = duration(race.pass_ms);
            format!(
                "{time}: all {} ranked, {} tokens read at once",
                films(race.candidates),
                race.prompt_tokens
            )
        }
        None if running => "running …".into(),
        None => "not started".into(),
    }
}

fn writing(race: Option<&Standing>) -> String {
    match race {
        Some(race) if race.tokens > 0 => {
            let rate = race.tokens as f64 / race.writing_ms * 1e3;
            format!("{}: {} tokens, {rate:.0} a second", duration(race.writing_ms), race.tokens)
        }
        Some(_) => "reads the prompt …".into(),
        None => "not started".into(),
    }
}

/// What an ended race showed.
fn result(race: &Standing) -> Option<String> {
    let end = match race.end? {
        RaceEnd::Said => "The model ended its text",
        RaceEnd::Full => "The text was cut at the length of a full ranking,",
        RaceEnd::Stopped => "You stopped the writing before its end,",
    };
    let times = times(race.writing_ms / race.pass_ms);
    Some(format!(
        "{end} after {times} as long as one pass takes. It names {} of the {} candidates; a text can name films that are no \
        candidates, or one twice, which letters cannot.",
        race.named, race.candidates
    ))
}
