//! The two pictures that explain the verbalizer: the letters, and the whole vocabulary they are taken from.

use leptos::prelude::*;
use shared::trace::Trace;

use crate::{
    app::{bar::Bar, page::Page},
    format::percent,
    ids,
    letters::{LetterBar, TokenBar, letter_bars, token_bars},
};

/// The letters with their films, logits and probabilities.
#[component]
pub fn LetterFigure(
    /// The record.
    trace: Memo<Option<Trace>>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let temperature = Memo::new(move |_| page.state.with(|state| state.display.temperature));
    let bars = move || {
        let bars = trace.with(|trace| trace.as_ref().map(|trace| letter_bars(trace, temperature.get())));
        bars.unwrap_or_default()
    };
    let by_letters = move || trace.with(|trace| trace.as_ref().is_some_and(Trace::is_by_letters));
    let row = move |bar: LetterBar| {
        let place = bar.place;
        let light = move || page.lit.set(Some(place));
        view! {
            <li class:lit=move || page.lit.get() == Some(place)>
                <button
                    type="button"
                    on:click=move |_| light()
                    on:focus=move |_| light()
                    on:pointerenter=move |_| light()
                >
                    <span class="letter">{bar.letter.to_string()}</span>
                    <span class="film">{bar.title}</span>
                    <span class="logit"><span class="visually-hidden">"logit "</span>{format!("{:.2}", bar.logit)}</span>
                    <Bar share=bar.bar/>
                    <span class="percent">{percent(bar.probability)}</span>
                </button>
            </li>
        }
    };
    view! {
        <h3>{move || if by_letters() { "The twenty letters" } else { "The twenty films, each asked about alone" }}</h3>
        <p class="hint">
            {move || if by_letters() {
                "Logit of each letter and its softmax. Point at or tap one to see its numbers and its tokens."
            } else {
                "Logit of “yes” minus that of “no” for each film, and their softmax."
            }}
        </p>
        <ol id=ids::LETTERS class="bars">{move || bars().into_iter().map(row).collect_view()}</ol>
    }
}

/// The likeliest tokens of the whole vocabulary, and what share of it the letters have.
#[component]
pub fn VocabularyFigure(
    /// The record.
    trace: Memo<Option<Trace>>,
    /// Whether the share of the letters is not spoken of yet.
    early: Memo<bool>,
) -> impl IntoView {
    let read = move || {
        trace.with(|trace| {
            let ranker = trace.as_ref()?.ranker.as_ref()?;
            Some((token_bars(ranker), ranker.letter_mass))
        })
    };
    let row = |bar: TokenBar| {
        view! {
            <li class:is-letter=bar.is_letter>
                <code>{bar.token}</code>
                <span class="logit"><span class="visually-hidden">"logit "</span>{format!("{:.2}", bar.logit)}</span>
                <Bar share=bar.bar/>
                <span class="percent">{bar.probability.map(percent)}</span>
            </li>
        }
    };
    view! {
        <h3>"The whole vocabulary"</h3>
        {move || match read() {
            Some((bars, mass)) if !bars.is_empty() => view! {
                <p class="hint">"The likeliest next tokens, at temperature 1. The verbalizer ignores all but the letters, which are marked."</p>
                <ol id=ids::VOCABULARY class="bars">{bars.into_iter().map(row).collect_view()}</ol>
                <p id=ids::MASS>
                    {mass.filter(|_| !early.get()).map(|mass| format!("Of all probability, {} lies on the letters of the candidates.", percent(mass)))}
                </p>
            }.into_any(),
            _ => view! {
                <p class="hint">
                    "Asked film by film, only “yes” and “no” are compared. Ask by letters to see the whole vocabulary."
                </p>
            }.into_any(),
        }}
    }
}
