//! What stands before the language model: the history, and the candidates with the retriever's scores.

use leptos::prelude::*;
use shared::trace::Trace;

use crate::{
    app::{
        bar::Bar,
        history_list::{ReadInPart, read_in_part},
    },
    format::percent,
    ids,
    rows::{Proposed, proposed},
};

/// The films of the record's history.
#[component]
pub fn HistoryFigure(
    /// The record.
    trace: Memo<Option<Trace>>,
) -> impl IntoView {
    let films = move || {
        trace.with(|trace| {
            let history = trace.as_ref().map(|trace| trace.history.as_slice()).unwrap_or_default();
            history.iter().map(|item| view! { <li class="film">{item.title.clone()}</li> }).collect_view()
        })
    };
    let part = Memo::new(move |_| trace.with(|trace| read_in_part(trace.as_ref()?)));
    view! {
        <h3>"The history, oldest first"</h3>
        <ol id=ids::TOLD class="told">{films}</ol>
        <ReadInPart part/>
    }
}

/// The candidates in the retriever's order.
#[component]
pub fn CandidatesFigure(
    /// The record.
    trace: Memo<Option<Trace>>,
) -> impl IntoView {
    let row = |(n, Proposed { title, score, probability, bar }): (usize, Proposed)| {
        view! {
            <tr>
                <td class="place">{n + 1}</td>
                <th scope="row">{title}</th>
                <td>{format!("{score:.2}")}</td>
                <td class="odds"><Bar share=bar/><span class="percent">{percent(probability)}</span></td>
            </tr>
        }
    };
    view! {
        <h3>"The candidates, as the retriever proposes them"</h3>
        <table id=ids::CANDIDATES class="plain">
            <caption>
                "The score is a logit: e to the difference of two scores says how much likelier one film is than the other. \
                Share: softmax over the candidates."
            </caption>
            <thead>
                <tr>
                    <th scope="col">"Place"</th>
                    <th scope="col">"Film"</th>
                    <th scope="col">"Score"</th>
                    <th scope="col">"Share"</th>
                </tr>
            </thead>
            <tbody>
                {move || trace.with(|trace| {
                    trace.as_ref().map(proposed).unwrap_or_default().into_iter().enumerate().map(row).collect_view()
                })}
            </tbody>
        </table>
    }
}
