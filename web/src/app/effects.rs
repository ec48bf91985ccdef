//! What each film of the history does to the first recommendation: measured by leaving it out.

use leptos::prelude::*;
use shared::protocol::Without;

use super::{browser, page::Page};
use crate::{format::points, ids, state::State, update::Action};

/// A disclosure with the measurement.
#[component]
pub fn EffectsView() -> impl IntoView {
    let page = expect_context::<Page>();
    let can_measure = Memo::new(move |_| page.state.with(State::can_leave_out));
    let measuring = Memo::new(move |_| page.state.with(State::is_measuring));
    let shown = Memo::new(move |_| {
        page.state.with(|state| {
            let measured = state.effects.as_ref()?;
            (measured.history == state.history.items()).then(|| measured.effects.clone())
        })
    });
    let row = |without: Without| {
        view! {
            <tr>
                <th scope="row">{without.title}</th>
                <td>{without.place}</td>
                <td>{points(without.difference)}</td>
            </tr>
        }
    };
    let stop = move |_| {
        page.act(Action::Stop);
        browser::focus_soon(vec![ids::LEAVE_OUT.into()]);
    };
    view! {
        <details id=ids::EFFECTS class="prompt">
            <summary>"Why this one? What each film of your history does"</summary>
            <p class="hint">
                "No reason is invented: each film is left out in turn, the candidates stay the same, and we measure how the \
                first recommendation changes. It takes two films at least."
            </p>
            <div class="actions">
                <button
                    id=ids::LEAVE_OUT
                    type="button"
                    aria-disabled=move || (!can_measure.get()).to_string()
                    on:click=move |_| page.act(Action::LeaveOut)
                >"Measure"</button>
                <Show when=move || measuring.get()>
                    <button type="button" on:click=stop>"Stop"</button>
                </Show>
                <span class="hint" role="status">
                    {move || shown.get().map(|effects| {
                        format!("{} of {} films left out.", effects.without.len(), effects.films)
                    })}
                </span>
            </div>
            {move || shown.get().filter(|effects| !effects.without.is_empty()).map(|effects| {
                let by = if effects.ranked { "both stages" } else { "the retriever alone, which was all that was loaded" };
                view! {
                    <table class="plain">
                        <caption>
                            {format!(
                                "First now: {}, by {by}. Points: percentage points of its share among the twenty; a negative \
                                 number means that the film spoke against it.",
                                effects.title
                            )}
                        </caption>
                        <thead>
                            <tr>
                                <th scope="col">"Without"</th>
                                <th scope="col">"its place"</th>
                                <th scope="col">"this film gave it"</th>
                            </tr>
                        </thead>
                        <tbody>{effects.without.into_iter().map(row).collect_view()}</tbody>
                    </table>
                }
            })}
        </details>
    }
}
