//! The lesson and the results, from records alone and with a ranker.

use fantoccini::key::Key;
use serde_json::{Value, json};
use shared::scoring::ScoringConfig;
use tests::{tiny_llama, tuned};
use web::{ids, view::View};

use super::{
    add_films, drawn_with_example,
    driver::{COMPUTES, SOON, Settings, Visitor},
    load_ranker, recommend,
    site::Served,
};

/// Presses a radio button of a group.
pub async fn choose(visitor: &Visitor, group: &str, n: usize) {
    visitor.value(&format!("document.getElementById('{}').click()", ids::choice(group, n))).await;
}

/// Sets the slider to this power of ten.
async fn heat(visitor: &Visitor, exponent: f64) {
    let set = format!(
        "(e => {{ e.value = '{exponent}'; e.dispatchEvent(new Event('input', {{ bubbles: true }})); return true; }})\
         (document.getElementById('{}'))",
        ids::TEMPERATURE
    );
    visitor.value(&set).await;
}

async fn percents(visitor: &Visitor) -> Vec<f64> {
    let texts = visitor.texts(&format!("#{} .percent", ids::LETTERS)).await;
    texts.iter().map(|text| text.trim_end_matches(" %").parse().unwrap_or(0.05)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_on_the_screen_before_any_model() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&site.url).await;
    drawn_with_example(&visitor).await;
    let rows = format!("document.querySelectorAll('#{} .percent').length", ids::RANKING);
    assert_eq!(visitor.value(&rows).await, json!(20));
    assert_eq!(visitor.value("location.hash").await, json!(""));
    visitor.screenshot("record").await;

    // Another taste, and a film of one's own after it.
    let chips = visitor.texts(&format!("#{} button", ids::EXAMPLES)).await;
    assert_eq!(chips.len(), 5, "{chips:?}");
    visitor.value(&format!("document.querySelectorAll('#{} button')[2].click()", ids::EXAMPLES)).await;
    visitor.wait_for_text(ids::RECORDED, &chips[2], SOON).await;
    visitor.reload().await;
    visitor.wait_for_text(ids::RECORDED, &chips[2], SOON).await;

    // Asked for anew, without a ranker, it stays what the lesson speaks of.
    recommend(&visitor).await;
    visitor.wait_for_text(ids::ORDER_NOTE, "no ranker has read", SOON).await;
    visitor.click(&ids::view(View::Lesson)).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "Recorded answer: asked by letters, tuned", SOON).await;
    visitor.wait_for_text(ids::RACE, &format!("Recorded for “{}”", chips[2]), SOON).await;
    add_films(&visitor).await;
    assert_eq!(visitor.text(ids::RECORDED).await, "");
    // Own films have no record: the lesson says whose answer it shows, and has others.
    visitor.wait_for_text(ids::LESSON_NOTE, &format!("of the example “{}”", chips[2]), SOON).await;
    assert_eq!(visitor.texts(&format!("#{} button", ids::EXAMPLES)).await, chips);
    visitor.click(&ids::view(View::Recommend)).await;
    visitor.click(ids::UNDO).await;
    visitor.click(ids::REDO).await;
    assert_eq!(visitor.texts(&format!("#{} .film", ids::HISTORY)).await, super::FILMS);
    recommend(&visitor).await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lesson_needs_no_model() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&site.url).await;
    visitor.click(&ids::view(View::Lesson)).await;
    let count = |list: &str| format!("document.querySelectorAll('#{list} li').length === 20");
    visitor.wait("the letters", &count(ids::LETTERS), SOON).await;
    visitor.wait("the vocabulary", &count(ids::VOCABULARY), SOON).await;
    assert!(visitor.text(ids::MASS).await.contains("lies on the letters"));
    assert!(visitor.text(ids::LESSON_NOTE).await.starts_with("Recorded answer: asked by letters, tuned"));
    visitor.screenshot("lesson").await;

    // The other way of asking is recorded too.
    choose(&visitor, ids::ASKED, 1).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "Recorded answer: asked film by film, tuned", SOON).await;
    choose(&visitor, ids::ASKED, 0).await;
    visitor.wait("the vocabulary again", &count(ids::VOCABULARY), SOON).await;

    // A step about letters offers to ask by letters.
    choose(&visitor, ids::ASKED, 1).await;
    visitor.click(ids::STEP_NEXT).await;
    visitor.click(ids::STEP_NEXT).await;
    visitor.click(ids::BY_LETTERS).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "Recorded answer: asked by letters, tuned", SOON).await;
    visitor.click(ids::STEP_BACK).await;
    visitor.click(ids::STEP_BACK).await;

    choose(&visitor, ids::ASKED, 2).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "Recorded answer: asked film by film, untuned", SOON).await;
    // The way of asking is in the link.
    visitor.reload().await;
    visitor.wait_for_text(ids::LESSON_NOTE, "Recorded answer: asked film by film, untuned", SOON).await;
    choose(&visitor, ids::ASKED, 0).await;
    // So are the shuffled letters and the race.
    visitor.unfold().await;
    visitor.wait_for_text(ids::RACE, "Recorded for “Space adventures”", SOON).await;
    visitor.wait_for_text(ids::RACE_RESULT, "of the 20 candidates", SOON).await;
    assert!(visitor.text(ids::RACE_WRITING).await.contains("tokens"));
    let wins = format!(
        "[...document.querySelectorAll('#{} .hint')].map(e => Number(e.textContent.split(' ')[1])).reduce((a, b) => a + b)",
        ids::BIAS
    );
    assert_eq!(visitor.value(&wins).await, json!(8), "one best letter an order");
    assert_eq!(
        visitor.value(&format!("document.querySelectorAll('#{} tbody tr').length", ids::AVERAGE)).await,
        json!(20)
    );
    let marks =
        visitor.value("[...document.querySelectorAll('.lesson .recorded')].map(e => e.textContent)").await;
    assert_eq!(marks.as_array().map(Vec::len), Some(2), "{marks}");

    visitor.value(&format!("document.getElementById('{}').scrollIntoView()", ids::AVERAGE)).await;
    visitor.screenshot("recorded-shuffle").await;
    visitor.value(&format!("document.getElementById('{}').scrollIntoView()", ids::RACE)).await;
    visitor.screenshot("recorded-race").await;

    // The slider changes confidence and nothing else.
    let warm = percents(&visitor).await;
    heat(&visitor, -1.0).await;
    visitor.wait_for_text(ids::LESSON, "0.10", SOON).await;
    let cold = percents(&visitor).await;
    let best = |shares: &[f64]| (0..20).max_by(|&a, &b| shares[a].total_cmp(&shares[b])).unwrap();
    assert_eq!(best(&cold), best(&warm));
    assert!(cold[best(&cold)] > warm[best(&warm)], "{cold:?} {warm:?}");

    // Pointing at a letter lights up its tokens and puts its numbers into the formula.
    visitor.value(&format!("document.querySelectorAll('#{} button')[4].focus()", ids::LETTERS)).await;
    visitor.wait_for_text(ids::FORMULA, "p(E)", SOON).await;
    let lit = visitor.texts(&format!("#{} .lit", ids::PROMPT_TEXT)).await;
    assert!(lit.len() == 1 && lit[0].starts_with("(E) "), "{lit:?}");
    choose(&visitor, ids::GRAIN, 2).await;
    let ids_shown = format!(
        "[...document.querySelectorAll('#{} .span-candidate')].every(e => /^[0-9]+$/.test(e.textContent.trim()))",
        ids::PROMPT_TEXT
    );
    visitor.wait("token ids", &ids_shown, SOON).await;
    choose(&visitor, ids::GRAIN, 1).await;
    let tokens = format!("document.querySelectorAll('#{} span').length > 150", ids::PROMPT_TEXT);
    visitor.wait("tokens", &tokens, SOON).await;
    visitor.value(&format!("document.getElementById('{}').scrollIntoView()", ids::PROMPT)).await;
    visitor.screenshot("tokens").await;

    // Every step asks, and the record answers.
    for step in 1..=web::lesson::STEPS {
        visitor.wait_for_text(ids::STEP_TITLE, &format!("{step}. "), SOON).await;
        // What would give the answer away is not to be seen before a guess.
        let hidden = "[...document.querySelectorAll('.lesson .figure')].filter(e => e.hidden).length";
        let web::lesson::Step { hides, topic, .. } = web::lesson::LESSON[step - 1];
        // The order can be read off three pictures; the prompt's length and the likeliest token off the race, too.
        let pictures = match topic {
            web::lesson::Topic::Ranking => 3,
            web::lesson::Topic::Candidates => 1,
            _ => 2,
        };
        assert_eq!(visitor.value(hidden).await, json!(if hides { pictures } else { 0 }), "{step}");
        choose(&visitor, ids::QUESTION, 0).await;
        visitor.wait("the picture", &format!("{hidden} === 0"), SOON).await;
        let said = format!("/^(Yes|No)\\. ./.test(document.getElementById('{}').textContent)", ids::ANSWER);
        visitor.wait("an answer", &said, SOON).await;
        if step < web::lesson::STEPS {
            visitor.click(ids::STEP_NEXT).await;
        }
    }
    // All of it is in the link.
    let hash = visitor.value("location.hash").await;
    assert_eq!(hash, json!(format!("#view=lesson&step={}&t=0.1", web::lesson::STEPS)));
    visitor.reload().await;
    visitor.wait_for_text(ids::STEP_TITLE, &format!("{}. ", web::lesson::STEPS), SOON).await;

    visitor.click(ids::LARGE).await;
    visitor.wait("large type", "!!document.querySelector('.page.large')", SOON).await;
    visitor.screenshot("large").await;

    // Nobody has to guess.
    visitor.click(ids::STEP_BACK).await;
    visitor.click(ids::REVEAL).await;
    visitor
        .wait("the ranking", &format!("!!document.getElementById('{}').offsetParent", ids::COMPARISON), SOON)
        .await;

    // Back leads to the view before, and nothing is loaded anew for it.
    visitor.value("window.same = true").await;
    visitor.click(&ids::view(View::Retriever)).await;
    visitor.wait("the address", "/view=retriever/.test(location.hash)", SOON).await;
    visitor.value("history.back()").await;
    let title = format!("!!document.getElementById('{}')", ids::STEP_TITLE);
    visitor.wait("the lesson again", &title, SOON).await;
    visitor.value("history.forward()").await;
    visitor.wait("the retriever again", &format!("!({title})"), SOON).await;
    assert_eq!(visitor.value("window.same").await, json!(true), "nothing was loaded anew");

    // A link that is opened where the page is already shown leads where it says.
    visitor.value("location.hash = '#view=results'").await;
    let results = format!("!!document.getElementById('{}')", ids::RESULTS);
    visitor.wait("the results", &results, SOON).await;
    // The same link again changes nothing, and Back leads to what was there before the first.
    let settled = "document.readyState === 'complete'";
    visitor.wait("the end of loading", settled, SOON).await;
    visitor.value("window.same = true").await;
    visitor.value("Object.assign(document.createElement('a'), { href: '#view=results' }).click()").await;
    visitor.wait("the page's own mark", "typeof history.state === 'string'", SOON).await;
    assert_eq!(visitor.value("window.same").await, json!(true), "nothing was loaded anew");
    visitor.value("history.back()").await;
    visitor.wait("what was there before", "window.same === undefined", SOON).await;
    visitor.wait("the retriever", "/view=retriever/.test(location.hash)", SOON).await;
    visitor.wait("no results", &format!("!({results})"), SOON).await;
    // What was set before Back is not what is here: a link to it is followed.
    visitor.click(&ids::view(View::Results)).await;
    visitor.wait("the results", &results, SOON).await;
    let there = visitor.value("location.hash").await;
    visitor.value("history.back()").await;
    visitor.wait("no results", &format!("!({results})"), SOON).await;
    visitor.value(&format!("location.hash = {there}")).await;
    visitor.wait("the results", &results, SOON).await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lesson_asks_the_ranker_and_compares_its_answers() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let gguf = tiny_llama::gguf(7);
    let site = Served::with_tuned(&gguf, &tuned::adapter(&gguf));
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    load_ranker(&visitor).await;
    visitor.click(&ids::view(View::Lesson)).await;
    // The lesson asks by letters, whatever the adapter was tuned for.
    visitor.wait_for_text(ids::LESSON_NOTE, "): asked by letters, untuned", COMPUTES).await;
    let letters = percents(&visitor).await;
    assert!((letters.iter().sum::<f64>() - 100.0).abs() < 3.0, "{letters:?}");

    visitor.click(ids::PIN).await;
    visitor.wait_for_text(ids::COMPARISON, "Kendall’s tau 1.00", SOON).await;
    // The adapter off: the same questions, other answers.
    choose(&visitor, ids::ASKED, 2).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "film by film, untuned", COMPUTES).await;
    let untuned = percents(&visitor).await;
    choose(&visitor, ids::ASKED, 1).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "film by film, tuned", COMPUTES).await;
    assert_ne!(percents(&visitor).await, untuned);
    let caption = visitor.text(ids::COMPARISON).await;
    assert!(caption.contains("Pinned: by letters, untuned") && !caption.contains("tau 1.00"), "{caption}");

    // Other letters for the same films.
    let before = visitor.texts(&format!("#{} .film", ids::LETTERS)).await;
    visitor.click(ids::SHUFFLE).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "by letters, untuned model, shuffled", COMPUTES).await;
    let after = visitor.texts(&format!("#{} .film", ids::LETTERS)).await;
    assert_ne!(before, after);
    let prompt = visitor.text(ids::PROMPT_TEXT).await;
    // The tiny tokenizer cuts long titles.
    let begins: String = after[0].chars().take(12).collect();
    assert!(prompt.contains(&format!("(A) {begins}")), "{prompt}");

    // Eight orders, and their mean.
    visitor.unfold().await;
    visitor.click(ids::SHUFFLES).await;
    visitor.wait_for_text(ids::LIVE, "Asked in 8 orders", COMPUTES).await;
    let means = visitor.texts(&format!("#{} td:nth-child(3)", ids::AVERAGE)).await;
    assert_eq!(means.len(), 20);
    let wins = visitor.texts(&format!("#{} .hint", ids::BIAS)).await;
    let wins: Vec<usize> = wins.iter().filter_map(|text| text.split(' ').nth(1)?.parse().ok()).collect();
    assert_eq!((wins.len(), wins.iter().sum::<usize>()), (20, 8));
    visitor.screenshot("shuffles").await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_with_an_adapter_of_their_own_are_tuned() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let gguf = tiny_llama::gguf(7);
    let letters = tuned::adapter_for(&gguf, |tuned_for| tuned_for.scoring = ScoringConfig::letters());
    let site = Served::with_letters(&gguf, &tuned::adapter(&gguf), &letters);
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    load_ranker(&visitor).await;
    visitor.click(&ids::view(View::Lesson)).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "): asked by letters, tuned", COMPUTES).await;
    let ways = visitor.texts(&format!("#{} label", ids::ASKED)).await;
    let expected =
        ["By letters, tuned", "Film by film, tuned", "Film by film, untuned", "By letters, untuned"];
    assert_eq!(ways, expected);
    let tuned = percents(&visitor).await;
    choose(&visitor, ids::ASKED, 3).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "by letters, untuned", COMPUTES).await;
    assert_ne!(percents(&visitor).await, tuned);
    choose(&visitor, ids::ASKED, 1).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "film by film, tuned", COMPUTES).await;
    visitor.leave().await;
}

