//! The twenty candidates and their order, with what each stage says of them once a ranker has read them.

use leptos::prelude::*;
use shared::{CANDIDATES, trace::Trace};

use super::{
    bar::Bar,
    page::Page,
    part::{Part, Turn, all_drawn},
    radio::Radios,
    reading::Reading,
};
use crate::{
    format::{duration, percent},
    ids,
    rows::{Cell, Row, movement, order_note, rows},
    state::{Record, Shown, State, Verdict},
    update::Action,
};

/// Rows of a part.
const ROWS: usize = CANDIDATES / Turn::ROWS.len();

/// Note, order switch, table and times.
#[component]
pub fn RankingTable() -> impl IntoView {
    let page = expect_context::<Page>();
    let trace =
        Memo::new(move |_| page.state.with(|state| state.result.as_ref().map(|result| result.trace.clone())));
    let shown = Memo::new(move |_| page.state.with(|state| state.shown));
    let verdict = Memo::new(move |_| page.state.with(State::verdict));
    let has_ranker = move || matches!(verdict.get(), Some(Verdict::UntunedBase | Verdict::Fused));
    let untuned = move || verdict.get() == Some(Verdict::UntunedBase);
    let fused = Signal::derive(move || verdict.get() == Some(Verdict::Fused));
    let outdated = move || page.state.with(|state| state.is_stale() || state.awaits_ranker());
    let letters = Memo::new(move |_| trace.with(|trace| trace.as_ref().is_some_and(Trace::is_by_letters)));
    let all_rows = Memo::new(move |_| {
        trace.with(|trace| trace.as_ref().map(|trace| rows(trace, shown.get())).unwrap_or_default())
    });
    let ranker = move || match (untuned(), letters.get()) {
        (true, _) => "Ranker (untuned base model)",
        (false, true) => "Ranker (by letters)",
        (false, false) => "Ranker (film by film)",
    };
    let drawn = move |(n, turn): (usize, Turn)| {
        let places = n * ROWS..(n + 1) * ROWS;
        let part = move || {
            let letters = letters.get();
            all_rows.with(|rows| {
                let rows = rows.iter().skip(places.start).take(places.len()).cloned();
                rows.map(|row| view! { <RankingRow row letters/> }).collect_view()
            })
        };
        view! { <Part turn>{part.clone()}</Part> }
    };
    view! {
        <Show when=move || trace.with(Option::is_some) fallback=Empty>
            <Recorded/>
            <p id=ids::ORDER_NOTE class="note" class:warn=untuned>
                {move || trace.with(|trace| trace.as_ref().map(|trace| order_note(trace, shown.get())))}
            </p>
            <Progress/>
            <Show when=has_ranker>
                <OrderSwitch shown fused/>
            </Show>
            <table id=ids::RANKING class:stale=outdated>
                <caption class="visually-hidden">"The twenty candidates in the order shown"</caption>
                <thead>
                    <tr>
                        <th scope="col">"Place"</th>
                        <th scope="col">"Film"</th>
                        <Show when=move || fused.get()>
                            <th scope="col">"Together"</th>
                        </Show>
                        <th scope="col">"Retriever"</th>
                        <Show when=has_ranker>
                            <th scope="col">{ranker}</th>
                        </Show>
                    </tr>
                </thead>
                <tbody>
                    {Turn::ROWS.into_iter().enumerate().map(drawn).collect_view()}
                </tbody>
            </table>
            <p class="hint">
                "Per cent: share among the twenty candidates."
                {move || has_ranker().then_some(" ▲ ▼: places gained or lost against the retriever.")}
            </p>
            <p id=ids::TIMINGS class="hint">{move || trace.with(|trace| trace.as_ref().map(timings))}</p>
        </Show>
    }
}

/// Says that the recommendation on the screen is a record.
#[component]
fn Recorded() -> impl IntoView {
    let page = expect_context::<Page>();
    let record = move || {
        let record = page.state.with(|state| state.fresh()?.record.clone())?;
        let (badge, text) = match record {
            Record::Example(n) => {
                let name = page.example_name(n)?;
                ("Recorded example", format!(" {name}, computed beforehand; no model was loaded."))
            }
            Record::File => ("Opened record", " It was computed elsewhere or earlier.".to_owned()),
        };
        Some(view! {
            <p id=ids::RECORDED class="note">
                <span class="badge">{badge}</span>
                {text}
                " “Recommend” computes it here: without the ranker only the first stage."
            </p>
        })
    };
    view! { {record} }
}

/// What stands there before the first recommendation.
#[component]
fn Empty() -> impl IntoView {
    let page = expect_context::<Page>();
    let empty = move || page.state.with(|state| state.history.items().is_empty());
    view! {
        <p class="note">
            {move || if empty() { "Add some films and press" } else { "Your films are there: press" }}
            " “Recommend”. The retriever, about a megabyte, answers at once; the ranker is a \
            language model that you can load when you want to see it read the candidates."
        </p>
    }
}

