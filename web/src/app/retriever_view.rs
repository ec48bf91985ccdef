//! The first stage at work: a history read film by film, and the scores of the whole catalogue.

use leptos::prelude::*;
use shared::protocol::{Walk, WalkStep};

use super::page::Page;
use crate::{
    format::{duration, films},
    ids,
    state::{Retriever, State},
    view::View,
};

/// The panel of the retriever.
#[component]
pub fn RetrieverView() -> impl IntoView {
    let page = expect_context::<Page>();
    let walk = Memo::new(move |_| {
        page.state.with(|state| state.walk.clone().filter(|_| !state.history.items().is_empty()))
    });
    view! {
        <section class="panel wide" aria-labelledby=ids::title(View::Retriever)>
            <h2 id=ids::title(View::Retriever) tabindex="-1">"How the retriever reads your history"</h2>
            {move || match walk.get() {
                Some(walk) => view! { <WalkTable walk/> }.into_any(),
                None => view! { <p class="note">{move || page.state.with(awaited)}</p> }.into_any(),
            }}
        </section>
    }
}

/// Why there is nothing to see.
fn awaited(state: &State) -> &'static str {
    match state.retriever {
        _ if state.history.items().is_empty() => "Add a film: the retriever reads along.",
        Retriever::Loading => "The retriever is on its way…",
        Retriever::Failed => "The retriever could not be loaded.",
        Retriever::Ready => "The retriever reads your history as soon as nothing else is computed…",
    }
}

#[component]
fn WalkTable(
    /// What the retriever did.
    walk: Walk,
) -> impl IntoView {
    let Walk { steps, items, state, anew_ms, histogram, scores } = walk;
    let mut times: Vec<f64> = steps.iter().map(|step| step.ms).collect();
    times.sort_by(f64::total_cmp);
    let one = times.get(times.len() / 2).copied().unwrap_or(0.0);
    let cost = if state > 0 {
        format!(
            "LRURec is a recurrent network: all it remembers of a history is {state} complex numbers, however long the history \
             is. One more film and new scores take {} here; reading all {} anew takes {}.",
            duration(one),
            films(steps.len()),
            duration(anew_ms),
        )
    } else {
        format!("This retriever reads the whole history anew for every film: {} here.", duration(anew_ms))
    };
    let row = |(n, step): (usize, WalkStep)| {
        let expected = match step.expected {
            Some(place) => format!("no. {place} of {items}"),
            None => "–".to_owned(),
        };
        view! {
            <tr>
                <td class="place">{n + 1}</td>
                <th scope="row">{step.title}</th>
                <td>{expected}</td>
                <td>{step.best.join(", ")}</td>
            </tr>
        }
    };
    view! {
        <p class="hint">{cost}</p>
        <div class="scroll" tabindex="0" role="region" aria-label="The history film by film">
            <table id=ids::WALK class="plain">
                <caption>"Oldest first. Did it expect the film you chose, and what would it have suggested next?"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Place"</th>
                        <th scope="col">"Film"</th>
                        <th scope="col">"Its rank beforehand"</th>
                        <th scope="col">"Its best three after it"</th>
                    </tr>
                </thead>
                <tbody>{steps.into_iter().enumerate().map(row).collect_view()}</tbody>
            </table>
        </div>
        <Histogram histogram scores/>
    }
}

/// How many films have which score.
#[component]
fn Histogram(
    /// Films in each step from the lowest score to the highest.
    histogram: Vec<usize>,
    /// Lowest, highest, and lowest of the candidates.
    scores: [f32; 3],
) -> impl IntoView {
    let [low, high, candidate] = scores;
    let most = histogram.iter().copied().max().unwrap_or(1).max(1) as f32;
    let width = 100.0 / histogram.len().max(1) as f32;
    let step = (high - low) / histogram.len().max(1) as f32;
    let words = format!(
        "The scores of all films you have not seen lie between {low:.1} and {high:.1}. The twenty candidates are the few on the \
         right, from {candidate:.1} up."
    );
    let bars = histogram.into_iter().enumerate().map(|(n, count)| {
        let height = 40.0 * (1.0 + count as f32).ln() / (1.0 + most).ln();
        let class = if low + (n + 1) as f32 * step > candidate { "fill" } else { "rest" };
        view! {
            <rect
                class=class
                x=format!("{:.2}", n as f32 * width)
                y=format!("{:.2}", 40.0 - height)
                width=format!("{:.2}", 0.85 * width)
                height=format!("{height:.2}")
            />
        }
    });
    view! {
        <h3>"Scores of the whole catalogue"</h3>
        <svg id=ids::SCORES class="histogram" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label=words.clone()>
            {bars.collect_view()}
        </svg>
        <p class="hint">{words}" Bar heights are logarithmic."</p>
    }
}
