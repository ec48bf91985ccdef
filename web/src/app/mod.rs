//! The page: Leptos components around one [`Page`], drawn in the order in which one reads.

mod address;
mod alert;
mod bar;
mod bridge;
mod browser;
mod bundle;
mod bundle_panel;
mod effects;
mod file_input;
mod history_list;
mod import_list;
mod lesson;
mod model_panel;
mod navigation;
mod own_bundle;
mod page;
mod part;
mod prompt_view;
mod race;
mod radio;
mod ranking_table;
mod reading;
mod recorded;
mod results;
mod retriever_view;
mod search_box;
mod stop_button;

use gloo::timers::callback::Timeout;
use leptos::{ev, prelude::*};

use crate::{ids, state::State, view::View};
use alert::Alert;
use bundle_panel::BundlePanel;
use effects::EffectsView;
use history_list::HistoryList;
use import_list::ImportList;
use lesson::Lesson;
use model_panel::ModelPanel;
use navigation::Navigation;
use page::Page;
use part::{Part, Turn};
use prompt_view::PromptView;
use ranking_table::RankingTable;
use results::Results;
use retriever_view::RetrieverView;
use search_box::SearchBox;

/// Mounts the page; called once.
pub fn start() {
    console_error_panic_hook::set_once();
    // Not in the task that has just brought the program to life: the browser may paint in between.
    Timeout::new(0, || mount_to_body(App)).forget();
}

/// The whole page.
#[component]
fn App() -> impl IntoView {
    let page = Page::start();
    provide_context(page);
    let display = Memo::new(move |_| page.state.with(|state| state.display));
    // The heading stands in the page's own text and is there first; the rest comes at once, so that nothing jumps.
    let begun = part::has_begun(page.drawn);
    Effect::new(move || {
        if begun.get() {
            browser::remove_placeholder();
        }
    });
    // A file dropped beside its place must not replace the page.
    window_event_listener(ev::dragover, |event| event.prevent_default());
    window_event_listener(ev::drop, |event| event.prevent_default());
    window_event_listener(ev::popstate, move |event| page.went(&event.state()));
    let shown = Memo::new(move |_| display.get().view);
    let guided = Memo::new(move |_| page.state.with(State::is_guided));
    view! {
        <div class="page" class:large=move || display.get().large class:guided=move || guided.get()>
            <Part turn=Turn::Frame>
                <Show when=move || !guided.get()>
                    <SkipLink/>
                    <Navigation/>
                </Show>
            </Part>
            <Alert/>
            <Part turn=Turn::Frame>
                <main class:study=move || shown.get() != View::Recommend>
                    <Show when=move || !guided.get()>
                        <section class="panel" aria-labelledby="history-title">
                            <h2 id="history-title">"Your history"</h2>
                            <Part turn=Turn::Search>
                                <SearchBox/>
                            </Part>
                            <Part turn=Turn::History>
                                <HistoryList/>
                            </Part>
                            <Part turn=Turn::Own>
                                <ImportList/>
                                <BundlePanel/>
                            </Part>
                        </section>
                    </Show>
                    <Part turn=Turn::View>
                        {move || match shown.get() {
                            View::Recommend => view! {
                                <section class="panel wide" aria-labelledby=ids::title(View::Recommend)>
                                    <h2 id=ids::title(View::Recommend) tabindex="-1">"Recommendations"</h2>
                                    <RankingTable/>
                                    <Part turn=Turn::Details>
                                        <EffectsView/>
                                        <PromptView/>
                                    </Part>
                                </section>
                            }.into_any(),
                            View::Lesson => view! { <Lesson/> }.into_any(),
                            View::Retriever => view! { <RetrieverView/> }.into_any(),
                            View::Results => view! { <Results/> }.into_any(),
                        }}
                    </Part>
                    <Part turn=Turn::Model>
                        <ModelPanel/>
                    </Part>
                </main>
            </Part>
            <Part turn=Turn::Footer>
                <Footer/>
            </Part>
            <div id=ids::LIVE class="visually-hidden" role="status" aria-live="polite">
                {move || page.state.with(|state| state.announcement.clone())}
            </div>
        </div>
    }
}

/// For the keyboard, past navigation and history.
#[component]
fn SkipLink() -> impl IntoView {
    let page = expect_context::<Page>();
    let shown = move || page.state.with(|state| state.display.view);
    view! {
        <button type="button" class="skip" on:click=move |_| browser::focus_soon(vec![ids::title(shown())])>
            {move || match shown() {
                View::Recommend => "To the recommendations",
                View::Lesson => "To the lesson",
                View::Retriever => "To the retriever",
                View::Results => "To the results",
            }}
        </button>
    }
}

/// Privacy, data and licences.
#[component]
fn Footer() -> impl IntoView {
    let page = expect_context::<Page>();
    let data = move || {
        let bundle = page.bundle.get()?;
        let manifest = &bundle.manifest;
        Some(format!("Data: {}. {}", manifest.data, manifest.data_licence))
    };
    view! {
        <footer>
            <p>
                "Your history never leaves this device: the page and the models come from one place, and nothing \
                is sent anywhere."
            </p>
            <p class="offline">"It is kept on this device and works without its server, too."</p>
            <p>{data}</p>
            <p>
                "Method: LlamaRec, Yue et al. 2023, "
                <cite>"Two-Stage Recommendation using Large Language Models for Ranking"</cite>
                ", arXiv 2311.02089."
            </p>
        </footer>
    }
}
