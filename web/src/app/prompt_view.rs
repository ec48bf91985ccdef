//! The exact text that the ranker read, coloured by what each stretch is.

use leptos::prelude::*;
use shared::{
    prompt::SpanKind,
    trace::{PointwiseTrace, Trace},
};

use super::{page::Page, radio::Radios};
use crate::{
    chips::{self, Chip, Grain, chips},
    ids,
};

/// Disclosures with the texts; absent when no ranker ran.
#[component]
pub fn PromptView() -> impl IntoView {
    let page = expect_context::<Page>();
    let trace =
        Memo::new(move |_| page.state.with(|state| state.result.as_ref().map(|result| result.trace.clone())));
    view! {
        <Letters trace open=false/>
        <Pointwise trace open=false/>
    }
}

/// How the prompt can be shown.
const GRAINS: [(&str, Grain); 3] =
    [("Characters", Grain::Text), ("Tokens", Grain::Tokens), ("Token ids", Grain::Ids)];

/// The paper's prompt.
#[component]
pub fn Letters(
    /// The record.
    trace: Memo<Option<Trace>>,
    /// Whether it is open from the beginning.
    open: bool,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let grain = RwSignal::new(Grain::default());
    let tokens = Memo::new(move |_| {
        trace.with(|trace| trace.as_ref()?.ranker.as_ref().map(|ranker| ranker.token_ids.len()))
    });
    let pieces = move || trace.with(|trace| trace.as_ref().map(|trace| chips(trace, grain.get())));
    let chosen = Signal::derive(move || GRAINS.iter().position(|choice| choice.1 == grain.get()));
    let piece = move |chip: Chip| {
        let kind = match chip.kind {
            SpanKind::Instruction => "instruction",
            SpanKind::Frame => "frame",
            SpanKind::History { .. } => "history",
            SpanKind::Candidate { .. } => "candidate",
            SpanKind::Response => "response",
        };
        let place = chip.place;
        let light = move |_| {
            if place.is_some() {
                page.lit.set(place);
            }
        };
        view! {
            <span
                class=format!("span-{kind}")
                class:lit=move || place.is_some() && page.lit.get() == place
                on:pointerenter=light
            >{chip.text}</span>
        }
    };
    move || {
        tokens.get().map(|tokens| {
            view! {
                <details id=ids::PROMPT class="prompt" open=open>
                    <summary>{format!("What the ranker read: {tokens} tokens")}</summary>
                    <p class="hint">
                        "This text goes through the model once. Its answer is the next token; of all tokens only the index \
                        letters are compared."
                        {move || trace.with(|trace| trace.as_ref().map(cut_titles))}
                    </p>
                    <Radios
                        id=ids::GRAIN
                        legend="Shown as"
                        choices=GRAINS.map(|choice| choice.0.to_owned()).to_vec()
                        chosen
                        choose=move |n| grain.set(GRAINS[n].1)
                    />
                    <ul class="legend" aria-label="Colours">
                        <li><span class="span-instruction">"instruction"</span></li>
                        <li><span class="span-history">"(1) history"</span></li>
                        <li><span class="span-candidate">"(A) candidate"</span></li>
                        <li><span class="span-response">"response"</span></li>
                    </ul>
                    <pre id=ids::PROMPT_TEXT tabindex="0" class:cut=move || grain.get() != Grain::Text>
                        {move || pieces().unwrap_or_default().into_iter().map(piece).collect_view()}
                    </pre>
                </details>
            }
        })
    }
}

/// Which titles were too long, in a sentence behind others.
fn cut_titles(trace: &Trace) -> Option<String> {
    let titles = chips::cut(trace);
    (!titles.is_empty()).then(|| {
        format!(
            " Titles that are too long lose their end, and with it a closing bracket: {}.",
            titles.join("; ")
        )
    })
}

/// One text that all candidates share, and the question about each.
#[component]
pub fn Pointwise(
    /// The record.
    trace: Memo<Option<Trace>>,
    /// Whether it is open from the beginning.
    open: bool,
) -> impl IntoView {
    let read = Memo::new(move |_| trace.with(|trace| trace.as_ref()?.pointwise.clone()));
    move || {
        read.get().map(|PointwiseTrace { text, questions, tokens, scores, .. }| {
            let lines = questions.into_iter().zip(scores).map(|(question, score)| {
                let answer = if score < 0.0 { "no" } else { "yes" };
                view! {
                    <li>
                        <span class="span-candidate">{question}</span>
                        " "
                        <span class="span-response">{format!("{answer} {score:+.2}")}</span>
                    </li>
                }
            });
            let lines = lines.collect_view();
            view! {
                <details id=ids::PROMPT class="prompt" open=open>
                    <summary>{format!("What the ranker read: {tokens} tokens")}</summary>
                    <p class="hint">
                        "The model reads your history once. Each candidate is added after it on its own and cannot see the others, \
                        so their order does not matter. Its score is how much likelier “yes” is than “no” as the next \
                        word (the difference of the two logits)."
                        {trace.with_untracked(|trace| trace.as_ref().map(cut_titles))}
                    </p>
                    <pre id=ids::PROMPT_TEXT tabindex="0"><span class="span-history">{text}</span></pre>
                    <ul class="questions">{lines}</ul>
                </details>
            }
        })
    }
}
