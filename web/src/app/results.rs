//! What the models are worth, beside the paper: from the files that come with them.

use leptos::prelude::*;
use shared::exhibit::{Measured, Results as Figures};

use super::page::{Measures, Page};
use crate::{ids, view::View};

/// The table and what to know about it.
#[component]
pub fn Results() -> impl IntoView {
    let page = expect_context::<Page>();
    view! {
        <section class="panel wide" aria-labelledby=ids::title(View::Results)>
            <h2 id=ids::title(View::Results) tabindex="-1">"How good these models are"</h2>
            {move || match page.results.get() {
                Measures::Here(results) => view! { <Table results=(*results).clone()/> }.into_any(),
                Measures::Awaited => view! { <p class="hint">"The measures are on their way…"</p> }.into_any(),
                Measures::Absent => view! { <p class="hint">"This bundle has no measures."</p> }.into_any(),
            }}
        </section>
    }
}

#[component]
fn Table(
    /// What was measured.
    results: Figures,
) -> impl IntoView {
    let gain = results.gain.map(|gain| {
        let interval = gain.interval;
        format!(
            "Among the {} users whose film is one of the twenty candidates, the ranker adds {:+.4} to the retriever’s NDCG@10 \
             (95\u{a0}% of paired bootstrap samples lie between {:+.4} and {:+.4}).",
            gain.users, interval.mean, interval.low, interval.high
        )
    });
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Table of results">
        <table id=ids::RESULTS class="plain">
            <caption>"How often, and how high, a user’s next film appears in the top ten of the whole catalogue. Higher is better."</caption>
            <thead>
                <tr>
                    <th scope="col">"System"</th>
                    <th scope="col">"Data"</th>
                    <th scope="col">"Users"</th>
                    <th scope="col">"NDCG@10"</th>
                    <th scope="col">"MRR@10"</th>
                    <th scope="col">"Recall@10"</th>
                </tr>
            </thead>
            <tbody>{results.rows.into_iter().map(row).collect_view()}</tbody>
        </table>
        </div>
        <p class="hint">
            "NDCG@10: 1 for a film in place 1, 0.63 in place 2, 0.29 in place 10, 0 below; MRR@10: 1 divided by the place, 0 below ten; \
            Recall@10: 1 if the film is among the ten. Each number is a mean over users, and small because the next film of most users cannot \
            be foreseen."
        </p>
        <p>{gain}</p>
        <ul class="hint">
            <li>"Different data: the paper’s ML-100k is a later edition of MovieLens with other users. Compare what the second stage adds, not the rows."</li>
            <li>"Different ranker: the paper tunes Llama 2 with 7 billion weights on a large GPU; the one here has 135 million and runs on your device."</li>
            <li>"Different question: this adapter judges film by film; the paper reads letters. The lesson shows both."</li>
            <li>"Ours are true means over users. The paper’s LRURec row is a mean of means of batches."</li>
        </ul>
        <p class="hint">"Measured by: " <code>{results.command}</code></p>
    }
}

fn row(measured: Measured) -> impl IntoView {
    let figure = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.4}"));
    let by = if measured.ours { "here" } else { "paper" };
    view! {
        <tr class:ours=measured.ours>
            <th scope="row">{measured.system} " " <span class="badge">{by}</span></th>
            <td>{measured.data}</td>
            <td>{measured.users}</td>
            <td>{figure(measured.ndcg_10)}</td>
            <td>{figure(measured.mrr_10)}</td>
            <td>{figure(measured.recall_10)}</td>
        </tr>
    }
}
