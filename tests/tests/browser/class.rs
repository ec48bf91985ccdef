//! The lesson alone, as a class sees it.

use serde_json::json;
use web::{
    ids,
    lesson::{LESSON, STEPS, Topic},
};

use super::{
    driver::{SOON, Settings, Visitor},
    lesson::choose,
    site::Served,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_class_sees_one_picture_a_step_and_a_clicker_turns_them() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&format!("{}/#view=lesson&step={STEPS}", site.url)).await;
    let title = |step: usize| format!("{step}. ");
    visitor.wait_for_text(ids::STEP_TITLE, &title(STEPS), SOON).await;
    visitor.click(ids::GUIDED).await;
    let alone = format!("!document.getElementById('{}') && !document.querySelector('nav')", ids::SEARCH);
    visitor.wait("the lesson alone", &alone, SOON).await;
    // It is in the link.
    visitor.reload().await;
    visitor.wait_for_text(ids::STEP_TITLE, &title(STEPS), SOON).await;
    let one = "document.querySelectorAll('.lesson .figure:not(.covered)').length === 1";
    visitor.wait("one picture", &format!("{alone} && {one}"), SOON).await;
    visitor.wait("the race", &format!("document.getElementById('{}').open", ids::RACE), SOON).await;

    let press = |key: &str| {
        format!("document.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))")
    };
    for step in (2..STEPS).rev() {
        visitor.value(&press("PageUp")).await;
        visitor.wait_for_text(ids::STEP_TITLE, &title(step), SOON).await;
        // What other letters do belongs to the ranking.
        let pictures = if LESSON[step - 1].topic == Topic::Ranking { 2 } else { 1 };
        let seen =
            format!("document.querySelectorAll('.lesson .figure:not(.covered)').length === {pictures}");
        visitor.wait(&format!("{pictures} at step {step}"), &seen, SOON).await;
    }
    // With another key they are the browser's.
    let with_control = press("PageUp").replace("bubbles", "ctrlKey: true, bubbles");
    visitor.value(&with_control).await;
    visitor.wait_for_text(ids::STEP_TITLE, &title(2), SOON).await;
    // The candidates with the retriever's scores, once there is a guess.
    visitor.wait("a cover", &format!("!!document.getElementById('{}')", ids::REVEAL), SOON).await;
    let seen = format!("!!document.getElementById('{}').offsetParent", ids::CANDIDATES);
    assert_eq!(visitor.value(&seen).await, json!(false));
    choose(&visitor, ids::QUESTION, 1).await;
    let rows = format!("document.querySelectorAll('#{} tbody tr').length === 20", ids::CANDIDATES);
    visitor.wait("the candidates", &format!("{rows} && {seen}"), SOON).await;
    visitor.screenshot("class").await;
    // For the next class.
    let covered = format!("!!document.getElementById('{}') && !({seen})", ids::REVEAL);
    visitor.click(ids::GUESS_AGAIN).await;
    visitor.wait("the cover again", &covered, SOON).await;
    choose(&visitor, ids::QUESTION, 1).await;
    visitor.wait("the candidates again", &seen, SOON).await;
    // What was guessed about one example is no guess about another.
    let other =
        format!("document.querySelector('#{} button[aria-pressed=\"false\"]').click()", ids::EXAMPLES);
    visitor.value(&other).await;
    visitor.wait("the cover of another example", &covered, SOON).await;
    choose(&visitor, ids::QUESTION, 1).await;
    visitor.wait("the candidates of another example", &seen, SOON).await;
    // The choice made keeps the focus, and not the clicker's keys.
    visitor.value(&format!("document.getElementById('{}').focus()", ids::choice(ids::QUESTION, 1))).await;
    visitor.value(&press("PageUp")).await;
    let films = format!("document.querySelectorAll('#{} li').length > 2", ids::TOLD);
    visitor.wait("the history", &films, SOON).await;
    // There is nothing before the first step.
    visitor.value(&press("PageUp")).await;
    for step in 2..=STEPS {
        visitor.value(&press("PageDown")).await;
        visitor.wait_for_text(ids::STEP_TITLE, &title(step), SOON).await;
    }

    visitor.click(ids::GUIDED).await;
    visitor.wait("the whole page", &format!("!({alone})"), SOON).await;
    // There the keys scroll.
    visitor.value(&press("PageUp")).await;
    visitor.wait_for_text(ids::STEP_TITLE, &title(STEPS), SOON).await;
    visitor.leave().await;
}
