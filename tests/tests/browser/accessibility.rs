//! axe-core finds nothing to complain about, on any view, light and dark, wide and narrow.

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;
use tests::tiny_llama;
use web::{ids, view::View};

use super::{
    add_films, drawn_with_example,
    driver::{Look, Settings, Visitor},
    load_ranker, recommend,
    site::Served,
};

/// The package, as npm names it.
const AXE: &str = "axe-core@4.14.1";

/// The text of axe-core; what is skipped and how to get it is printed where there is none.
#[expect(clippy::print_stderr, reason = "a skipped test must say so; tests have no printer")]
fn axe() -> Option<&'static str> {
    static TEXT: OnceLock<Option<String>> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let root = trainer::demo::workspace().ok()?;
        let tools = env::var_os("LLAMAREC_TOOLS").map_or_else(|| root.join(".tools"), PathBuf::from);
        let folder = tools.join("axe");
        let script = folder.join("node_modules/axe-core/axe.min.js");
        if !script.is_file() {
            fs::create_dir_all(&folder).ok()?;
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&folder).arg(AXE);
            npm.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
        }
        fs::read_to_string(script).ok()
    });
    if text.is_none() {
        eprintln!(
            "skipped: accessibility by axe-core, because npm could not bring {AXE}; install node with npm"
        );
    }
    text.as_deref()
}

/// What axe finds wrong on the page as it is now: rule, element and remedy.
async fn violations(visitor: &Visitor, axe: &str) -> Vec<String> {
    let body = format!(
        "if (!window.axe) {{ {axe} }}
         const found = await window.axe.run(document, {{ resultTypes: ['violations'] }});
         return found.violations.flatMap(rule => rule.nodes.map(node => `${{rule.id}}: ${{node.html.slice(0, 160)}} ${{node.failureSummary}}`));"
    );
    let found: Value = visitor.resolve(&body, vec![]).await;
    serde_json::from_value(found.clone()).unwrap_or_else(|_| panic!("{found}"))
}

async fn views_are_clean(settings: Settings, name: &str) {
    let Some(axe) = axe() else { return };
    let Some(visitor) = Visitor::start(settings).await else { return };
    let site = Served::with_base(&tiny_llama::gguf(7));
    visitor.open(&site.url).await;
    drawn_with_example(&visitor).await;
    for view in View::ALL {
        visitor.click(&ids::view(view)).await;
        // What fades in has faded in by then.
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        let found = violations(&visitor, axe).await;
        assert!(found.is_empty(), "{name}, {}:\n{}", view.name(), found.join("\n"));
        visitor.fits(&format!("{name}, {}", view.name())).await;
        let rows = "[...document.querySelectorAll('.history li')].map(row => row.querySelector('.film').offsetWidth / row.offsetWidth)";
        let shares: Vec<f64> = serde_json::from_value(visitor.value(rows).await).unwrap();
        assert!(
            shares.len() > 2 && shares.iter().all(|&share| share > 0.4),
            "titles have room: {name}: {shares:?}"
        );
        visitor.screenshot(&format!("view-{}-{name}", view.slug())).await;
    }
    if settings.look == Look::Narrow {
        visitor.click(ids::LARGE).await;
        for view in View::ALL {
            visitor.click(&ids::view(view)).await;
            visitor.unfold().await;
            visitor.fits(&format!("large, {}", view.name())).await;
        }
    } else {
        visitor.click(&ids::view(View::Recommend)).await;
        add_films(&visitor).await;
        recommend(&visitor).await;
        load_ranker(&visitor).await;
        for view in [View::Recommend, View::Lesson] {
            visitor.click(&ids::view(view)).await;
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
            let found = violations(&visitor, axe).await;
            assert!(found.is_empty(), "{name}, {} with a ranker:\n{}", view.name(), found.join("\n"));
        }
    }
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_in_the_light() {
    views_are_clean(Settings::default(), "light").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_in_the_dark() {
    views_are_clean(Settings { look: Look::Dark, ..Settings::default() }, "dark").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_nothing_on_a_phone() {
    views_are_clean(Settings { look: Look::Narrow, ..Settings::default() }, "narrow").await;
}