/// Says that something is being computed, or that the result is of an earlier history.
#[component]
fn Progress() -> impl IntoView {
    let page = expect_context::<Page>();
    let text = move || {
        page.state.with(|state| {
            if state.awaits_ranker() {
                Some("The ranker is reading…")
            } else if state.is_racing() {
                Some("The race of the lesson goes on.")
            } else if state.is_measuring() {
                Some("Films or letters are being measured.")
            } else if state.asks_for_lesson() {
                Some("The ranker is reading for the lesson…")
            } else if state.is_busy() {
                Some("The retriever is searching…")
            } else if state.is_stale() {
                Some(if state.history.items().is_empty() {
                    "Your history is empty: add a film. Below is what was recommended before."
                } else {
                    "Your history has changed: recommend again."
                })
            } else {
                None
            }
        })
    };
    view! {
        <p class="state" role="status">{text}</p>
        <Show when=move || page.state.with(State::is_racing)>
            <p class="reading">
                <button type="button" on:click=move |_| page.act(Action::Stop)>"Stop"</button>
            </p>
        </Show>
        <Reading/>
    }
}

/// Whose order the table shows.
#[component]
fn OrderSwitch(
    /// The order shown now.
    shown: Memo<Shown>,
    /// Whether a tuned ranker ran.
    fused: Signal<bool>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    move || {
        let orders: &[(Shown, &str)] = if fused.get() {
            &[
                (Shown::Final, "Final order"),
                (Shown::Retriever, "Retriever alone"),
                (Shown::Ranker, "Ranker alone"),
            ]
        } else {
            &[(Shown::Final, "Final order"), (Shown::Ranker, "Ranker alone")]
        };
        let chosen = Signal::derive(move || orders.iter().position(|order| order.0 == shown.get()));
        let choices = orders.iter().map(|order| order.1.to_owned()).collect();
        let choose = move |n: usize| page.act(Action::Show(orders[n].0));
        view! { <Radios id=ids::ORDER legend="Order shown" choices chosen choose/> }
    }
}

/// One candidate.
#[component]
fn RankingRow(
    /// What the row shows.
    row: Row,
    /// Whether the ranker answered with index letters.
    letters: bool,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let genres = page.bundle.with_untracked(|bundle| {
        let item = bundle.as_ref().and_then(|bundle| bundle.catalog.get(row.item));
        item.map(|item| item.genres.join(", ")).unwrap_or_default()
    });
    // While the page is being drawn it has better things to do.
    let arrives = all_drawn(page.drawn);
    view! {
        <tr data-item=row.item.0 class:arrives=arrives>
            <td class="place">{row.place}</td>
            <th scope="row"><span class="film">{row.title}</span><span class="genres">{genres}</span></th>
            {row.fused.map(|cell| view! {
                <td class="fused">
                    <Bar share=cell.bar/>
                    <span class="share">{percent(cell.probability)}</span>
                    <Move cell by="both stages"/>
                </td>
            })}
            <td class="retriever">
                {if row.ranker.is_some() {
                    view! { <abbr title="place in the retriever’s order">"no. "</abbr>{row.retriever.rank} }.into_any()
                } else {
                    // Its order is the one shown.
                    view! { <Bar share=row.retriever.bar/> }.into_any()
                }}
                <span class="odds">{percent(row.retriever.probability)}</span>
            </td>
            {row.ranker.map(|cell| view! {
                <td class="ranker">
                    {letters.then(|| view! { <span class="letter">{row.letter.to_string()}</span> })}
                    <Bar share=cell.bar/>
                    <span class="percent">{percent(cell.probability)}</span>
                    <Move cell by="the ranker"/>
                </td>
            })}
        </tr>
    }
}

/// Places won or lost against the retriever's order.
#[component]
fn Move(
    /// What is said of the candidate.
    cell: Cell,
    /// By whom, for screen readers.
    by: &'static str,
) -> impl IntoView {
    let (mark, words) = movement(cell.moved, "in the retriever’s order");
    let class = match cell.moved {
        0 => "move",
        1.. => "move up",
        _ => "move down",
    };
    view! {
        <span class=class>
            <span aria-hidden="true">{mark}</span>
            <span class="visually-hidden">{format!("place {} by {by}, {words}", cell.rank)}</span>
        </span>
    }
}

/// What the stages took.
fn timings(trace: &Trace) -> String {
    let times = &trace.timings;
    let retriever = format!("Retriever {}", duration(times.retrieve_ms));
    let forward = duration(times.forward_ms);
    let device = &trace.provenance.device;
    let reused = match times.reused_tokens {
        0 => String::new(),
        reused => format!(", {reused} of them known from the ranking before"),
    };
    match (&trace.ranker, &trace.pointwise) {
        (Some(ranker), _) => format!(
            "{retriever}, prompt {} ({} tokens{reused}), one forward pass {forward} on {device}.",
            duration(times.prompt_ms),
            ranker.token_ids.len(),
        ),
        (None, Some(ranker)) => {
            format!(
                "{retriever}, ranker {forward} ({} tokens{reused}, one forward pass) on {device}.",
                ranker.tokens
            )
        }
        (None, None) => format!("{retriever}."),
    }
}
