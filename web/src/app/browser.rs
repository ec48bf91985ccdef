//! The few things the page asks of the browser itself.

use leptos::{
    leptos_dom::helpers::request_animation_frame,
    prelude::{document, window},
};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::HtmlElement;

/// Removes the text that stands in the page until it starts.
pub fn remove_placeholder() {
    if let Some(placeholder) = document().get_element_by_id("starting") {
        placeholder.remove();
    }
}

/// Gives the focus to the first of these elements that exists, once the page is drawn.
pub fn focus_soon(ids: Vec<String>) {
    request_animation_frame(move || {
        let element = ids.iter().find_map(|id| document().get_element_by_id(id));
        if let Some(element) = element.and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            // An element that went away in between needs no focus.
            let _ = element.focus();
        }
    });
}

/// Makes the element visible by scrolling as little as possible.
pub fn reveal_soon(id: String) {
    request_animation_frame(move || {
        if let Some(element) = document().get_element_by_id(&id) {
            let options = web_sys::ScrollIntoViewOptions::new();
            options.set_block(web_sys::ScrollLogicalPosition::Nearest);
            element.scroll_into_view_with_scroll_into_view_options(&options);
        }
    });
}

/// The absolute address of a path relative to the page.
pub fn absolute(path: &str) -> String {
    let base = document().base_uri().ok().flatten().unwrap_or_default();
    web_sys::Url::new_with_base(path, &base).map_or_else(|_| path.to_owned(), |url| url.href())
}

/// The part of the address after and with `#`.
pub fn hash() -> String {
    window().location().hash().unwrap_or_default()
}

/// Replaces the part of the address after `#` without a new history entry.
pub fn set_hash(hash: &str) {
    let location = window().location();
    let path = location.pathname().unwrap_or_default() + &location.search().unwrap_or_default();
    let url = if hash.is_empty() { path } else { format!("{path}#{hash}") };
    if let Ok(history) = window().history() {
        // Where the browser refuses (a sandboxed frame), the page works without the link.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&url));
    }
}

/// What a JavaScript error says.
pub fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => format!("{error:?}"),
    }
}
