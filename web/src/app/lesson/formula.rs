//! The softmax with the numbers of one letter, and the temperature.

use leptos::prelude::*;
use shared::trace::Trace;

use crate::{
    app::page::Page,
    format::percent,
    ids,
    letters::{Formula, formula, letter_bars},
    update::Action,
};

/// The slider. Its scale is logarithmic: as far from 1 to 10 as from 1 to 0.1.
#[component]
pub fn Temperature() -> impl IntoView {
    let page = expect_context::<Page>();
    let temperature = Memo::new(move |_| page.state.with(|state| state.display.temperature));
    let heat = move |value: &str| {
        let exponent: f32 = value.parse().unwrap_or(0.0);
        // Two places are enough for a link.
        page.act(Action::Heat((100.0 * 10_f32.powf(exponent)).round() / 100.0));
    };
    view! {
        <p class="field">
            <label for=ids::TEMPERATURE>"Temperature"</label>
            <input
                id=ids::TEMPERATURE
                type="range"
                min="-1"
                max="1"
                step="0.05"
                prop:value=move || temperature.get().log10().to_string()
                aria-valuetext=move || temperature.get().to_string()
                on:input:target=move |event| heat(&event.target().value())
            />
            <output for=ids::TEMPERATURE>{move || format!("{:.2}", temperature.get())}</output>
            <button type="button" on:click=move |_| page.act(Action::Heat(1.0))>"Back to 1"</button>
        </p>
    }
}

/// The formula of the letter that is pointed at, else of the likeliest.
#[component]
pub fn FormulaView(
    /// The record.
    trace: Memo<Option<Trace>>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let shown = Memo::new(move |_| {
        let temperature = page.state.with(|state| state.display.temperature);
        let bars = trace.with(|trace| trace.as_ref().map(|trace| letter_bars(trace, temperature)))?;
        let lit = page.lit.get();
        let pointed = bars.iter().position(|bar| Some(bar.place) == lit);
        let best = (0..bars.len()).max_by(|&a, &b| bars[a].logit.total_cmp(&bars[b].logit));
        formula(&bars, pointed.or(best)?, temperature)
    });
    let of = move || {
        let by_letters = trace.with(|trace| trace.as_ref().is_some_and(Trace::is_by_letters));
        if by_letters { "letter" } else { "film" }
    };
    view! { <div id=ids::FORMULA class="formula" tabindex="0" role="region" aria-label="The softmax with numbers">{move || shown.get().map(|shown| numbers(shown, of()))}</div> }
}

fn numbers(formula: Formula, of: &'static str) -> impl IntoView {
    let Formula { letter, logit, temperature, share, sum, probability, largest } = formula;
    view! {
        <p>
            <math>
                <mi>"p"</mi><mo>"("</mo><mi>{of}</mi><mo>")"</mo><mo>"="</mo>
                <mfrac>
                    <mrow><mi>"exp"</mi><mo>"("</mo><mi>"logit"</mi><mo>"/"</mo><mi>"T"</mi><mo>")"</mo></mrow>
                    <mrow><mo>"∑"</mo><mi>"exp"</mi><mo>"("</mo><mi>"logit"</mi><mo>"/"</mo><mi>"T"</mi><mo>")"</mo></mrow>
                </mfrac>
            </math>
        </p>
        <p>
            <math>
                <mi>"p"</mi><mo>"("</mo><mi>{letter.to_string()}</mi><mo>")"</mo><mo>"="</mo>
                <mfrac>
                    <mrow>
                        <mi>"exp"</mi><mo>"("</mo><mo>"("</mo><mn>{format!("{logit:.2}")}</mn><mo>"−"</mo>
                        <mn>{format!("{largest:.2}")}</mn><mo>")"</mo><mo>"/"</mo><mn>{temperature.to_string()}</mn><mo>")"</mo>
                    </mrow>
                    <mrow><mtext>{format!("sum over all {of}s")}</mtext></mrow>
                </mfrac>
                <mo>"="</mo>
                <mfrac><mn>{format!("{share:.4}")}</mn><mn>{format!("{sum:.4}")}</mn></mfrac>
                <mo>"="</mo>
                <mn>{percent(probability)}</mn>
            </math>
        </p>
        <p class="hint">
            "T is the temperature. The largest logit is first subtracted from all of them: that does not change the result and keeps the numbers small."
        </p>
    }
}
