//! A ranking that takes too long is stopped, and nothing is lost by it.

use serde_json::json;
use shared::pieces::PIECE;
use tests::tiny_llama;
use web::ids;

use super::{
    add_films,
    driver::{COMPUTES, SOON, Settings, Visitor},
    load_ranker, order, recommend,
    site::{Served, built},
};

/// Makes every pause of the engine a long one: the tiny model reads a piece in a millisecond.
const SLOW: &str = "
    const early = self.setTimeout;
    self.setTimeout = (wake, ms) => early.call(self, wake, (ms ?? 0) + 400);
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ranking_is_stopped_between_two_pieces() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let loader = std::fs::read_to_string(built().join("engine_loader.js")).unwrap();
    let slow = [("engine_loader.js", format!("{loader}\n{SLOW}"))];
    let site = Served::with_files(&tiny_llama::gguf(7), &slow);
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    load_ranker(&visitor).await;
    let before = (order(&visitor).await, visitor.text(ids::TIMINGS).await);

    // Another history, so that there is something to read.
    visitor.value(&format!("document.querySelector('#{} [aria-label^=Remove]').click()", ids::HISTORY)).await;
    visitor.click(ids::RECOMMEND).await;
    visitor.wait_for_text(ids::READING, "tokens read", COMPUTES).await;
    let read = format!("parseInt(document.getElementById('{}').textContent)", ids::READING);
    let first = visitor.value(&read).await.as_u64().unwrap();
    visitor.wait("another piece", &format!("{read} > {first}"), COMPUTES).await;
    visitor.screenshot("reading").await;
    visitor.click(ids::STOP).await;
    visitor.wait_for_text(ids::LIVE, "Stopped.", SOON).await;
    visitor.wait("the button to go", &format!("!document.getElementById('{}')", ids::STOP), SOON).await;
    assert_eq!((order(&visitor).await, visitor.text(ids::TIMINGS).await), before);
    assert_eq!(visitor.text(ids::ALERT).await, "");

    // What was read is known to the next one.
    visitor.click(ids::RECOMMEND).await;
    visitor.wait_for_text(ids::TIMINGS, "of them known from the ranking before", COMPUTES).await;
    let reused = visitor.text(ids::TIMINGS).await;
    let known = reused.split(" of them known").next().and_then(|text| text.rsplit(' ').next());
    let known: u64 = known.and_then(|count| count.parse().ok()).unwrap();
    assert!(known >= first + PIECE as u64, "{reused}");
    assert_eq!(
        visitor.value(&format!("document.querySelectorAll('#{} .percent').length", ids::RANKING)).await,
        json!(20)
    );
    visitor.leave().await;
}
