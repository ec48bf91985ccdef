//! Two answers side by side: another way of asking, another order of the letters, another history.

use leptos::prelude::*;
use shared::trace::Trace;

use crate::{
    app::{browser, page::Page},
    compare::{about, asked, compare},
    ids,
    rows::movement,
    state::Outcome,
    update::Action,
};

/// The pin, and the comparison once something is pinned.
#[component]
pub fn Compare(
    /// The record on the screen.
    trace: Memo<Option<Trace>>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let pinned =
        Memo::new(move |_| page.state.with(|state| state.pinned.as_ref().map(|pinned| pinned.trace.clone())));
    let pin = move |_| {
        let outcome = trace.get_untracked().map(|trace| {
            let history = trace.history.iter().map(|item| item.item).collect();
            Box::new(Outcome { trace, history, record: None })
        });
        page.act(Action::Pin(outcome));
    };
    let unpin = move |_| {
        page.act(Action::Pin(None));
        browser::focus_soon(vec![ids::PIN.into()]);
    };
    view! {
        <h3>"The ranking, and what changes it"</h3>
        <div class="actions">
            <button id=ids::PIN type="button" on:click=pin>"Pin this answer"</button>
            <Show when=move || pinned.with(Option::is_some)>
                <button type="button" on:click=unpin>"Unpin"</button>
            </Show>
        </div>
        <p class="hint">
            "Pin an answer, then take another example or another way of asking and see which films move; with the ranker loaded also other letters and another history."
        </p>
        <table id=ids::COMPARISON class="plain">
            <caption>
                {move || trace.with(|trace| trace.as_ref().map(|now| {
                    pinned.with(|pinned| match pinned {
                        Some(pinned) => format!("The ranker’s own order. Pinned: {}. Now: {}.{}", about(pinned), about(now), tau(pinned, now)),
                        None => format!("The ranker’s own order, and the place of each film in the retriever’s: {}.", asked(now)),
                    })
                }))}
            </caption>
            <thead>
                <tr>
                    <th scope="col">"Now"</th>
                    <th scope="col">"Film"</th>
                    <th scope="col">{move || if pinned.with(Option::is_some) { "When pinned" } else { "Retriever" }}</th>
                </tr>
            </thead>
            <tbody>
                {move || trace.with(|trace| trace.as_ref().map(|now| pinned.with(|pinned| lines(pinned.as_ref(), now))))}
            </tbody>
        </table>
    }
}

fn tau(pinned: &Trace, now: &Trace) -> String {
    let comparison = compare(pinned, now);
    comparison.tau.map_or(String::new(), |tau| {
        format!(
            " Kendall’s tau {tau:.2} over the {} films in both (1: same order, 0: unrelated, -1: reversed).",
            comparison.lines.iter().filter(|line| line.before.is_some()).count()
        )
    })
}

/// One row a candidate; without anything pinned beside the retriever's order.
fn lines(pinned: Option<&Trace>, now: &Trace) -> impl IntoView + use<> {
    let comparison = compare(pinned.unwrap_or(now), now);
    let place_before = |n: usize, before: Option<usize>| match pinned {
        Some(_) => before,
        None => now
            .ranking
            .iter()
            .find(|ranked| ranked.title == comparison.lines[n].title)
            .map(|r| r.retriever_rank),
    };
    let rows = comparison.lines.iter().enumerate().map(|(n, line)| {
        let before = place_before(n, line.before);
        let than = if pinned.is_some() { "in the pinned answer" } else { "in the retriever’s order" };
        let moved = before.map(|before| movement(before as i64 - line.after as i64, than));
        view! {
            <tr>
                <td class="place">{line.after}</td>
                <th scope="row">{line.title.clone()}</th>
                <td>
                    {before.map_or("new".to_owned(), |before| before.to_string())}
                    {moved.map(|(mark, words)| view! {
                        <span class="move" aria-hidden="true">{mark}</span>
                        <span class="visually-hidden">{words}</span>
                    })}
                </td>
            </tr>
        }
    });
    rows.collect_view()
}
