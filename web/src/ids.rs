//! Element ids: the page sets them, labels and ARIA attributes refer to them, the browser tests find by them.

use crate::view::View;

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
/// Button: makes the change again that was taken back.
pub const REDO: &str = "redo";
/// Group of buttons: recorded examples.
pub const EXAMPLES: &str = "examples";
/// Button: asks for recommendations.
pub const RECOMMEND: &str = "recommend";
/// The table of recommendations.
pub const RANKING: &str = "ranking";
/// Radio group: which order the table shows.
pub const ORDER: &str = "order";
/// Says that what is shown is a record.
pub const RECORDED: &str = "recorded";
/// Times of the stages.
pub const TIMINGS: &str = "timings";
/// The note that says whose order is shown.
pub const ORDER_NOTE: &str = "order-note";
/// The disclosure with the exact prompt.
pub const PROMPT: &str = "prompt";
/// How far the ranker has read.
pub const READING: &str = "reading";
/// Button: stops the ranker.
pub const STOP: &str = "stop";
/// The prompt's text.
pub const PROMPT_TEXT: &str = "prompt-text";
/// Radio group: the prompt as text, tokens or ids.
pub const GRAIN: &str = "grain";
/// The panel of the lesson.
pub const LESSON: &str = "lesson";
/// Title of the step.
pub const STEP_TITLE: &str = "step-title";
/// Button: the step before.
pub const STEP_BACK: &str = "step-back";
/// Button: the next step.
pub const STEP_NEXT: &str = "step-next";
/// Radio group: the step's question.
pub const QUESTION: &str = "question";
/// Button: shows what a step hides until a guess is made.
pub const REVEAL: &str = "reveal";
/// Button: asks by letters, which the step is about.
pub const BY_LETTERS: &str = "by-letters";
/// What is said of the answer.
pub const ANSWER: &str = "answer";
/// How the lesson's record came about.
pub const LESSON_NOTE: &str = "lesson-note";
/// The lesson's list of the history.
pub const TOLD: &str = "told";
/// The lesson's table of the candidates with the retriever's scores.
pub const CANDIDATES: &str = "candidates";
/// The list of letters with their probabilities.
pub const LETTERS: &str = "letters";
/// The list of the vocabulary's likeliest tokens.
pub const VOCABULARY: &str = "vocabulary";
/// The share of probability that lies on the letters.
pub const MASS: &str = "mass";
/// The formula with numbers.
pub const FORMULA: &str = "formula";
/// Slider: the temperature.
pub const TEMPERATURE: &str = "temperature";
/// Radio group: how the lesson asks.
pub const ASKED: &str = "asked";
/// Button: asks again, with the candidates in another order.
pub const SHUFFLE: &str = "shuffle";
/// Button: asks as chosen.
pub const ASK: &str = "ask";
/// Button: keeps the answer for comparison.
pub const PIN: &str = "pin";
/// The comparison with the answer kept.
pub const COMPARISON: &str = "comparison";
/// Button: saves the record.
pub const SAVE: &str = "save-record";
/// Button: copies the ranking as Markdown.
pub const COPY: &str = "copy-markdown";
/// File input: opens a record.
pub const OPEN: &str = "open-record";
/// Checkbox: large type.
pub const LARGE: &str = "large";
/// Button: only the lesson, or the whole page again.
pub const GUIDED: &str = "guided";
/// Button: takes a guess back.
pub const GUESS_AGAIN: &str = "guess-again";
/// Button: asks in several orders.
pub const SHUFFLES: &str = "shuffles";
/// Button: stops asking.
pub const STOP_SHUFFLES: &str = "stop-shuffles";
/// The table of films over all orders.
pub const AVERAGE: &str = "average";
/// The list of what each letter gained by itself.
pub const BIAS: &str = "bias";
/// File input: a list of films.
pub const IMPORT: &str = "import-list";
/// What came of the list.
pub const IMPORTED: &str = "imported";
/// Which bundle is in use, if it is not the page's own.
pub const BUNDLE: &str = "bundle";
/// Button: goes back to the page's own bundle.
pub const BUNDLE_BACK: &str = "bundle-back";
/// File input: the files of another bundle.
pub const BUNDLE_FILES: &str = "bundle-files";
/// Text input: the folder of another bundle on the page's server.
pub const BUNDLE_FOLDER: &str = "bundle-folder";
/// Button: uses the bundle of that folder.
pub const BUNDLE_GO: &str = "bundle-go";
/// The table of the films that the retriever read.
pub const WALK: &str = "walk";
/// The histogram of its scores.
pub const SCORES: &str = "scores";
/// The disclosure with what each film does.
pub const EFFECTS: &str = "effects";
/// Button: measures what each film does.
pub const LEAVE_OUT: &str = "leave-out";
/// The table of results.
pub const RESULTS: &str = "results";
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
/// The bar that offers a newer version; it stands in the page's own text.
pub const UPDATE: &str = "update";
/// The alert.
pub const ALERT: &str = "alert";
/// The polite live region.
pub const LIVE: &str = "live";

/// Id of the n-th option of the search box.
pub fn search_option(n: usize) -> String {
    format!("search-option-{n}")
}

/// Id of the button that goes to a view.
pub fn view(view: View) -> String {
    format!("view-{}", view.slug())
}

/// Id of a view's title.
pub fn title(view: View) -> String {
    format!("{}-title", view.slug())
}

/// Id of the button that saves a figure, the element with this id, as a file with this ending.
pub fn picture(figure: &str, ending: &str) -> String {
    format!("save-{figure}-{}", ending.to_lowercase())
}

/// Id of the n-th choice of a radio group.
pub fn choice(group: &str, n: usize) -> String {
    format!("{group}-{n}")
}
