//! The lesson: one forward pass and its reading by the verbalizer, on a record or on the visitor's own ranking.

mod ask;
mod comparison;
mod export;
mod figures;
mod formula;
mod shuffle;
mod stepper;

use leptos::prelude::*;

use super::{page::Page, prompt_view::Letters, race::Race};
use crate::{compare, ids, lesson::Part};
use ask::Ask;
use comparison::Compare;
use export::Export;
use figures::{LetterFigure, VocabularyFigure};
use formula::{FormulaView, Temperature};
use shuffle::Shuffle;
use stepper::Stepper;

/// The lesson's panel.
#[component]
pub fn Lesson() -> impl IntoView {
    let page = expect_context::<Page>();
    let trace = page.lesson();
    let missing = move || trace.with(Option::is_none);
    view! {
        <section id=ids::LESSON class="panel wide lesson" aria-labelledby="lesson-title">
            <h2 id="lesson-title">"How a language model ranks with one forward pass"</h2>
            <Stepper trace/>
            <Ask trace/>
            <p id=ids::LESSON_NOTE class="hint">{move || note(page, trace)}</p>
            <Show when=move || !missing()>
                <div class="figures">
                    <Figure part=Part::Letters>
                        <LetterFigure trace/>
                    </Figure>
                    <Figure part=Part::Vocabulary>
                        <VocabularyFigure trace/>
                    </Figure>
                </div>
                <Temperature/>
                <FormulaView trace/>
                <Figure part=Part::Prompt>
                    <Letters trace open=true/>
                </Figure>
                <Figure part=Part::Ranking>
                    <Compare trace/>
                </Figure>
                <Shuffle/>
                <Figure part=Part::Race>
                    <Race/>
                </Figure>
                <Export trace/>
            </Show>
        </section>
    }
}

/// A part of the lesson; the step that is about it marks it.
#[component]
fn Figure(
    /// Which.
    part: Part,
    children: Children,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let marked = move || page.state.with(|state| crate::lesson::LESSON[state.display.step].part == part);
    view! { <div class="figure" class:marked=marked>{children()}</div> }
}

/// Where the record on the screen is from.
fn note(page: Page, trace: Memo<Option<shared::trace::Trace>>) -> String {
    trace.with(|trace| {
        let Some(trace) = trace else {
            return "Load the ranker and ask it about your history, or take a recorded example.".to_owned();
        };
        let asked = compare::asked(trace);
        let device = &trace.provenance.device;
        page.state.with(|state| match &state.lesson {
            Some(outcome) if outcome.record.is_none() && outcome.history != state.history.items() => {
                format!("Your history has changed since this answer ({asked}): ask again.")
            }
            Some(outcome) if outcome.record.is_none() => format!("Computed here, on {device}: {asked}."),
            None if state.example().is_none() => format!("Computed here, on {device}: {asked}."),
            _ => format!("A record: {asked}. Nothing was loaded or computed for it on this device."),
        })
    })
}
