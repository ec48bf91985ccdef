//! The page: Leptos components around one [`Page`], drawn in the order in which one reads.

mod alert;
mod bridge;
mod browser;
mod bundle;
mod history_list;
mod model_panel;
mod page;
mod prompt_view;
mod race;
mod ranking_table;
mod search_box;

use leptos::prelude::*;

use crate::ids;
use alert::Alert;
use history_list::HistoryList;
use model_panel::ModelPanel;
use page::Page;
use prompt_view::PromptView;
use race::Race;
use ranking_table::RankingTable;
use search_box::SearchBox;

/// Mounts the page; called once.
pub fn start() {
    console_error_panic_hook::set_once();
    browser::remove_placeholder();
    mount_to_body(App);
}

/// The whole page.
#[component]
fn App() -> impl IntoView {
    let page = Page::start();
    provide_context(page);
    view! {
        <header class="masthead">
            <h1>"LlamaRec"</h1>
            <p>
                "Films you liked in, films to see next out: a small retriever proposes twenty, a Llama reads them \
                and answers with one letter. All of it runs on your device."
            </p>
        </header>
        <Alert/>
        <main>
            <section class="panel" aria-labelledby="history-title">
                <h2 id="history-title">"Your history"</h2>
                <SearchBox/>
                <HistoryList/>
            </section>
            <section class="panel wide" aria-labelledby="ranking-title">
                <h2 id="ranking-title">"Recommendations"</h2>
                <RankingTable/>
                <PromptView/>
                <Race/>
            </section>
            <ModelPanel/>
        </main>
        <Footer/>
        <div id=ids::LIVE class="visually-hidden" role="status" aria-live="polite">
            {move || page.state.with(|state| state.announcement.clone())}
        </div>
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
            <p>{data}</p>
            <p>
                "Method: LlamaRec, Yue et al. 2023, "
                <cite>"Two-Stage Recommendation using Large Language Models for Ranking"</cite>
                ", arXiv 2311.02089."
            </p>
        </footer>
    }
}
