//! What visitors set in their system is respected: magnification, forced colours, no motion.

use serde_json::{Value, json};
use tests::tiny_llama;
use web::{ids, view::View};

use super::{
    add_films, drawn_with_example,
    driver::{Look, Settings, Visitor},
    load_ranker, recommend,
    site::Served,
};

/// Elements whose content is cut off: it is larger than they are, and nobody can scroll to it; and what lies beside the
/// screen. Texts for screen readers and fields that one types into are cut on purpose.
const CUT: &str = "
    const shown = e => e.checkVisibility() && !e.closest('.visually-hidden') && e.tagName !== 'INPUT';
    const clips = e => ['hidden', 'clip'].includes(getComputedStyle(e).overflowX);
    const scrolls = e => !!e.closest('.scroll, pre, .formula, .offers');
    return [...document.querySelectorAll('body *')].filter(shown).filter(e =>
      (clips(e) && e.scrollWidth > e.clientWidth + 1) ||
      (!scrolls(e) && e.getClientRects().length > 0 && e.getBoundingClientRect().right > innerWidth + 1)
    ).map(e => e.outerHTML.slice(0, 120));
";

async fn start(look: Look) -> Option<(Visitor, Served)> {
    let visitor = Visitor::start(Settings { look, ..Settings::default() }).await?;
    let site = Served::with_base(&tiny_llama::gguf(7));
    visitor.open(&site.url).await;
    drawn_with_example(&visitor).await;
    Some((visitor, site))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_cut_at_200_percent() {
    let Some((visitor, _site)) = start(Look::Zoomed).await else { return };
    assert_eq!(visitor.value("[innerWidth, devicePixelRatio]").await, json!([640, 2]));
    let whole = async |what: &str| {
        let cut: Value = visitor.resolve(CUT, vec![]).await;
        assert_eq!(cut, json!([]), "{what}");
        visitor.fits(what).await;
    };
    for view in View::ALL {
        visitor.click(&ids::view(view)).await;
        visitor.unfold().await;
        whole(view.name()).await;
        visitor.screenshot(&format!("zoomed-{}", view.slug())).await;
    }
    visitor.click(&ids::view(View::Recommend)).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    load_ranker(&visitor).await;
    whole("a ranking").await;
    // What has the focus is not behind anything.
    visitor.tab_to(ids::RECOMMEND).await;
    let seen = format!(
        "(e => {{ const box = e.getBoundingClientRect(); const top = document.elementFromPoint(box.x + box.width / 2, \
         box.y + box.height / 2); return e.contains(top); }})(document.getElementById('{}'))",
        ids::RECOMMEND
    );
    assert_eq!(visitor.value(&seen).await, json!(true));
    visitor.leave().await;
}

/// Distance of two colours as people see it (WCAG contrast), from 1 to 21.
const CONTRAST: &str = "
    const [shape, around, [front, back]] = args;
    const canvas = new OffscreenCanvas(1, 1).getContext('2d');
    const light = colour => {
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const colour = (e, property) => getComputedStyle(document.querySelector(e))[property];
    const [a, b] = [light(colour(shape, front)), light(colour(around, back))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forced_colours_leave_bars_choices_and_focus_visible() {
    let Some((visitor, _site)) = start(Look::ForcedColours).await else { return };
    assert_eq!(visitor.value("matchMedia('(forced-colors: active)').matches").await, json!(true));
    visitor.screenshot("forced-recommend").await;
    let contrast = async |shape: &str, around: &str, of: [&str; 2], least: f64| {
        let seen = visitor.resolve(CONTRAST, vec![json!(shape), json!(around), json!(of)]).await;
        assert!(seen.as_f64().is_some_and(|seen| seen >= least), "{shape} on {around}: {seen}");
    };
    let bars = async |list: &str| {
        let [fill, track] = [".fill", ".track"].map(|shape| format!("#{list} .bar {shape}"));
        contrast(&fill, &track, ["fill", "fill"], 3.0).await;
    };
    bars(ids::RANKING).await;
    visitor.click(&ids::view(View::Lesson)).await;
    bars(ids::LETTERS).await;
    bars(ids::VOCABULARY).await;
    visitor.screenshot("forced-lesson").await;

    // What is chosen differs from what is not, by more than the weight of its letters.
    let background = "getComputedStyle(document.querySelector(SELECTOR)).backgroundColor";
    for (chosen, other) in [
        ("nav [aria-current=page]", "nav button:not([aria-current])"),
        (".segmented :checked + span", ".segmented :not(:checked) + span"),
        (".chip[aria-pressed=true]", ".chip[aria-pressed=false]"),
    ] {
        let of = async |selector: &str| {
            visitor.value(&background.replace("SELECTOR", &format!("{selector:?}"))).await
        };
        assert_ne!(of(chosen).await, of(other).await, "{chosen}");
        contrast(chosen, chosen, ["color", "backgroundColor"], 4.5).await;
    }
    visitor.tab_to(&ids::view(View::Results)).await;
    let outline = "(s => s.outlineStyle === 'solid' && parseFloat(s.outlineWidth) >= 2)(getComputedStyle(document.activeElement))";
    assert_eq!(visitor.value(outline).await, json!(true));
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_moves_for_those_who_prefer_it_so() {
    let moving = "document.getAnimations().length + [...document.querySelectorAll('*')].filter(e => \
        getComputedStyle(e).animationName !== 'none').length";
    let second =
        format!("document.querySelector('#{} button[aria-pressed=\"false\"]').click()", ids::EXAMPLES);
    for (look, moves) in [(Look::Plain, true), (Look::Still, false)] {
        let Some((visitor, _site)) = start(look).await else { return };
        // What is there from the beginning need not arrive.
        assert_eq!(visitor.value(moving).await, json!(0), "{look:?}");
        visitor.value(&second).await;
        let rows = visitor.value(moving).await;
        assert_eq!(rows.as_u64().is_some_and(|rows| rows > 0), moves, "{look:?}: {rows}");
        visitor.leave().await;
    }
}
