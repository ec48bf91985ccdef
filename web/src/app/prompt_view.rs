//! The exact text that the ranker read, coloured by what each stretch is.

use leptos::prelude::*;
use shared::{
    prompt::{Prompt, SpanKind},
    trace::PointwiseTrace,
};

use super::page::Page;
use crate::ids;

/// A disclosure with the text; absent when no ranker ran.
#[component]
pub fn PromptView() -> impl IntoView {
    view! {
        <Letters/>
        <Pointwise/>
    }
}

/// The paper's prompt.
#[component]
fn Letters() -> impl IntoView {
    let page = expect_context::<Page>();
    let read = Memo::new(move |_| {
        page.state.with(|state| {
            let ranker = state.result.as_ref()?.trace.ranker.as_ref()?;
            Some((ranker.prompt.clone(), ranker.token_ids.len()))
        })
    });
    move || {
        read.get().map(|(prompt, tokens)| {
            let letters = prompt.spans.iter().filter(|span| matches!(span.kind, SpanKind::Candidate { .. })).count();
            view! {
                <details id=ids::PROMPT class="prompt">
                    <summary>{format!("What the ranker read: {tokens} tokens")}</summary>
                    <p class="hint">
                        "This text goes through the model once. Its answer is the next token; of all tokens only the "
                        {letters} " index letters are compared."
                    </p>
                    <ul class="legend" aria-label="Colours">
                        <li><span class="span-instruction">"instruction"</span></li>
                        <li><span class="span-history">"(1) history"</span></li>
                        <li><span class="span-candidate">"(A) candidate"</span></li>
                        <li><span class="span-response">"response"</span></li>
                    </ul>
                    <pre id=ids::PROMPT_TEXT tabindex="0">{spans(&prompt)}</pre>
                </details>
            }
        })
    }
}

fn spans(prompt: &Prompt) -> impl IntoView + use<> {
    let spans = prompt.spans.iter().map(|span| {
        let class = match span.kind {
            SpanKind::Instruction => "span-instruction",
            SpanKind::Frame => "span-frame",
            SpanKind::History { .. } => "span-history",
            SpanKind::Candidate { .. } => "span-candidate",
            SpanKind::Response => "span-response",
        };
        let text = prompt.text.get(span.start..span.end).unwrap_or_default().to_owned();
        view! { <span class=class>{text}</span> }
    });
    spans.collect_view()
}

/// One text that all candidates share, and the question about each.
#[component]
fn Pointwise() -> impl IntoView {
    let page = expect_context::<Page>();
    let read = Memo::new(move |_| page.state.with(|state| state.result.as_ref()?.trace.pointwise.clone()));
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
                <details id=ids::PROMPT class="prompt">
                    <summary>{format!("What the ranker read: {tokens} tokens")}</summary>
                    <p class="hint">
                        "The model reads your history once. Behind it stands each candidate alone, blind to the others,                         so their order cannot matter. Its score is how much likelier “yes” is than “no” as the next                         word (the difference of the two logits)."
                    </p>
                    <pre id=ids::PROMPT_TEXT tabindex="0"><span class="span-history">{text}</span></pre>
                    <ul class="questions">{lines}</ul>
                </details>
            }
        })
    }
}
