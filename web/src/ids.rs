//! Element ids: the page sets them, labels and ARIA attributes refer to them, the browser tests find by them.

/// The search box.
pub const SEARCH: &str = "search";
/// The listbox of found titles.
pub const SEARCH_LIST: &str = "search-list";
/// How many titles were found, in words.
pub const SEARCH_STATUS: &str = "search-status";
/// The ordered list of the history.
pub const HISTORY: &str = "history";
/// Button: empties the history.
pub const CLEAR: &str = "clear-history";
/// Button: takes back the last change of the history.
pub const UNDO: &str = "undo";
/// Button: asks for recommendations.
pub const RECOMMEND: &str = "recommend";
/// The table of recommendations.
pub const RANKING: &str = "ranking";
/// Radio group: which order the table shows.
pub const ORDER: &str = "order";
/// Radio button: the final order.
pub const ORDER_FINAL: &str = "order-final";
/// Radio button: the retriever's order.
pub const ORDER_RETRIEVER: &str = "order-retriever";
/// Radio button: the ranker's order.
pub const ORDER_RANKER: &str = "order-ranker";
/// Radio group: how a tuned ranker is asked.
pub const ASKED: &str = "asked";
/// Radio button: in the way it was tuned for, film by film.
pub const ASKED_TUNED: &str = "asked-tuned";
/// Radio button: by index letters.
pub const ASKED_LETTERS: &str = "asked-letters";
/// Times of the stages.
pub const TIMINGS: &str = "timings";
/// The note that says whose order is shown.
pub const ORDER_NOTE: &str = "order-note";
/// The disclosure with the exact prompt.
pub const PROMPT: &str = "prompt";
/// The prompt's text.
pub const PROMPT_TEXT: &str = "prompt-text";
/// The disclosure with the race.
pub const RACE: &str = "race";
/// Button: starts the race.
pub const START_RACE: &str = "start-race";
/// Button: stops the writing.
pub const STOP_RACE: &str = "stop-race";
/// Time of the pass that ranks all candidates.
pub const RACE_PASS: &str = "race-pass";
/// Time of the writing.
pub const RACE_WRITING: &str = "race-writing";
/// What is written.
pub const RACE_TEXT: &str = "race-text";
/// What the race showed.
pub const RACE_RESULT: &str = "race-result";
/// The panel of the ranker's model.
pub const MODEL: &str = "model";
/// Button: downloads and loads the model.
pub const LOAD_MODEL: &str = "load-model";
/// Button: stops the download.
pub const CANCEL_LOAD: &str = "cancel-load";
/// Button: deletes the stored model.
pub const DELETE_MODEL: &str = "delete-model";
/// Progress of the loading phase.
pub const PROGRESS: &str = "load-progress";
/// Select: on which device the ranker runs.
pub const DEVICE: &str = "device";
/// Where the ranker runs.
pub const DEVICE_BADGE: &str = "device-badge";
/// Why it runs there.
pub const DEVICE_REASON: &str = "device-reason";
/// The alert.
pub const ALERT: &str = "alert";
/// The polite live region.
pub const LIVE: &str = "live";

/// Id of the n-th option of the search box.
pub fn search_option(n: usize) -> String {
    format!("search-option-{n}")
}
