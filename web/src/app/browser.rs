//! The few things the page asks of the browser itself.

use gloo::timers::callback::Timeout;
use leptos::{
    leptos_dom::helpers::request_animation_frame,
    prelude::{document, window},
};
use shared::protocol::{Failure, FailureCode};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, BlobPropertyBag, CanvasRenderingContext2d, HtmlAnchorElement, HtmlCanvasElement, HtmlElement,
    HtmlImageElement,
};

/// Removes the text that stands in the page until it starts.
pub fn remove_placeholder() {
    if let Some(placeholder) = document().get_element_by_id("starting") {
        placeholder.remove();
    }
}

/// Lets the browser do other things for this many milliseconds.
pub async fn wait(ms: i32) {
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        if window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms).is_err() {
            // Without a clock there is nothing to wait for.
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    // It is never rejected.
    let _ = JsFuture::from(promise).await;
}

/// Tells the start script that the page is drawn and its engine runs or will not run: what nobody waits for may begin.
pub fn tell_settled() {
    if let Ok(event) = web_sys::Event::new("settled") {
        // Nobody can refuse it.
        let _ = document().dispatch_event(&event);
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

/// Whether what had the focus is gone.
pub fn has_no_focus() -> bool {
    document().active_element().is_none_or(|element| element.tag_name() == "BODY")
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

/// The absolute address of a folder relative to the page, if it lies on the page's own server.
pub fn same_origin(path: &str) -> Option<String> {
    let base = document().base_uri().ok().flatten()?;
    let url = web_sys::Url::new_with_base(path, &base).ok()?;
    (url.origin() == window().location().origin().ok()?).then(|| url.href())
}

/// What a JavaScript error says.
pub fn message(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => format!("{error:?}"),
    }
}

/// Offers a text as a file to save.
///
/// # Errors
/// A browser that makes no files.
pub fn save(name: &str, kind: &str, text: &str) -> Result<(), JsValue> {
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    offer(name, &Blob::new_with_str_sequence_and_options(&parts, &options)?)
}

/// Draws an SVG and offers it as PNG, two pixels for one.
///
/// # Errors
/// A browser that does not draw it.
pub async fn save_png(name: &str, svg: &str) -> Result<(), JsValue> {
    let image = HtmlImageElement::new()?;
    image.set_src(&format!("data:image/svg+xml,{}", js_sys::encode_uri_component(svg)));
    JsFuture::from(image.decode()).await?;
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.unchecked_into();
    let (width, height) = (2 * image.natural_width(), 2 * image.natural_height());
    canvas.set_width(width);
    canvas.set_height(height);
    let context = canvas.get_context("2d")?.ok_or("no canvas")?.unchecked_into::<CanvasRenderingContext2d>();
    context.draw_image_with_html_image_element_and_dw_and_dh(
        &image,
        0.0,
        0.0,
        width.into(),
        height.into(),
    )?;
    let promise = js_sys::Promise::new(&mut |resolve, reject| {
        if let Err(error) = canvas.to_blob(&resolve) {
            // Nobody else waits for it.
            let _ = reject.call1(&JsValue::NULL, &error);
        }
    });
    offer(name, &JsFuture::from(promise).await?.dyn_into::<Blob>()?)
}

/// Offers a file to save.
fn offer(name: &str, blob: &Blob) -> Result<(), JsValue> {
    let url = web_sys::Url::create_object_url_with_blob(blob)?;
    let link = document().create_element("a")?.unchecked_into::<HtmlAnchorElement>();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // The browser has read the link by then.
    Timeout::new(1000, move || drop(web_sys::Url::revoke_object_url(&url))).forget();
    Ok(())
}

/// Copies a text; whether the browser did.
pub async fn copy(text: &str) -> bool {
    // Without a secure origin there is no clipboard.
    let clipboard = window().navigator().clipboard();
    !JsValue::from(&clipboard).is_undefined() && JsFuture::from(clipboard.write_text(text)).await.is_ok()
}

/// The text of a file that the visitor chose; `hint` says which can be opened.
///
/// # Errors
/// A file that is larger than `most` bytes, or that cannot be read.
pub async fn read(file: &web_sys::File, most: usize, hint: &str) -> Result<String, Failure> {
    let refuse = |why: String| Failure {
        code: FailureCode::Input,
        message: format!("{} cannot be opened: {why}.", file.name()),
        hint: hint.to_owned(),
    };
    if file.size() > most as f64 {
        return Err(refuse(format!("it has {} bytes, more than {most}", file.size())));
    }
    let text = JsFuture::from(file.text()).await.map_err(|error| refuse(message(&error)))?;
    Ok(text.as_string().unwrap_or_default())
}

/// The numbers below `count` in a random order.
pub fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for n in (1..count).rev() {
        order.swap(n, (js_sys::Math::random() * (n + 1) as f64) as usize);
    }
    order
}
