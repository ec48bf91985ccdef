//! The page in a real browser: what a visitor does, from the first film to the ranked list.
//!
//! Chromium has WebGPU on a software adapter here, so a tiny seeded Llama stands for the base model in
//! every run; the real one is a test of its own.

mod accessibility;
mod class;
mod display;
mod driver;
mod engine;
mod gate;
mod lesson;
mod offline;
mod own_bundle;
mod site;
mod stop;

use driver::{COMPUTES, Look, SOON, Settings, Visitor};
use fantoccini::key::Key;
use serde_json::{Value, json};
use site::Served;
use tests::{tiny_llama, tuned};
use web::{ids, view::View};

const FILMS: [&str; 3] = ["Heat (1995)", "Toy Story (1995)", "Fargo (1996)"];

/// Waits for the recorded example and for the page's last part.
async fn drawn_with_example(visitor: &Visitor) {
    visitor.wait_for_text(ids::RECORDED, "Recorded example", SOON).await;
    visitor.wait("the footer", "!!document.querySelector('footer')", SOON).await;
}

/// Searches each film and takes the first that is offered.
async fn add_films(visitor: &Visitor) {
    for (n, film) in FILMS.iter().enumerate() {
        visitor.click(ids::SEARCH).await;
        visitor.type_text(film).await;
        visitor.wait_for_text(&ids::search_option(0), film, SOON).await;
        visitor.press(Key::Enter).await;
        let added = format!("document.querySelectorAll('#{} li').length === {}", ids::HISTORY, n + 1);
        visitor.wait(film, &added, SOON).await;
    }
}

async fn recommend(visitor: &Visitor) {
    visitor.click(ids::RECOMMEND).await;
    let rows = format!("document.querySelectorAll('#{} tbody tr').length === 20", ids::RANKING);
    visitor.wait("twenty recommendations", &rows, COMPUTES).await;
}

async fn order(visitor: &Visitor) -> Vec<String> {
    visitor.texts(&format!("#{} tbody .film", ids::RANKING)).await
}

