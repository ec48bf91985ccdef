//! The history: an ordered list that can be changed by pointer and by keyboard alike.

use leptos::{ev, prelude::*};
use shared::{catalog::ItemId, exhibit::Example, trace::Trace};

use super::{browser, page::Page};
use crate::{
    format::films,
    ids,
    state::{Retriever, State},
    update::Action,
    view::View,
};

/// The list, its buttons and the question for recommendations.
#[component]
pub fn HistoryList() -> impl IntoView {
    let page = expect_context::<Page>();
    let items = Memo::new(move |_| page.state.with(|state| state.history.items().to_vec()));
    let can_undo = Memo::new(move |_| page.state.with(|state| state.history.can_undo()));
    let can_redo = Memo::new(move |_| page.state.with(|state| state.history.can_redo()));
    // What was read of another history says nothing about this one.
    let part = Memo::new(move |_| page.state.with(|state| read_in_part(&state.fresh()?.trace)));
    undo_by_keyboard(page);
    view! {
        <Examples/>
        <ol id=ids::HISTORY class="history" aria-label="Your history, oldest first">
            <For each=move || items.get() key=|item| item.0 let(item)>
                <HistoryRow item items/>
            </For>
        </ol>
        <ReadInPart part/>
        <div class="actions">
            <button
                id=ids::RECOMMEND
                type="button"
                class="primary"
                disabled=move || page.state.with(|state| !state.could_recommend())
                // While something is computed it keeps the focus.
                aria-disabled=move || page.state.with(State::is_busy).to_string()
                on:click=move |_| page.act(Action::Recommend)
            >
                "Recommend"
            </button>
            <button
                id=ids::UNDO
                type="button"
                disabled=move || !can_undo.get()
                on:click=move |_| {
                    page.act(Action::Undo);
                    browser::focus_soon(vec![if can_undo.get_untracked() { ids::UNDO } else { ids::REDO }.into()]);
                }
            >
                "Undo"
            </button>
            <button
                id=ids::REDO
                type="button"
                disabled=move || !can_redo.get()
                on:click=move |_| {
                    page.act(Action::Redo);
                    browser::focus_soon(vec![if can_redo.get_untracked() { ids::REDO } else { ids::UNDO }.into()]);
                }
            >
                "Redo"
            </button>
            <button
                id=ids::CLEAR
                type="button"
                disabled=move || items.with(Vec::is_empty)
                on:click=move |_| {
                    page.act(Action::Replace(Vec::new()));
                    browser::focus_soon(vec![ids::UNDO.into()]);
                }
            >
                "Clear"
            </button>
        </div>
        <p class="hint">{move || hint(page)}</p>
    }
}

fn hint(page: Page) -> String {
    page.state.with(|state| match state.retriever {
        Retriever::Loading => "The retriever is on its way…".into(),
        Retriever::Failed => "The retriever could not be loaded.".into(),
        Retriever::Ready if state.history.items().is_empty() => "Add at least one film.".into(),
        Retriever::Ready if state.history.items().len() == 1 => "1 film.".into(),
        Retriever::Ready => {
            format!("{}, newest last; the order matters.", films(state.history.items().len()))
        }
    })
}

/// How many films the ranker read, if not all.
pub fn read_in_part(trace: &Trace) -> Option<usize> {
    trace.history_read().filter(|&read| read < trace.history.len())
}

/// Says that the ranker did not read all of a long history.
#[component]
pub fn ReadInPart(
    /// How many films it read.
    part: Memo<Option<usize>>,
) -> impl IntoView {
    move || {
        part.get().map(|read| {
            view! { <p class="hint">{format!("The ranker read the last {read}; the retriever read all.")}</p> }
        })
    }
}

/// Ctrl+Z or Cmd+Z takes back, with Shift it makes again, except while typing.
fn undo_by_keyboard(page: Page) {
    let handle = window_event_listener(ev::keydown, move |event| {
        let typing = document().active_element().is_some_and(|element| element.tag_name() == "INPUT");
        if event.key().eq_ignore_ascii_case("z") && (event.ctrl_key() || event.meta_key()) && !typing {
            event.prevent_default();
            page.act(if event.shift_key() { Action::Redo } else { Action::Undo });
        }
    });
    on_cleanup(move || handle.remove());
}

/// One film of the history.
#[component]
fn HistoryRow(
    /// The film.
    item: ItemId,
    /// The whole history: the row finds its own place in it.
    items: Memo<Vec<ItemId>>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let title = page.bundle.with_untracked(|bundle| {
        bundle.as_ref().map(|bundle| bundle.catalog.title(item).to_owned()).unwrap_or_default()
    });
    let place =
        Memo::new(move |_| items.with(|items| items.iter().position(|&other| other == item)).unwrap_or(0));
    let id = move |what: &str| format!("{what}-{}", item.0);
    // A moved row is taken out of the page and put back, and loses the focus by that.
    let shift = move |action: Action, button: &'static str| {
        page.act(action);
        browser::focus_soon(vec![id(button)]);
    };
    let remove = move |_| {
        let here = place.get_untracked();
        page.act(Action::Remove(here));
        let left = items.get_untracked();
        let next = left.get(here).or(left.last()).map(|next| format!("remove-{}", next.0));
        browser::focus_soon(next.into_iter().chain([ids::SEARCH.into()]).collect());
    };
    view! {
        <li>
            <span class="film">{title.clone()}</span>
            <span class="row-actions">
                <button
                    id=id("up")
                    type="button"
                    class="icon"
                    aria-label=format!("Move {title} up")
                    aria-disabled=move || (place.get() == 0).to_string()
                    on:click=move |_| shift(Action::MoveUp(place.get_untracked()), "up")
                >"↑"</button>
                <button
                    id=id("down")
                    type="button"
                    class="icon"
                    aria-label=format!("Move {title} down")
                    aria-disabled=move || (place.get() + 1 == items.with(Vec::len)).to_string()
                    on:click=move |_| shift(Action::MoveDown(place.get_untracked()), "down")
                >"↓"</button>
                <button
                    id=id("remove")
                    type="button"
                    class="icon"
                    aria-label=format!("Remove {title}")
                    on:click=remove
                >"×"</button>
            </span>
        </li>
    }
}

/// Recorded tastes to look at, as long as there is no history of the visitor's own; in the lesson always, as that has something
/// to say of them without a ranker.
#[component]
pub fn Examples() -> impl IntoView {
    let page = expect_context::<Page>();
    let shown = Memo::new(move |_| page.state.with(State::example));
    let own = Memo::new(move |_| {
        page.state.with(|state| {
            let own = state.example().is_none() && !state.history.items().is_empty();
            own && state.display.view != View::Lesson
        })
    });
    let buttons = move || {
        let examples = page.examples.get();
        let button = |(n, example): (usize, &Example)| {
            view! {
                <button
                    type="button"
                    class="chip"
                    aria-pressed=move || (shown.get() == Some(n)).to_string()
                    on:click=move |_| page.open_example(n)
                >
                    {example.name.clone()}
                </button>
            }
        };
        examples.iter().enumerate().map(button).collect_view()
    };
    view! {
        <Show when=move || !own.get() && page.examples.with(|examples| !examples.is_empty())>
            <div id=ids::EXAMPLES class="examples" role="group" aria-label="Recorded examples">
                <p class="hint">
                    "Recorded examples."
                    // A lesson alone has no place to add films.
                    {move || (!page.state.with(State::is_guided)).then_some(" Add a film to begin your own list.")}
                </p>
                {buttons}
            </div>
        </Show>
    }
}
