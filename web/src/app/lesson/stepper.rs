//! The steps of the lesson, each with a question to answer before one looks.

use leptos::{ev, prelude::*};
use shared::trace::{Asking, Trace};

use crate::{
    app::{browser, page::Page, radio::Radios},
    ids,
    lesson::{LESSON, STEPS},
    spoken::ByLetters,
    state::State,
    update::Action,
};

/// What was guessed at each step.
pub type Guesses = [Option<Guess>; STEPS];

/// What came before the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// This choice.
    Choice(usize),
    /// A look without a guess.
    Looked,
}

impl Guess {
    fn choice(self) -> Option<usize> {
        match self {
            Self::Choice(choice) => Some(choice),
            Self::Looked => None,
        }
    }
}

/// Title, text, question and the way to the next step.
#[component]
pub fn Stepper(
    /// The record that questions are about.
    trace: Memo<Option<Trace>>,
    /// What was guessed.
    guesses: RwSignal<Guesses>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let step = Memo::new(move |_| page.state.with(|state| state.display.step));
    let go = move |to: usize| {
        page.act(Action::Step(to));
        browser::focus_soon(vec![ids::STEP_TITLE.into()]);
    };
    let alone = Memo::new(move |_| page.state.with(State::is_guided));
    turn_by_clicker(move |by| {
        if alone.get_untracked()
            && let Some(to) = step.get_untracked().checked_add_signed(by).filter(|&to| to < STEPS)
        {
            go(to);
        }
        alone.get_untracked()
    });
    view! {
        <div class="step">
            {move || {
                let n = step.get();
                let here = &LESSON[n];
                view! {
                    <h3 id=ids::STEP_TITLE tabindex="-1">{format!("{}. {}", n + 1, here.title)}</h3>
                    <p>{here.text}</p>
                    <Question n trace guesses/>
                }
            }}
            <div class="actions">
                <button
                    id=ids::STEP_BACK
                    type="button"
                    disabled=move || step.get() == 0
                    on:click=move |_| go(step.get_untracked().saturating_sub(1))
                >"Back"</button>
                <button
                    id=ids::STEP_NEXT
                    type="button"
                    class="primary"
                    disabled=move || step.get() + 1 == STEPS
                    on:click=move |_| go(step.get_untracked() + 1)
                >"Next"</button>
                <span class="hint">
                    {move || format!("Step {} of {STEPS}", step.get() + 1)}
                    {move || alone.get().then_some(". PageDown and PageUp, or a presenter’s clicker, turn them.")}
                </span>
            </div>
        </div>
    }
}

/// PageDown and PageUp, which presenters' clickers send, turn the steps; `turn` says whether it takes them.
fn turn_by_clicker(turn: impl Fn(isize) -> bool + 'static) {
    let handle = window_event_listener(ev::keydown, move |event| {
        // With another key they are the browser's, for example to change the tab.
        let together = [event.ctrl_key(), event.alt_key(), event.shift_key(), event.meta_key()];
        let by = match event.key().as_str() {
            _ if together.contains(&true) => return,
            "PageDown" => 1,
            "PageUp" => -1,
            _ => return,
        };
        // What can itself be moved by these keys keeps them; a choice that was made cannot.
        let moved = "input:not([type=radio]):not([type=checkbox]), select, pre";
        let element = document().active_element();
        let takes = element.and_then(|element| element.closest(moved).ok().flatten()).is_some();
        if !takes && turn(by) {
            event.prevent_default();
        }
    });
    on_cleanup(move || handle.remove());
}

/// Predict, then look.
#[component]
fn Question(
    /// The step.
    n: usize,
    /// The record.
    trace: Memo<Option<Trace>>,
    /// What was guessed.
    guesses: RwSignal<Guesses>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let step = &LESSON[n];
    let guess = Signal::derive(move || guesses.get()[n].and_then(Guess::choice));
    let answer = Memo::new(move |_| trace.with(|trace| step.answer(trace.as_ref()?)));
    // Most steps are about letters.
    let film_by_film = Memo::new(move |_| {
        let unsaid = answer.with(Option::is_none);
        unsaid && trace.with(|trace| trace.as_ref().is_some_and(|trace| trace.pointwise.is_some()))
    });
    let verdict = move || {
        let guess = guess.get()?;
        Some(answer.with(|answer| match answer {
            None => "This record does not say. Take an example, or ask the ranker by letters.".to_owned(),
            Some(answer) => {
                let head = if guess == answer.choice { "Yes." } else { "No." };
                format!("{head} {}", answer.because)
            }
        }))
    };
    let by_letters = move |_| {
        let untuned = page.state.with_untracked(|state| state.asking.untuned);
        page.act(Action::Ask(Asking { letters: true, untuned, order: Vec::new() }));
        // The button goes with what it is about.
        browser::focus_soon(vec![ids::STEP_TITLE.into()]);
    };
    let way = Memo::new(move |_| page.state.with(State::by_letters));
    let again = move |_| {
        guesses.update(|guesses| guesses[n] = None);
        browser::focus_soon(vec![ids::choice(ids::QUESTION, 0)]);
    };
    let choices = step.choices.iter().map(|choice| (*choice).to_owned()).collect();
    view! {
        <div class="question">
            <p><strong>"First guess: "</strong>{step.question}</p>
            <Radios id=ids::QUESTION legend="Your guess" choices chosen=guess choose=move |choice| guesses.update(|guesses| guesses[n] = Some(Guess::Choice(choice)))/>
            <p id=ids::ANSWER role="status">{verdict}</p>
            // Another class guesses anew.
            <Show when=move || guesses.with(|guesses| guesses[n].is_some())>
                <button id=ids::GUESS_AGAIN type="button" on:click=again>"Guess again"</button>
            </Show>
            <Show when=move || film_by_film.get()>
                <p class="note">
                    "This step is about letters, and the answer on the screen was given film by film. "
                    {move || match way.get() {
                        ByLetters::Load => "Load the ranker, or take an example, to see one by letters.".into_any(),
                        ByLetters::Ask | ByLetters::Wait => view! {
                            <button
                                id=ids::BY_LETTERS
                                type="button"
                                disabled=move || way.get() == ByLetters::Wait
                                on:click=by_letters
                            >"Ask by letters"</button>
                        }.into_any(),
                    }}
                </p>
            </Show>
        </div>
    }
}