/// Gives the file input a file with this text.
const OPEN_FILE: &str = "
    const [id, text] = args;
    const files = new DataTransfer();
    files.items.add(new File([text], 'record.json', { type: 'application/json' }));
    const input = document.getElementById(id);
    input.files = files.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
    return true;
";

/// Drops a file with this text on a file input, and one beside it; whether the page kept the browser from opening them.
const DROP_FILE: &str = "
    const [id, text] = args;
    const drop = (place, text) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([text], 'list.txt', { type: 'text/plain' }));
      return !place.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    };
    return [drop(document.getElementById(id), text), drop(document.body, 'nothing')];
";

/// Presses a button and catches the file that it offers.
const CATCH_FILE: &str = "
    const [id] = args;
    let blob;
    const create = URL.createObjectURL;
    URL.createObjectURL = given => { blob = given; return create.call(URL, given); };
    document.getElementById(id).click();
    URL.createObjectURL = create;
    return await blob.text();
";

/// Presses a button, catches the picture that it offers and looks at its pixels.
const CATCH_PICTURE: &str = "
    const [id] = args;
    const create = URL.createObjectURL;
    const blob = await new Promise(resolve => {
      URL.createObjectURL = given => { resolve(given); return create.call(URL, given); };
      document.getElementById(id).click();
    });
    URL.createObjectURL = create;
    const image = await createImageBitmap(blob);
    const { width, height } = image;
    const context = new OffscreenCanvas(width, height).getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    let blue = 0;
    for (let n = 0; n < data.length; n += 4) if (data[n] === 0x3b && data[n + 1] === 0x4c && data[n + 2] === 0xca) blue += 1;
    return { kind: blob.type, width, height, blue };
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_out_and_come_in() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&format!("{}/#view=lesson", site.url)).await;
    visitor.wait("the page", &format!("!!document.getElementById('{}')", ids::SAVE), SOON).await;
    let record = visitor.resolve(CATCH_FILE, vec![json!(ids::SAVE)]).await;
    let text = record.as_str().expect("a text").to_owned();
    let trace: shared::trace::Trace = serde_json::from_str(&text).expect("a record");
    assert_eq!(trace.candidates.len(), 20);
    visitor.wait_for_text(ids::LESSON, "The browser saves llamarec-record.json.", SOON).await;
    let save = async |figure: &str, ending: &str| {
        visitor.resolve(CATCH_FILE, vec![json!(ids::picture(figure, ending))]).await
    };
    let picture = save(ids::LETTERS, "svg").await;
    assert!(picture.as_str().expect("a text").contains(&trace.candidates[3].title.replace('&', "&amp;")));
    visitor.wait_for_text(ids::LESSON, ".svg.", SOON).await;
    let picture = save(ids::VOCABULARY, "svg").await;
    assert_eq!(picture.as_str().expect("a text").matches("<rect").count(), 21);
    for figure in [ids::LETTERS, ids::VOCABULARY] {
        let drawn = visitor.resolve(CATCH_PICTURE, vec![json!(ids::picture(figure, "png"))]).await;
        assert!(drawn["width"].as_u64().is_some_and(|width| width > 800), "{drawn}");
        // Bars are drawn in the page's blue.
        assert!(drawn["blue"].as_u64().is_some_and(|pixels| pixels > 1000), "{drawn}");
    }

    let open = async |text: &str| {
        visitor.resolve(OPEN_FILE, vec![json!(ids::OPEN), json!(text)]).await;
    };
    open("{}").await;
    visitor.wait_for_text(ids::ALERT, "is not a record of LlamaRec", SOON).await;
    let mut other: Value = serde_json::from_str(&text).expect("JSON");
    other["ranker"]["letter_mass"] = json!(0.75);
    open(&other.to_string()).await;
    visitor.wait_for_text(ids::MASS, "75 %", SOON).await;
    visitor.wait_for_text(ids::LESSON_NOTE, "Recorded answer", SOON).await;
    assert_eq!(visitor.text(ids::ALERT).await, "", "what was wrong with another file is said no longer");
    visitor.click(&ids::view(View::Recommend)).await;
    visitor.wait_for_text(ids::RECORDED, "Opened record", SOON).await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_come_from_the_files_of_the_models() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&site.url).await;
    visitor.click(&ids::view(View::Results)).await;
    visitor.wait_for_text(ids::RESULTS, "LlamaRec", SOON).await;
    let measured: Value =
        serde_json::from_slice(include_bytes!("../../../public/models/movielens/adapter.test.json"))
            .expect("JSON");
    let fused = measured["overall"]["fused"]["ndcg@10"].as_f64().expect("a number");
    let table = visitor.text(ids::RESULTS).await;
    assert!(table.contains(&format!("{fused:.4}")) && table.contains("0.0759"), "{table}");
    visitor.screenshot("results").await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_retriever_reads_along_and_films_are_left_out() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&site.url).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    visitor.value(&format!("document.getElementById('{}').open = true", ids::EFFECTS)).await;
    visitor.click(ids::LEAVE_OUT).await;
    visitor.wait_for_text(ids::EFFECTS, "3 of 3 films left out", COMPUTES).await;
    assert_eq!(visitor.texts(&format!("#{} tbody th", ids::EFFECTS)).await, super::FILMS);
    visitor.screenshot("effects").await;

    visitor.click(&ids::view(View::Retriever)).await;
    visitor.wait_for_text(ids::WALK, "Fargo (1996)", SOON).await;
    assert_eq!(visitor.texts(&format!("#{} tbody th", ids::WALK)).await, super::FILMS);
    assert_eq!(
        visitor.value(&format!("document.querySelectorAll('#{} rect').length", ids::SCORES)).await,
        json!(40)
    );
    visitor.screenshot("retriever-view").await;
    visitor.click(ids::CLEAR).await;
    visitor.wait("an empty view", &format!("!document.getElementById('{}')", ids::WALK), SOON).await;
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_ones_own_becomes_the_history() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&site.url).await;
    visitor.wait("the page", &format!("!!document.getElementById('{}')", ids::IMPORT), SOON).await;
    let list = "Name,Year,Rating\nHeat,1995,5\nFargo,1996,4\nToy Story,1995,1\nNo Such Film,2030,5\n";
    visitor.resolve(OPEN_FILE, vec![json!(ids::IMPORT), json!(list)]).await;
    for said in ["2 films taken", "1 film left out", "No Such Film (2030)"] {
        visitor.wait_for_text(ids::IMPORTED, said, SOON).await;
    }
    assert_eq!(visitor.texts(&format!("#{} .film", ids::HISTORY)).await, ["Heat (1995)", "Fargo (1996)"]);
    visitor.resolve(OPEN_FILE, vec![json!(ids::IMPORT), json!("")]).await;
    visitor.wait_for_text(ids::ALERT, "no film in this list", SOON).await;

    // A file can be dropped, and one that falls beside its place does not replace the page.
    let dropped =
        visitor.resolve(DROP_FILE, vec![json!(ids::IMPORT), json!("Fargo (1996)\nHeat (1995)\n")]).await;
    assert_eq!(dropped, json!([true, true]), "the browser itself does nothing with them");
    visitor.wait_for_text(ids::IMPORTED, "2 films taken", SOON).await;
    assert_eq!(visitor.texts(&format!("#{} .film", ids::HISTORY)).await, ["Fargo (1996)", "Heat (1995)"]);
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lesson_works_by_keyboard() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::without_base();
    visitor.open(&site.url).await;
    drawn_with_example(&visitor).await;
    visitor.tab_to(&ids::view(View::Lesson)).await;
    visitor.press(Key::Enter).await;
    visitor.wait_for_text(ids::STEP_TITLE, "1. ", SOON).await;
    visitor.tab_to(&ids::choice(ids::QUESTION, 0)).await;
    visitor.press(Key::Down).await;
    visitor.wait_for_text(ids::ANSWER, "Yes.", SOON).await;
    visitor.tab_to(ids::STEP_NEXT).await;
    visitor.press(Key::Enter).await;
    visitor.wait_for_text(ids::STEP_TITLE, "2. ", SOON).await;
    let focus = format!("document.activeElement.id === '{}'", ids::STEP_TITLE);
    visitor.wait("the focus on the step", &focus, SOON).await;
    visitor.tab_to(ids::TEMPERATURE).await;
    visitor.press(Key::Left).await;
    visitor.wait("a lower temperature", "/t=0\\.[0-9]+/.test(location.hash)", SOON).await;
    visitor.tab_to(ids::PIN).await;
    visitor.press(Key::Enter).await;
    visitor.wait_for_text(ids::COMPARISON, "Kendall’s tau 1.00", SOON).await;
    visitor.leave().await;
}
