//! The page's address: the part after `#`, and the entries of the browser's history that lead to it.

use leptos::prelude::window;
use wasm_bindgen::JsValue;

/// What the marks of all visits begin with.
const MARK: &str = "llamarec ";

/// From one start of the page to the next. Entries that it made are marked; all others, of a link that was opened or of
/// another bundle, are not the page's to show as it is.
#[derive(Clone, Debug)]
pub struct Visit {
    mark: String,
    /// The part after `#` as it was set last.
    set: String,
}

impl Visit {
    /// Goes on with the visit of the entry that is shown, which a reload keeps, or begins a new one.
    pub fn begin() -> Self {
        let state = window().history().and_then(|history| history.state()).unwrap_or_default();
        let kept = state.as_string().filter(|state| state.starts_with(MARK));
        Self { mark: kept.unwrap_or_else(|| format!("{MARK}{}", js_sys::Math::random())), set: hash() }
    }

    /// Whether the entry with this state is of this visit.
    pub fn has_made(&self, state: &JsValue) -> bool {
        state.as_string().is_some_and(|state| state == self.mark)
    }

    /// Whether the address is what was set last, whoever led there.
    pub fn is_here(&self) -> bool {
        hash() == self.set
    }

    /// Sets the part after `#` again as it was set last, and marks its entry.
    pub fn keep(&mut self) {
        let set = std::mem::take(&mut self.set);
        self.enter(&set, false);
    }

    /// Replaces the part after `#` without a new entry.
    pub fn replace(&mut self, text: &str) {
        // Browsers take tens of milliseconds over it, and at the start there is mostly nothing to change.
        if bare(&hash()) == text {
            self.set = hash();
        } else {
            self.enter(text, false);
        }
    }

    /// Sets the part after `#` in a new entry; the one before is of this visit, too.
    pub fn push(&mut self, text: &str) {
        self.enter(&hash(), false);
        self.enter(text, true);
    }

    fn enter(&mut self, text: &str, anew: bool) {
        if let Ok(history) = window().history() {
            let (mark, url) = (JsValue::from_str(&self.mark), url(text));
            // Where the browser refuses (a sandboxed frame), the page works without the link.
            let _ = if anew {
                history.push_state_with_url(&mark, "", Some(&url))
            } else {
                history.replace_state_with_url(&mark, "", Some(&url))
            };
        }
        self.set = hash();
    }
}

/// The part of the address after and with `#`.
pub fn hash() -> String {
    window().location().hash().unwrap_or_default()
}

/// Starts the page anew at this part of the address after `#`, with a new visit.
pub fn start_at(text: &str) {
    if let Ok(history) = window().history() {
        // Where the browser refuses, the page stays as it is.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&url(text)));
    }
    start_anew();
}

/// Starts the page anew where it is.
pub fn start_anew() {
    // Where the browser refuses, the address has changed and the visitor can reload.
    let _ = window().location().reload();
}

fn bare(hash: &str) -> &str {
    hash.trim_start_matches('#')
}

/// The page's address with this part after `#`.
fn url(text: &str) -> String {
    let location = window().location();
    let path = location.pathname().unwrap_or_default() + &location.search().unwrap_or_default();
    if bare(text).is_empty() { path } else { format!("{path}#{}", bare(text)) }
}
