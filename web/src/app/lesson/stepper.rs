//! The steps of the lesson, each with a question to answer before one looks.

use leptos::prelude::*;
use shared::trace::Trace;

use crate::{
    app::{browser, page::Page, radio::Radios},
    ids,
    lesson::{LESSON, STEPS},
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
                <span class="hint">{move || format!("Step {} of {STEPS}", step.get() + 1)}</span>
            </div>
        </div>
    }
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
    let step = &LESSON[n];
    let guess = Signal::derive(move || guesses.get()[n].and_then(Guess::choice));
    let verdict = move || {
        let guess = guess.get()?;
        let Some(answer) = trace.with(|trace| step.answer(trace.as_ref()?)) else {
            return Some(
                "This record does not say. Take an example, or ask the ranker by letters.".to_owned(),
            );
        };
        let head = if guess == answer.choice { "Yes." } else { "No." };
        Some(format!("{head} {}", answer.because))
    };
    let choices = step.choices.iter().map(|choice| (*choice).to_owned()).collect();
    view! {
        <div class="question">
            <p><strong>"First guess: "</strong>{step.question}</p>
            <Radios id=ids::QUESTION legend="Your guess" choices chosen=guess choose=move |choice| guesses.update(|guesses| guesses[n] = Some(Guess::Choice(choice)))/>
            <p id=ids::ANSWER role="status">{verdict}</p>
        </div>
    }
}