/// Loads the ranker and waits until it has ranked.
async fn load_ranker(visitor: &Visitor) {
    visitor.click(ids::LOAD_MODEL).await;
    let ranked = format!("document.querySelectorAll('#{} .percent').length === 20", ids::RANKING);
    visitor.wait("the ranker's probabilities", &ranked, COMPUTES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_gives_twenty_proposals_and_survives_a_reload() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    assert_eq!(visitor.texts(&format!("#{} .film", ids::HISTORY)).await, FILMS);
    visitor.click(ids::SEARCH).await;
    visitor.type_text("star").await;
    visitor.screenshot("search").await;
    visitor.press(Key::Escape).await;
    recommend(&visitor).await;
    let first = order(&visitor).await;
    assert!(
        FILMS.iter().all(|film| !first.contains(&(*film).to_owned())),
        "seen films are not proposed: {first:?}"
    );
    assert!(visitor.text(ids::ORDER_NOTE).await.contains("retriever"));
    visitor.screenshot("retriever").await;

    visitor.reload().await;
    recommend(&visitor).await;
    assert_eq!(order(&visitor).await, first);

    let urls = visitor.value("performance.getEntriesByType('resource').map(entry => entry.name)").await;
    let urls: Vec<String> = serde_json::from_value(urls).unwrap();
    assert!(urls.len() > 5, "{urls:?}");
    assert!(urls.iter().all(|url| url.starts_with(&site.url)), "a request left the origin: {urls:?}");
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_alone_is_enough() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&site.url).await;
    visitor
        .wait(
            "the catalogue",
            &format!("document.getElementById('{}')?.disabled === false", ids::SEARCH),
            SOON,
        )
        .await;
    for (film, down) in [("toy story", 1), ("heat", 0)] {
        visitor.tab_to(ids::SEARCH).await;
        visitor.type_text(film).await;
        visitor
            .wait("offers", &format!("!!document.getElementById('{}')", ids::search_option(1)), SOON)
            .await;
        for _ in 0..down {
            visitor.press(Key::Down).await;
        }
        let active =
            format!("document.getElementById('{}').getAttribute('aria-activedescendant')", ids::SEARCH);
        assert_eq!(visitor.value(&active).await, json!(ids::search_option(down)));
        visitor.press(Key::Enter).await;
    }
    let items = visitor.texts(&format!("#{} .film", ids::HISTORY)).await;
    assert_eq!(items.len(), 2, "{items:?}");
    // Escape closes the offers and a second one empties the box.
    visitor.type_text("alien").await;
    visitor.press(Key::Escape).await;
    visitor.press(Key::Escape).await;
    assert_eq!(visitor.value(&format!("document.getElementById('{}').value", ids::SEARCH)).await, json!(""));
    // Move the newest film up; the focus stays on its button.
    let newest = format!("document.querySelector('#{} li:last-child button').id", ids::HISTORY);
    let button = visitor.value(&newest).await.as_str().unwrap().to_owned();
    visitor.tab_to(&button).await;
    visitor.press(Key::Enter).await;
    let moved =
        format!("document.querySelector('#{} li:first-child button').id === {button:?}", ids::HISTORY);
    visitor.wait("the film to move", &moved, SOON).await;
    visitor.wait("the focus to stay", &format!("document.activeElement.id === {button:?}"), SOON).await;
    assert!(visitor.text(ids::LIVE).await.ends_with("is now number 1 of 2."));
    // The undo that every program has.
    visitor.press(Key::Control).await;
    visitor.type_text(&format!("{}z", char::from(Key::Control))).await;
    visitor.wait("the move to be undone", &format!("!({moved})"), SOON).await;

    visitor.tab_to(ids::RECOMMEND).await;
    visitor.press(Key::Enter).await;
    let rows = format!("document.querySelectorAll('#{} tbody tr').length === 20", ids::RANKING);
    visitor.wait("twenty recommendations", &rows, COMPUTES).await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_title_and_a_foreign_link_are_said() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&format!("{}/#history=no-such-film", site.url)).await;
    // The search comes last: what is said by then was not wiped away by anything that came meanwhile.
    visitor.click(ids::SEARCH).await;
    visitor.wait_for_text(ids::ALERT, "Not in the catalogue: 1 film of this link", SOON).await;
    visitor.type_text("zzqqxxjj").await;
    visitor.wait_for_text(ids::SEARCH_STATUS, "Nothing like “zzqqxxjj”", SOON).await;
    visitor.press(Key::Enter).await;
    let shown = visitor.texts(&format!("#{} li .film", ids::HISTORY)).await;
    assert!(!shown.iter().any(|film| film.contains("zzqqxxjj")), "{shown:?}");
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tiny_ranker_ranks_on_webgpu() {
    let Some(visitor) = Visitor::start(Settings { webgpu: true, ..Settings::default() }).await else {
        return;
    };
    let site = Served::with_base(&tiny_llama::gguf(7));
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    visitor.select(ids::DEVICE, "webgpu").await;
    load_ranker(&visitor).await;
    assert!(visitor.text(ids::DEVICE_BADGE).await.to_lowercase().contains("swiftshader"));
    assert!(visitor.text(ids::DEVICE_REASON).await.contains("16-bit floats"));
    ranked_as_an_untuned_base(&visitor).await;
    visitor.screenshot("ranked").await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tuned_ranker_decides_with_the_retriever() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let gguf = tiny_llama::gguf(7);
    let site = Served::with_tuned(&gguf, &tuned::adapter(&gguf));
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    let retrieved = order(&visitor).await;
    load_ranker(&visitor).await;
    visitor.wait_for_text(ids::MODEL, "Adapter: a test, step 7", SOON).await;
    visitor
        .wait_for_text(
            ids::ORDER_NOTE,
            "1.00 × the logarithm of the retriever’s probability + 4.00 × the ranker’s score",
            SOON,
        )
        .await;
    let together = order(&visitor).await;
    assert_ne!(together, retrieved, "the order changes");
    let shares = visitor.texts(&format!("#{} .share", ids::RANKING)).await;
    let percent = |text: &String| text.trim_end_matches(" %").parse::<f64>().unwrap_or(0.0);
    let shares: Vec<f64> = shares.iter().map(percent).collect();
    assert!(shares.len() == 20 && shares.windows(2).all(|pair| pair[0] >= pair[1]), "{shares:?}");
    visitor.screenshot("tuned").await;

    visitor.value(&format!("document.getElementById('{}').click()", ids::choice(ids::ORDER, 1))).await;
    let first = format!("document.querySelector('#{} .film').innerText === {:?}", ids::RANKING, retrieved[0]);
    visitor.wait("the retriever's order", &first, SOON).await;
    assert_eq!(order(&visitor).await, retrieved);

    visitor.click(ids::PROMPT).await;
    let read = visitor.text(ids::PROMPT_TEXT).await;
    assert!(read.ends_with("Heat (1995); Toy Story (1995); Fargo (1996);"), "{read}");
    let questions = visitor.texts(&format!("#{} li .span-candidate", ids::PROMPT)).await;
    assert_eq!(questions.len(), 20);
    assert!(questions[0].contains(retrieved[0].as_str()), "{questions:?}");
    visitor.value(&format!("document.getElementById('{}').scrollIntoView()", ids::PROMPT)).await;
    visitor.screenshot("tuned-prompt").await;

    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_software_adapter_is_passed_over_with_a_reason() {
    let Some(visitor) = Visitor::start(Settings { webgpu: true, look: Look::Narrow }).await else {
        return;
    };
    let site = Served::with_base(&tiny_llama::gguf(7));
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    load_ranker(&visitor).await;
    assert!(visitor.text(ids::DEVICE_BADGE).await.starts_with("CPU (wasm"));
    assert!(visitor.text(ids::DEVICE_REASON).await.contains("software"));
    let wide = visitor.value("document.documentElement.scrollWidth").await;
    assert!(wide.as_u64().is_some_and(|width| width <= 320), "the page is {wide} wide on a screen of 320");
    visitor.screenshot("narrow").await;
    visitor.value(&format!("document.getElementById('{}').scrollIntoView()", ids::ORDER_NOTE)).await;
    visitor.screenshot("narrow-ranking").await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_webgpu_the_cpu_ranks_and_a_second_visit_downloads_nothing() {
    let Some(visitor) = Visitor::start(Settings { look: Look::Dark, ..Settings::default() }).await else {
        return;
    };
    let site = Served::with_base(&tiny_llama::gguf(7));
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    load_ranker(&visitor).await;
    assert!(visitor.text(ids::DEVICE_BADGE).await.starts_with("CPU (wasm"));
    assert!(visitor.text(ids::DEVICE_REASON).await.contains("no WebGPU adapter"));
    ranked_as_an_untuned_base(&visitor).await;
    visitor.click(ids::PROMPT).await;
    assert!(visitor.text(ids::PROMPT_TEXT).await.starts_with("### Instruction:"));
    visitor.value(&format!("document.getElementById('{}').scrollIntoView()", ids::PROMPT)).await;
    visitor.screenshot("dark-prompt").await;
    visitor.value("scrollTo(0, 0)").await;
    visitor.screenshot("dark").await;

    visitor.reload().await;
    visitor.wait_for_text(ids::LOAD_MODEL, "from this device", SOON).await;
    visitor.click(ids::DELETE_MODEL).await;
    visitor.wait_for_text(ids::LOAD_MODEL, "Download", SOON).await;
    visitor.leave().await;
}

/// What the page must say and show of a base model that was never tuned.
async fn ranked_as_an_untuned_base(visitor: &Visitor) {
    assert!(
        visitor
            .text(ids::ORDER_NOTE)
            .await
            .starts_with("Untuned base model: the order shown is the retriever’s")
    );
    let retrieved = order(visitor).await;
    let places = visitor.texts(&format!("#{} tbody .retriever", ids::RANKING)).await;
    let said: Vec<&str> = places.iter().filter_map(|text| text.lines().next()).map(str::trim).collect();
    assert_eq!(said, (1..=20).map(|place| format!("no. {place}")).collect::<Vec<_>>());
    let percent = |text: &String| text.trim_end_matches(" %").parse::<f64>().unwrap_or(0.0);
    for part in [".odds", ".percent"] {
        let sum: f64 = visitor.texts(&format!("#{} {part}", ids::RANKING)).await.iter().map(percent).sum();
        assert!((sum - 100.0).abs() < 3.0, "the probabilities sum to {sum} % ({part})");
    }

    let ranker = format!("document.getElementById('{}')", ids::choice(ids::ORDER, 1));
    visitor.value(&format!("{ranker}.click()")).await;
    visitor
        .wait(
            "the ranker's order",
            &format!(
                "{ranker}.checked && document.querySelector('#{} .place').innerText === '1'",
                ids::RANKING
            ),
            SOON,
        )
        .await;
    let ranked = order(visitor).await;
    assert_ne!(ranked, retrieved, "the order changes");
    let sorted = |mut films: Vec<String>| {
        films.sort();
        films
    };
    assert_eq!(sorted(ranked), sorted(retrieved), "the films are the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_model_is_refused_and_the_page_stays_usable() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let tiny = tiny_llama::gguf(7);
    let truncated = &tiny[..tiny.len() / 2];
    let cases = [
        (Served::with_false_base(&tiny), "is not the file announced"),
        (Served::without_base(), "the server answered 404"),
        (Served::with_base(truncated), "cannot be used"),
    ];
    for (site, says) in cases {
        visitor.open(&site.url).await;
        add_films(&visitor).await;
        visitor.click(ids::LOAD_MODEL).await;
        visitor.wait_for_text(ids::ALERT, says, COMPUTES).await;
        visitor.wait_for_text(ids::ALERT, "What to do:", SOON).await;
        recommend(&visitor).await;
    }
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_before_the_engine_runs_is_answered() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    // The button is pressed as soon as it is there, before the page is drawn to the end and its engine starts.
    let press = format!(
        "new MutationObserver((_, observer) => {{ \
         const button = document.getElementById('{}'); \
         if (button) {{ observer.disconnect(); button.click(); window.early = !document.querySelector('footer'); }} \
         }}).observe(document, {{ childList: true, subtree: true }});\n",
        ids::LOAD_MODEL
    );
    let start = include_str!("../../../web/start.js");
    let site = Served::with_files(&tiny_llama::gguf(7), &[("start.js", press + start)]);
    visitor.open(&site.url).await;
    visitor.wait("the button", "window.early !== undefined", SOON).await;
    assert_eq!(visitor.value("window.early").await, json!(true), "the page was not drawn to the end");
    visitor.wait_for_text(ids::DEVICE_BADGE, "CPU", COMPUTES).await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webgpu_asked_for_where_there_is_none_is_said() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::with_base(&tiny_llama::gguf(7));
    visitor.open(&site.url).await;
    visitor.wait("the page", &format!("!!document.getElementById('{}')", ids::LOAD_MODEL), SOON).await;
    visitor.select(ids::DEVICE, "webgpu").await;
    visitor.click(ids::LOAD_MODEL).await;
    visitor.wait_for_text(ids::ALERT, "offers no WebGPU adapter", SOON).await;
    visitor.select(ids::DEVICE, "cpu").await;
    visitor.click(ids::LOAD_MODEL).await;
    visitor.wait_for_text(ids::DEVICE_BADGE, "CPU", COMPUTES).await;
    visitor.leave().await;
}

/// The whole way with the real base model and a prompt of full length, on the CPU in wasm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_base_model_ranks_on_the_page() {
    let Some(base) = tests::skip_without_base_model(trainer::fetch::base_model_path(None)) else { return };
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::with_real_base(&base, &[]);
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    let start = std::time::Instant::now();
    load_ranker(&visitor).await;
    eprintln!("loaded and ranked in {:.1?}: {}", start.elapsed(), visitor.text(ids::TIMINGS).await);
    // The shipped adapter decides with the retriever.
    visitor.wait_for_text(ids::ORDER_NOTE, "Both stages together", SOON).await;
    visitor.wait_for_text(ids::MODEL, "Adapter: movielens-small-2016", SOON).await;
    visitor.screenshot("real").await;
    visitor.leave().await;
}

#[test]
fn the_page_is_small_and_holds_no_burn() {
    if driver::programs().is_none() {
        return;
    }
    let files: Vec<_> =
        std::fs::read_dir(site::built()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let find = |begins: &str, ends: &str| {
        let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
        files.iter().find(|path| name(path).starts_with(begins) && name(path).ends_with(ends)).unwrap()
    };
    // What travels is compressed.
    let travels = |begins| std::fs::metadata(find(begins, "_bg.wasm.br")).unwrap().len();
    let (app, engine) = (travels("app-"), travels("engine"));
    assert!(app < 400_000 && engine < 3_000_000, "the page has {app} bytes, the engine {engine}");
    let app = std::fs::read(find("app-", "_bg.wasm")).unwrap();
    let holds = |text: &str| app.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("leptos"), "names are searched where there are some");
    assert!(!holds("burn-") && !holds("cubecl"));
}

/// Asks the engine worker itself, without the page.
pub async fn ask_engine(visitor: &Visitor, url: &str, requests: &[Value]) -> Vec<Value> {
    ask_engine_of(visitor, url, "engine_loader.js", requests).await
}

/// The same with another script in the place of the worker's.
pub async fn ask_engine_of(visitor: &Visitor, url: &str, script: &str, requests: &[Value]) -> Vec<Value> {
    let args = vec![json!(url), json!(script), json!(requests)];
    let answers = visitor.resolve(engine::CONVERSATION, args).await;
    assert!(answers.is_array(), "{answers}");
    serde_json::from_value(answers).unwrap()
}

/// Starts the race and stops it as soon as something is written.
const SHORT_RACE: &str = "
    const [start, writing, stop] = args.map(id => document.getElementById(id));
    start.click();
    const written = () => writing.textContent.includes('tokens');
    while (written()) await new Promise(resolve => setTimeout(resolve, 1));
    while (!written()) await new Promise(resolve => setTimeout(resolve, 1));
    stop.click();
    return true;
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_pass_races_against_writing_the_ranking_out() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::with_base(&tiny_llama::gguf(11));
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    load_ranker(&visitor).await;
    visitor.click(&ids::view(View::Lesson)).await;
    visitor.value(&format!("document.getElementById('{}').open = true", ids::RACE)).await;
    visitor.click(ids::START_RACE).await;
    visitor.wait_for_text(ids::RACE_RESULT, "of the 20 candidates", COMPUTES).await;
    let result = visitor.text(ids::RACE_RESULT).await;
    assert!(result.starts_with("The text was cut") || result.starts_with("The model ended"), "{result}");
    assert!(visitor.text(ids::RACE_PASS).await.contains("20 films ranked"));
    assert!(visitor.text(ids::RACE_WRITING).await.contains("tokens"));
    assert!(!visitor.text(ids::RACE_TEXT).await.is_empty());
    assert!(visitor.text(ids::LIVE).await.starts_with("The race is over"));
    visitor.screenshot("race").await;

    let args = [ids::START_RACE, ids::RACE_WRITING, ids::STOP_RACE].map(|id| json!(id));
    visitor.resolve(SHORT_RACE, args.to_vec()).await;
    visitor.wait_for_text(ids::RACE_RESULT, "You stopped", SOON).await;
    // The engine answers again.
    visitor.click(&ids::view(View::Recommend)).await;
    recommend(&visitor).await;
    visitor.leave().await;
}
