//! After one visit the page works without its server; a newer version waits until the visitor wants it.

use serde_json::{Value, json};
use tests::tiny_llama;
use web::{ids, view::View};

use super::{
    add_films,
    driver::{COMPUTES, SOON, Settings, Visitor},
    load_ranker, order, recommend,
    site::{Served, built, copy, on_a_plain_host},
};

/// Waits until the page says that it is kept.
async fn kept(visitor: &Visitor) {
    visitor
        .wait("the page to be kept", "document.documentElement.dataset.offline === 'ready'", COMPUTES)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_one_visit_the_page_needs_no_server() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let mut site = Served::with_base(&tiny_llama::gguf(7));
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    load_ranker(&visitor).await;
    let before = order(&visitor).await;
    kept(&visitor).await;
    visitor.screenshot("kept").await;

    site.stop().await;
    let answers =
        visitor.resolve("return await fetch('no-such-file').then(() => true, () => false);", vec![]).await;
    assert_eq!(answers, json!(false), "the server is gone");
    visitor.reload().await;
    recommend(&visitor).await;
    visitor.wait_for_text(ids::LOAD_MODEL, "from this device", SOON).await;
    load_ranker(&visitor).await;
    assert_eq!(order(&visitor).await, before);
    visitor.click(&ids::view(View::Results)).await;
    visitor.wait_for_text(ids::RESULTS, "LlamaRec", SOON).await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_version_is_offered_and_not_forced() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let page = std::fs::read_to_string(built().join("index.html")).unwrap();
    let mut site = Served::with_files(&[], &[("index.html", page.clone())]);
    visitor.open(&site.url).await;
    kept(&visitor).await;
    visitor.reload().await;
    kept(&visitor).await;
    let heading = "document.querySelector('h1').textContent";
    let offered = format!("!document.getElementById('{}').hidden", ids::UPDATE);
    assert_eq!(visitor.value(&offered).await, json!(false), "it is the newest");

    site.stop().await;
    let newer = page.replace("<h1>LlamaRec</h1>", "<h1>LlamaRec, newer</h1>");
    assert_ne!(newer, page);
    std::fs::write(site.folder().join("index.html"), newer).unwrap();
    site.start_again();
    visitor.reload().await;
    visitor.wait("the offer", &offered, COMPUTES).await;
    assert_eq!(visitor.value(heading).await, json!("LlamaRec"), "nothing changes by itself");
    visitor.screenshot("update").await;
    let press = format!("document.querySelector('#{} button').click()", ids::UPDATE);
    let _: Value = visitor.value(&press).await;
    visitor.wait("the newer version", &format!("{heading} === 'LlamaRec, newer'"), COMPUTES).await;
    kept(&visitor).await;
    assert_eq!(visitor.value(&offered).await, json!(false));
    let caches = visitor
        .resolve(
            "return (await caches.keys()).filter(name => name.startsWith('llamarec-page-')).length;",
            vec![],
        )
        .await;
    assert_eq!(caches, json!(1), "the version before is gone");
    visitor.leave().await;
}

/// While a server is given a new version, it can answer with a list of one and files of the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_two_versions_are_not_kept_as_one() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let page = tempfile::tempdir().unwrap();
    copy(built(), page.path());
    let index = page.path().join("index.html");
    let text = std::fs::read_to_string(&index).unwrap();
    std::fs::write(&index, text.replace("<h1>LlamaRec</h1>", "<h1>LlamaRec, newer</h1>")).unwrap();
    visitor.open(&on_a_plain_host(page.path()).await).await;
    let state = "
        const registration = await navigator.serviceWorker.register('sw.js');
        const worker = registration.installing ?? registration.waiting ?? registration.active;
        if (worker?.state !== 'installing') return worker?.state ?? 'redundant';
        return await new Promise(done => { worker.onstatechange = () => done(worker.state); });
    ";
    assert_eq!(visitor.resolve(state, vec![]).await, json!("redundant"));
    let caches = "return (await caches.keys()).filter(name => name.startsWith('llamarec-page-'));";
    assert_eq!(visitor.resolve(caches, vec![]).await, json!([]), "half a version is none");
    visitor.leave().await;
}

/// Threads share memory on isolated pages only, and most hosts cannot be told to isolate one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_page_is_isolated_on_any_host() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    visitor.open(&on_a_plain_host(built()).await).await;
    let isolated = "crossOriginIsolated";
    assert_eq!(visitor.value(isolated).await, json!(false), "the host says nothing");
    kept(&visitor).await;
    visitor.reload().await;
    assert_eq!(visitor.value(isolated).await, json!(true));
    kept(&visitor).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    visitor.leave().await;
}
