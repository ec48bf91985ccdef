//! Before the base model is fetched the page says what it is, and while it is fetched how far that is.

use serde_json::json;
use web::{ids, stored::CACHE};

use super::{
    driver::{SOON, Settings, Visitor},
    site::Served,
};

/// Notes every change of the panel: the phase, how full the bar is, and the words.
const WATCH: &str = "
    // The bar comes and goes, the panel stays.
    const [panel, bar] = [document.getElementById(args[0]), args[1]];
    window.seen = [];
    new MutationObserver(() => {
      const phase = panel.querySelector('[aria-label=\"Phases of loading\"] [aria-current=step]');
      const progress = document.getElementById(bar);
      if (phase) window.seen.push([phase.textContent, progress.value, progress.max, panel.textContent]);
    }).observe(panel, { subtree: true, childList: true, attributes: true, characterData: true });
";

/// All of it stands in the panel of the ranker.
async fn said(visitor: &Visitor, words: [&str; 3]) {
    let offer = visitor.text(ids::MODEL).await;
    for word in words {
        assert!(offer.contains(word), "{word:?} is missing: {offer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn size_licence_and_progress_are_said() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let shipped = Served::without_base();
    visitor.open(&shipped.url).await;
    visitor.wait_for_text(ids::LOAD_MODEL, "98.4 MB", SOON).await;
    said(&visitor, ["SmolLM2-135M", "Apache-2.0", "nothing yet; kept on this device once loaded"]).await;

    // Large enough to be seen on its way, and no model.
    let site = Served::with_base(&vec![0; 64 << 20]);
    visitor.open(&site.url).await;
    visitor.wait_for_text(ids::LOAD_MODEL, "67.1 MB", SOON).await;
    said(&visitor, ["67.1 MB", "of your own file", "nothing yet; kept on this device once loaded"]).await;
    let keeps = async || visitor.resolve("return caches.has(args[0])", vec![json!(CACHE)]).await;
    assert_eq!(keeps().await, json!(false), "before the visitor says so");

    visitor.resolve(WATCH, vec![json!(ids::MODEL), json!(ids::PROGRESS)]).await;
    visitor.click(ids::LOAD_MODEL).await;
    visitor.wait("an end", &format!("!!document.querySelector('#{} .alert')", ids::ALERT), SOON).await;
    let seen = visitor.value("window.seen").await;
    let seen: Vec<(String, f64, f64, String)> = serde_json::from_value(seen).unwrap();
    let on_its_way = |(phase, value, max, words): &(String, f64, f64, String)| {
        phase == "Download" && 0.0 < *value && value < max && words.contains(" of 67.1\u{a0}MB")
    };
    assert!(seen.iter().any(on_its_way), "{seen:?}");
    let mut phases: Vec<&str> = seen.iter().map(|(phase, ..)| phase.as_str()).collect();
    phases.dedup();
    assert!(["Download", "Verify", "To the device"].starts_with(&phases) && phases.len() > 1, "{phases:?}");
    assert_eq!(keeps().await, json!(true), "what has arrived is kept");
    visitor.leave().await;
}
