//! The lesson: one forward pass and its reading by the verbalizer, on a record or on the visitor's own ranking.

mod ask;
mod comparison;
mod export;
mod figures;
mod formula;
mod shuffle;
mod stepper;

use leptos::prelude::*;

use shared::trace::Trace;

use super::{browser, history_list::Examples, page::Page, prompt_view::Letters, race::Race};
use crate::{
    compare, ids,
    lesson::{LESSON, Topic},
    state::{Outcome, State},
    update::Action,
};
use ask::Ask;
use comparison::Compare;
use export::Export;
use figures::{LetterFigure, VocabularyFigure};
use formula::{FormulaView, Temperature};
use shuffle::Shuffle;
use stepper::{Guess, Guesses, Stepper};

/// The pictures of the lesson, in the order in which they stand until a step asks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Picture {
    Scores,
    Prompt,
    Ranking,
    Shuffle,
    Race,
}

impl Picture {
    const ALL: [Self; 5] = [Self::Scores, Self::Prompt, Self::Ranking, Self::Shuffle, Self::Race];

    /// The picture that a step is about.
    fn of(topic: Topic) -> Option<Self> {
        match topic {
            Topic::History => None,
            Topic::Letters | Topic::Vocabulary => Some(Self::Scores),
            Topic::Prompt => Some(Self::Prompt),
            Topic::Candidates | Topic::Ranking => Some(Self::Ranking),
            Topic::Race => Some(Self::Race),
        }
    }

    /// Whether the answer to a step's question can be read off it.
    fn tells(self, topic: Topic) -> bool {
        let others = match topic {
            // The bars show the order, and so does, nearly, the mean over other orders.
            Topic::Ranking => &[Self::Scores, Self::Shuffle][..],
            // The race begins with the same prompt, and with the likeliest token.
            Topic::Prompt | Topic::Vocabulary => &[Self::Race],
            _ => &[],
        };
        Self::of(topic) == Some(self) || others.contains(&self)
    }
}

/// The lesson's panel.
#[component]
pub fn Lesson() -> impl IntoView {
    let page = expect_context::<Page>();
    let trace = page.lesson();
    let marked = Memo::new(move |_| page.state.with(|state| Picture::of(LESSON[state.display.step].topic)));
    let guesses = RwSignal::new(Guesses::default());
    // Nobody guesses what can be seen below the question.
    let hidden = Memo::new(move |_| {
        let step = page.state.with(|state| state.display.step);
        let can_be_said =
            || trace.with(|trace| trace.as_ref().is_some_and(|trace| LESSON[step].answer(trace).is_some()));
        (LESSON[step].hides && guesses.get()[step].is_none() && can_be_said()).then_some(step)
    });
    // What a step speaks of stands right below it.
    let pictures = move || {
        let mut pictures = Picture::ALL.to_vec();
        pictures.sort_by_key(|&picture| Some(picture) != marked.get());
        pictures
    };
    let alone = move |_| {
        page.act(Action::Guided(true));
        browser::focus_soon(vec![ids::STEP_TITLE.into()]);
    };
    view! {
        <section id=ids::LESSON class="panel wide lesson" aria-labelledby="lesson-title">
            <h2 id="lesson-title">"How a language model ranks with one forward pass"</h2>
            <Stepper trace guesses/>
            // Whoever sees the lesson alone has the way back at its end.
            <Show when=move || !page.state.with(State::is_guided)>
                <p class="class">
                    <button id=ids::GUIDED type="button" on:click=alone>"Show only the lesson"</button>
                    <span class="hint">
                        "For a class. The address of the page then opens this step, with this history, way of asking and temperature."
                    </span>
                </p>
            </Show>
            <Show when=move || page.state.with(State::is_guided)>
                <Examples/>
            </Show>
            <Ask trace/>
            <p id=ids::LESSON_NOTE class="hint">{move || note(page, trace)}</p>
            <Show when=move || trace.with(Option::is_some)>
                <For each=pictures key=|picture| *picture let(picture)>
                    <Show when=move || marked.get() == Some(picture)>
                        <HiddenNote hidden guesses/>
                    </Show>
                    <div
                        class="figure"
                        class:marked=move || marked.get() == Some(picture)
                        hidden=move || hidden.get().is_some_and(|step| picture.tells(LESSON[step].topic))
                    >
                        {match picture {
                            Picture::Scores => view! {
                                <div class="figures">
                                    <div><LetterFigure trace/></div>
                                    <div><VocabularyFigure trace/></div>
                                </div>
                                <Temperature/>
                                <FormulaView trace/>
                            }.into_any(),
                            Picture::Prompt => view! { <Letters trace open=true/> }.into_any(),
                            Picture::Ranking => view! { <Compare trace/> }.into_any(),
                            Picture::Shuffle => view! { <Shuffle/> }.into_any(),
                            Picture::Race => view! { <Race/> }.into_any(),
                        }}
                    </div>
                </For>
                <Export trace/>
            </Show>
        </section>
    }
}

/// Says that a picture is hidden, and shows it to those who do not want to guess.
#[component]
fn HiddenNote(
    /// The step whose picture is hidden, if it is.
    hidden: Memo<Option<usize>>,
    /// What was guessed.
    guesses: RwSignal<Guesses>,
) -> impl IntoView {
    move || {
        hidden.get().map(|step| {
            let look = move |_| {
                guesses.update(|guesses| guesses[step] = Some(Guess::Looked));
                browser::focus_soon(vec![ids::STEP_NEXT.into()]);
            };
            view! {
                <div class="figure marked covered">
                    <p>"The answer can be read off what stands here and below. Guess first; then it appears."</p>
                    <button id=ids::REVEAL type="button" on:click=look>"Show it without a guess"</button>
                </div>
            }
        })
    }
}

/// Where the answer on the screen is from.
fn note(page: Page, trace: Memo<Option<Trace>>) -> String {
    trace.with(|trace| {
        let Some(trace) = trace else {
            return "Load the ranker and ask it about your history, or open a record.".to_owned();
        };
        let asked = compare::asked(trace);
        let here = format!("Computed here, on {}: asked {asked}.", trace.provenance.device);
        page.state.with(|state| match (&state.lesson, state.example(), &state.result) {
            (Some(Outcome { record: Some(_), .. }), _, _)
            | (None, None, Some(Outcome { record: Some(_), .. })) => format!("Recorded answer: asked {asked}."),
            (Some(outcome), _, _) if outcome.history != state.history.items() => {
                format!("Your history has changed since this answer (asked {asked}): ask again.")
            }
            (Some(_), _, _) => here,
            (None, Some(_), _) => format!("Recorded answer: asked {asked}. No model was loaded for it."),
            (None, None, Some(result)) if result.trace.is_ranked() => here,
            (None, None, _) => format!(
                "Recorded answer of the first example: asked {asked}. To see your own history here, load the ranker."
            ),
        })
    })
}
