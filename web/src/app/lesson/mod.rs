//! The lesson: one forward pass and its reading by the verbalizer, on a record or on the visitor's own ranking.

mod ask;
mod comparison;
mod export;
mod figures;
mod formula;
mod heading;
mod shuffle;
mod stages;
mod stepper;

use leptos::prelude::*;

use shared::trace::Trace;

use super::{
    browser,
    history_list::Examples,
    page::Page,
    prompt_view::{Letters, Pointwise},
    race::Race,
};
use crate::{
    compare, ids,
    lesson::{LESSON, Topic},
    spoken::SpokenOf,
    state::{Outcome, State},
    view::View,
};
use ask::Ask;
use comparison::Compare;
use export::Export;
use figures::{LetterFigure, VocabularyFigure};
use formula::{FormulaView, Temperature};
use heading::Heading;
use shuffle::Shuffle;
use stages::{CandidatesFigure, HistoryFigure};
use stepper::{Guess, Guesses, Stepper};

/// The pictures of the lesson, in the order in which they stand until a step asks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Picture {
    History,
    Candidates,
    Scores,
    Prompt,
    Ranking,
    Shuffle,
    Race,
}

impl Picture {
    const ALL: [Self; 7] = [
        Self::History,
        Self::Candidates,
        Self::Scores,
        Self::Prompt,
        Self::Ranking,
        Self::Shuffle,
        Self::Race,
    ];

    /// The pictures that a step is about.
    fn of(topic: Topic) -> &'static [Self] {
        match topic {
            Topic::History => &[Self::History],
            Topic::Candidates => &[Self::Candidates],
            Topic::Letters | Topic::Vocabulary => &[Self::Scores],
            Topic::Prompt => &[Self::Prompt],
            Topic::Ranking => &[Self::Ranking, Self::Shuffle],
            Topic::Race => &[Self::Race],
        }
    }

    /// Whether the answer to a step's question can be read off it.
    fn tells(self, topic: Topic) -> bool {
        let others = match topic {
            // The bars show the order.
            Topic::Ranking => &[Self::Scores][..],
            // The race begins with the same prompt, and with the likeliest token.
            Topic::Prompt | Topic::Vocabulary => &[Self::Race],
            _ => &[],
        };
        Self::of(topic).contains(&self) || others.contains(&self)
    }
}

/// The lesson's panel.
#[component]
pub fn Lesson() -> impl IntoView {
    let page = expect_context::<Page>();
    let trace = page.lesson();
    let alone = Memo::new(move |_| page.state.with(State::is_guided));
    let marked = Memo::new(move |_| page.state.with(|state| Picture::of(LESSON[state.display.step].topic)));
    let is_marked = move |picture: Picture| Signal::derive(move || marked.get().contains(&picture));
    let of_vocabulary =
        move || page.state.with(|state| LESSON[state.display.step].topic == Topic::Vocabulary);
    // A later step asks for it.
    let early = Memo::new(move |_| {
        let last = LESSON.iter().rposition(|step| step.topic == Topic::Vocabulary);
        alone.get() && page.state.with(|state| Some(state.display.step) < last)
    });
    let guesses = RwSignal::new(Guesses::default());
    // What was guessed about another history is no guess about this one.
    let history = Memo::new(move |_| page.state.with(|state| state.history.items().to_vec()));
    Effect::watch(move || history.get(), move |_, _, _| guesses.set(Guesses::default()), false);
    // Nobody guesses what can be seen below the question.
    let hidden = Memo::new(move |_| {
        let step = page.state.with(|state| state.display.step);
        let can_be_said =
            || trace.with(|trace| trace.as_ref().is_some_and(|trace| LESSON[step].answer(trace).is_some()));
        (LESSON[step].hides && guesses.get()[step].is_none() && can_be_said()).then_some(step)
    });
    // What a step speaks of stands first; a class sees nothing else.
    let pictures = move || {
        let marked = marked.get();
        let others = Picture::ALL.into_iter().filter(|picture| !alone.get() && !marked.contains(picture));
        marked.iter().copied().chain(others).collect::<Vec<_>>()
    };
    view! {
        <section id=ids::LESSON class="panel wide lesson" aria-labelledby=ids::title(View::Lesson)>
            <Heading/>
            <div class="talk">
                <Stepper trace guesses/>
                <Show when=move || alone.get()>
                    <Examples/>
                </Show>
                <Ask trace/>
                <p id=ids::LESSON_NOTE class="hint">{move || note(page, trace)}</p>
            </div>
            <div class="pictures">
                <Show when=move || trace.with(Option::is_some)>
                    <HiddenNote hidden guesses/>
                    <For each=pictures key=|picture| *picture let(picture)>
                        <div
                            class="figure"
                            class:marked=is_marked(picture)
                            hidden=move || hidden.get().is_some_and(|step| picture.tells(LESSON[step].topic))
                        >
                            {match picture {
                                Picture::History => view! { <HistoryFigure trace/> }.into_any(),
                                Picture::Candidates => view! { <CandidatesFigure trace/> }.into_any(),
                                Picture::Scores => view! {
                                    <Temperature/>
                                    <div class="figures" class:of-vocabulary=of_vocabulary>
                                        <div><LetterFigure trace/></div>
                                        <div><VocabularyFigure trace early/></div>
                                    </div>
                                    <FormulaView trace/>
                                }.into_any(),
                                Picture::Prompt => view! {
                                    <Letters trace open=true/>
                                    <Pointwise trace open=true/>
                                }.into_any(),
                                Picture::Ranking => view! { <Compare trace/> }.into_any(),
                                Picture::Shuffle => view! { <Shuffle open=is_marked(picture)/> }.into_any(),
                                Picture::Race => view! { <Race open=is_marked(picture)/> }.into_any(),
                            }}
                        </div>
                    </For>
                    <Export trace/>
                </Show>
            </div>
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
        let loaded = page.state.with(State::has_ranker);
        let ask = if loaded { "" } else { " To ask the model yourself, load the ranker." };
        page.state.with(|state| match state.spoken_of() {
            SpokenOf::Answer(Outcome { record: Some(_), .. }) | SpokenOf::Example(_) => {
                format!("Recorded answer: asked {asked}.{ask}")
            }
            SpokenOf::Answer(_) if state.history.items().is_empty() => {
                format!("Your history is empty: add a film. This answer (asked {asked}) is of one before.")
            }
            SpokenOf::Answer(outcome) if outcome.history != state.history.items() => {
                format!("Your history has changed since this answer (asked {asked}): ask again.")
            }
            SpokenOf::Answer(_) => here,
            SpokenOf::StandIn(example) => {
                let example = page.example_name(example).unwrap_or_default();
                format!(
                    "Recorded answer of the example “{example}”: asked {asked}. To see your own films here, load the ranker."
                )
            }
        })
    })
}
