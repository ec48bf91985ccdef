//! A row of choices of which one holds.

use leptos::prelude::*;

use super::browser;
use crate::ids;

/// A group of radio buttons drawn as one row.
#[component]
pub fn Radios(
    /// Id of the group; its choices have ids from it.
    id: &'static str,
    /// What is chosen, in words.
    legend: &'static str,
    /// The choices.
    choices: Vec<String>,
    /// The place of the one that holds.
    #[prop(into)]
    chosen: Signal<Option<usize>>,
    /// Whether nothing can be chosen now.
    #[prop(into, optional)]
    disabled: Signal<bool>,
    /// Called with the place of the choice made.
    choose: impl Fn(usize) + Copy + Send + Sync + 'static,
) -> impl IntoView {
    // What is disabled loses the focus; whoever chose by keyboard gets it back.
    let left = StoredValue::new(None);
    let choose = move |n: usize| {
        left.set_value(Some(n));
        choose(n);
    };
    Effect::new(move |before: Option<bool>| {
        let now = disabled.get();
        if before == Some(true)
            && !now
            && let Some(n) = left.try_update_value(Option::take).flatten()
            && browser::has_no_focus()
        {
            browser::focus_soon(vec![ids::choice(id, n)]);
        }
        now
    });
    let radio = |(n, label): (usize, String)| {
        view! {
            <label>
                <input
                    id=ids::choice(id, n)
                    type="radio"
                    name=id
                    prop:checked=move || chosen.get() == Some(n)
                    disabled=move || disabled.get()
                    on:change=move |_| choose(n)
                />
                <span>{label}</span>
            </label>
        }
    };
    view! {
        <fieldset id=id class="segmented">
            <legend>{legend}</legend>
            {choices.into_iter().enumerate().map(radio).collect_view()}
        </fieldset>
    }
}
