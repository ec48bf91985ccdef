//! Another bundle in the place of the page's own: from files, dropped or chosen, or from a folder of the server.

use std::fs;

use serde_json::json;
use tests::{tiny_llama, workspace};
use web::{ids, own_bundle::CACHE};

use super::{
    add_films, drawn_with_example,
    driver::{COMPUTES, SOON, Settings, Visitor},
    load_ranker, recommend,
    site::Served,
};

/// Makes files of the page's own bundle under another name, changes them, and drops them on the file input or chooses them.
const BRING: &str = "
    const [id, dropped] = args;
    const folder = new URL('models/movielens/', document.baseURI);
    const manifest = await (await fetch(new URL('manifest.json', folder))).json();
    manifest.name = 'brought';
    manifest.results = null;
    const names = [manifest.catalog, manifest.retriever, manifest.examples].map(e => e.path);
    const files = {};
    for (const name of names) files[name] = await (await fetch(new URL(name, folder))).blob();
    files['manifest.json'] = new Blob([JSON.stringify(manifest)]);
    CHANGE;
    const transfer = new DataTransfer();
    for (const [name, blob] of Object.entries(files)) transfer.items.add(new File([blob], name));
    const input = document.getElementById(id);
    if (dropped) {
      input.closest('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
    } else {
      input.files = transfer.files;
      input.dispatchEvent(new Event('change', { bubbles: true }));
    }
    return true;
";

async fn bring(visitor: &Visitor, change: &str, dropped: bool) {
    let script = BRING.replace("CHANGE", change);
    assert_eq!(visitor.resolve(&script, vec![json!(ids::BUNDLE_FILES), json!(dropped)]).await, json!(true));
}

async fn open(visitor: &Visitor, url: &str) {
    visitor.open(url).await;
    visitor.wait("the page", &format!("!!document.getElementById('{}')", ids::BUNDLE_FILES), SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_another_bundle_are_checked_kept_and_used() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::with_base(&tiny_llama::gguf(7));
    open(&visitor, &site.url).await;
    let flipped = "files['retriever.safetensors'] = new Blob([
        await files['retriever.safetensors'].slice(0, -1).arrayBuffer(), new Uint8Array([1])])";
    let cases = [
        ("delete files['manifest.json']", "there is no manifest.json among the 3 files"),
        ("delete files['catalog.json']", "catalog.json is missing"),
        ("files['catalog.json'] = new Blob(['{}'])", "catalog.json has 2 bytes, the manifest says"),
        (flipped, "retriever.safetensors is not the file of the manifest: its SHA-256 is"),
        ("files['manifest.json'] = new Blob(['{}'])", "manifest.json is no manifest of LlamaRec"),
    ];
    for (change, says) in cases {
        bring(&visitor, change, false).await;
        visitor.wait_for_text(ids::ALERT, says, SOON).await;
        visitor.wait_for_text(ids::ALERT, "What to do: Choose all files", SOON).await;
    }
    assert_eq!(visitor.text(ids::BUNDLE).await, "", "nothing has changed");

    bring(&visitor, "", true).await;
    visitor.wait_for_text(ids::BUNDLE, "brought, from your files", SOON).await;
    assert_eq!(visitor.value("location.hash").await, json!("#bundle=own"));
    add_films(&visitor).await;
    recommend(&visitor).await;
    // The base model is the one that this page has.
    load_ranker(&visitor).await;
    visitor.screenshot("own-bundle").await;
    visitor.reload().await;
    visitor.wait_for_text(ids::BUNDLE, "brought, from your files", SOON).await;
    recommend(&visitor).await;

    visitor.click(ids::BUNDLE_BACK).await;
    drawn_with_example(&visitor).await;
    assert_eq!(visitor.text(ids::BUNDLE).await, "");
    let has = visitor.resolve(&format!("return await caches.has({CACHE:?});"), vec![]).await;
    assert_eq!(has, json!(false), "nothing is kept any more");
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_the_server_is_used_as_bundle() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let site = Served::with_files(&[], &[]);
    let (from, to) = (workspace().join("public/models/movielens"), site.folder().join("models/other"));
    fs::create_dir(&to).unwrap();
    for name in ["catalog.json", "retriever.safetensors", "manifest.json"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(to.join("manifest.json")).unwrap()).unwrap();
    for (key, value) in [("name", json!("other")), ("examples", json!(null)), ("results", json!(null))] {
        manifest[key] = value;
    }
    fs::write(to.join("manifest.json"), manifest.to_string()).unwrap();

    open(&visitor, &site.url).await;
    add_films(&visitor).await;
    let films = visitor.texts(&format!("#{} .film", ids::HISTORY)).await;
    visitor
        .value(&format!("document.getElementById('{}').closest('details').open = true", ids::BUNDLE_FOLDER))
        .await;
    // A mistyped folder costs nothing.
    visitor.click(ids::BUNDLE_FOLDER).await;
    visitor.type_text("models/othr").await;
    visitor.click(ids::BUNDLE_GO).await;
    visitor.wait_for_text(ids::ALERT, "the server answered 404", SOON).await;
    assert_eq!(visitor.texts(&format!("#{} .film", ids::HISTORY)).await, films);
    visitor.value(&format!("document.getElementById('{}').value = ''", ids::BUNDLE_FOLDER)).await;
    visitor.click(ids::BUNDLE_FOLDER).await;
    visitor.type_text("models/other").await;
    visitor.click(ids::BUNDLE_GO).await;
    visitor.wait_for_text(ids::BUNDLE, "Bundle in use: other", SOON).await;
    add_films(&visitor).await;
    recommend(&visitor).await;
    let hash = visitor.value("location.hash").await;
    assert!(hash.as_str().unwrap().starts_with("#bundle=/models/other/&history="), "{hash}");
    visitor.click(ids::BUNDLE_BACK).await;
    drawn_with_example(&visitor).await;

    // What cannot be used is said, and the page's own bundle is there.
    for (folder, says) in [
        ("models/none", "the server answered 404"),
        ("https://example.org/models/x", "does not lie on the server of this page"),
    ] {
        visitor.open("about:blank").await;
        open(&visitor, &format!("{}/#bundle={folder}", site.url)).await;
        visitor.wait_for_text(ids::ALERT, says, COMPUTES).await;
        visitor.wait_for_text(ids::ALERT, "The page’s own bundle is shown instead", SOON).await;
        drawn_with_example(&visitor).await;
    }
    visitor.leave().await;
}
