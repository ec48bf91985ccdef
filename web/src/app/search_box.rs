//! The search box: a combobox after the ARIA pattern (list autocomplete, the first option is active).

use leptos::{ev::KeyboardEvent, prelude::*};
use shared::catalog::ItemId;

use super::{browser, page::Page};
use crate::{format::films, ids, update::Action};

/// How many titles are offered.
const OFFERED: usize = 8;

/// One title offered.
#[derive(Clone, PartialEq)]
struct Offer {
    item: ItemId,
    title: String,
    genres: String,
    known: bool,
}

/// Search by title; choosing one adds it to the history.
#[component]
pub fn SearchBox() -> impl IntoView {
    let page = expect_context::<Page>();
    let query = RwSignal::new(String::new());
    let open = RwSignal::new(false);
    let active = RwSignal::new(0);
    let offers = Memo::new(move |_| offers(page, &query.get()));
    let shown = Memo::new(move |_| open.get() && !query.with(|query| query.trim().is_empty()));

    let choose = move |n: usize| {
        if let Some(offer) = offers.with_untracked(|offers| offers.get(n).cloned()) {
            page.act(Action::Add(offer.item));
            query.set(String::new());
            open.set(false);
        }
    };
    let step = move |by: isize| {
        let count = offers.with_untracked(Vec::len) as isize;
        if count > 0 {
            open.set(true);
            active.update(|active| *active = (*active as isize + by).rem_euclid(count) as usize);
            browser::reveal_soon(ids::search_option(active.get_untracked()));
        }
    };
    let on_key = move |event: KeyboardEvent| {
        match event.key().as_str() {
            "ArrowDown" => step(1),
            "ArrowUp" => step(-1),
            "Enter" if shown.get_untracked() => choose(active.get_untracked()),
            "Escape" if shown.get_untracked() => open.set(false),
            "Escape" => query.set(String::new()),
            _ => return,
        }
        event.prevent_default();
    };
    let on_input = move |text: String| {
        query.set(text);
        active.set(0);
        open.set(true);
    };

    view! {
        <div class="search">
            <label for=ids::SEARCH>"Add a film you liked"</label>
            <input
                id=ids::SEARCH
                type="text"
                role="combobox"
                placeholder="Title, for example Heat"
                autocomplete="off"
                spellcheck="false"
                aria-autocomplete="list"
                aria-controls=ids::SEARCH_LIST
                aria-describedby=ids::SEARCH_STATUS
                aria-expanded=move || (shown.get() && !offers.with(Vec::is_empty)).to_string()
                aria-activedescendant=move || {
                    (shown.get() && !offers.with(Vec::is_empty)).then(|| ids::search_option(active.get()))
                }
                disabled=move || page.bundle.with(Option::is_none)
                prop:value=move || query.get()
                on:input:target=move |event| on_input(event.target().value())
                on:keydown=on_key
                on:focus=move |_| open.set(true)
                on:blur=move |_| open.set(false)
            />
            <ul
                id=ids::SEARCH_LIST
                class="offers"
                role="listbox"
                aria-label="Films found"
                hidden=move || !shown.get() || offers.with(Vec::is_empty)
            >
                {move || {
                    let options = offers.get().into_iter().enumerate();
                    options.map(|(n, offer)| view! {
                        <li
                            id=ids::search_option(n)
                            role="option"
                            aria-selected=move || (active.get() == n).to_string()
                            // Pressing must not take the focus from the search box.
                            on:mousedown=move |event| event.prevent_default()
                            on:click=move |_| choose(n)
                        >
                            <span class="film">{offer.title}</span>
                            <span class="genres">
                                {if offer.known { "in your history".into() } else { offer.genres }}
                            </span>
                        </li>
                    }).collect_view()
                }}
            </ul>
            <p id=ids::SEARCH_STATUS class="hint" role="status" aria-live="polite">
                {move || status(page, shown.get(), &query.get(), offers.with(Vec::len))}
            </p>
        </div>
    }
}

fn offers(page: Page, query: &str) -> Vec<Offer> {
    let Some(bundle) = page.bundle.get() else { return Vec::new() };
    // What is chosen beside an example begins a history of the visitor's.
    let history = page.state.with(|state| match state.example() {
        Some(_) => Vec::new(),
        None => state.history.items().to_vec(),
    });
    let found = bundle.catalog.search(query, OFFERED).into_iter();
    found
        .filter_map(|id| {
            let item = bundle.catalog.get(id)?;
            let (title, genres) = (item.title.clone(), item.genres.join(", "));
            Some(Offer { item: id, title, genres, known: history.contains(&id) })
        })
        .collect()
}

fn status(page: Page, shown: bool, query: &str, found: usize) -> String {
    let count = page.bundle.with(|bundle| bundle.as_ref().map(|bundle| bundle.catalog.len()));
    match (count, shown, found) {
        (None, ..) => "The catalogue is on its way…".into(),
        (Some(count), false, _) => format!("{} in the catalogue.", films(count)),
        (Some(count), true, 0) => {
            format!("Nothing like “{}” among the {} of the catalogue.", query.trim(), films(count))
        }
        (Some(_), true, found) => format!("{} found.", films(found)),
    }
}
