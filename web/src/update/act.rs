//! What the visitor does, and what follows from it.

use shared::{
    catalog::{Catalog, ItemId},
    protocol::{DeviceChoice, Effects, Request, RequestBody, ShuffleStudy},
    trace::{Asking, Trace},
};

use crate::{
    compare::the_last,
    format::films,
    import::Import,
    state::{Measured, Opened, Outcome, Pending, Raced, Ranker, Record, Retriever, Shown, State, Studied},
    view::View,
};

/// What the visitor does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Adds an item as the newest of the history.
    Add(ItemId),
    /// Takes the item at a place (from 0) out.
    Remove(usize),
    /// Moves the item at a place one place towards the oldest.
    MoveUp(usize),
    /// Moves the item at a place one place towards the newest.
    MoveDown(usize),
    /// Takes the films of a list of the visitor's, and says what was not found.
    Import(Import),
    /// Replaces the whole history, for example by an example or by nothing.
    Replace(Vec<ItemId>),
    /// Takes back the last change of the history.
    Undo,
    /// Asks for recommendations.
    Recommend,
    /// Chooses which order is shown.
    Show(Shown),
    /// Opens a record: an example or a file.
    Open(Record, Box<Trace>),
    /// Goes to a view.
    View(View),
    /// Goes to a step of the lesson, from 0.
    Step(usize),
    /// Chooses the temperature of the softmax over letters.
    Heat(f32),
    /// Chooses large type.
    Large(bool),
    /// Hides what a class does not need.
    Guided(bool),
    /// Asks the ranker for the lesson.
    Ask(Asking),
    /// Keeps the lesson's answer to compare others with, or lets it go.
    Pin(Option<Box<Outcome>>),
    /// Takes back the last [`Action::Undo`].
    Redo,
    /// Measures what each film of the history does.
    LeaveOut,
    /// Lets one pass race against writing the ranking out.
    Race,
    /// Asks about the candidates by letters in these orders.
    Shuffle(Vec<Vec<usize>>),
    /// Stops what the ranker reads for.
    Stop,
    /// Downloads and loads the base model.
    LoadModel,
    /// Stops the download.
    CancelLoad,
    /// Deletes the stored model.
    DeleteModel,
    /// Chooses the ranker's device.
    ChooseDevice(DeviceChoice),
    /// Closes the alert.
    Dismiss,
}

/// Changes the state by what the visitor does; gives the request to send, if any.
pub fn act(state: &mut State, action: Action, catalog: &Catalog) -> Option<Request> {
    let before = (state.display.view, state.history.items().to_vec());
    let request = change(state, action, catalog);
    // The retriever is fast enough to read along.
    let changed = before.0 != state.display.view || before.1 != state.history.items();
    if request.is_none() && changed { walk(state) } else { request }
}

fn change(state: &mut State, action: Action, catalog: &Catalog) -> Option<Request> {
    match action {
        Action::Add(item) => {
            let title = catalog.title(item);
            // An example is not the visitor's history.
            let added = if state.example().is_some() {
                state.result = None;
                state.history.replace(vec![item])
            } else {
                state.history.add(item)
            };
            state.say(if added {
                format!("{title} added. {} in your history.", films(state.history.items().len()))
            } else {
                format!("{title} is already in your history.")
            });
        }
        Action::Remove(place) => {
            if let Some(item) = state.history.remove(place) {
                state.say(format!("{} removed.", catalog.title(item)));
            }
        }
        Action::MoveUp(place) => shift(state, place, place.wrapping_sub(1), catalog),
        Action::MoveDown(place) => shift(state, place, place + 1, catalog),
        Action::Replace(items) => {
            if state.history.replace(items) {
                let count = films(state.history.items().len());
                state.say(format!("Your history now has {count}."));
            }
        }
        Action::Import(import) => {
            let said = imported(&import);
            state.failure = None;
            state.say(said.clone());
            state.imported = Some(said);
            if !import.items.is_empty() {
                state.history.replace(import.items);
            }
        }
        Action::Undo => {
            if state.history.undo() {
                let count = films(state.history.items().len());
                state.say(format!("Last change taken back. {count} in your history."));
            }
        }
        Action::Redo => {
            if state.history.redo() {
                let count = films(state.history.items().len());
                state.say(format!("Change made again. {count} in your history."));
            }
        }
        Action::Recommend if state.can_recommend() => {
            // Whoever asks for it wants to see it.
            state.display.view = View::Recommend;
            return Some(recommend(state));
        }
        Action::Show(shown) => state.shown = shown,
        Action::Open(record, trace) => return open(state, record, trace),
        Action::View(view) => {
            state.display.view = view;
            // Whoever leaves the lesson alone finds it whole.
            state.display.guided &= view == View::Lesson;
            let answered =
                state.lesson.as_ref().is_some_and(|lesson| lesson.history == state.history.items());
            if view == View::Lesson && !answered && state.can_ask() {
                return Some(ask(state));
            }
        }
        Action::Step(step) => state.display.go_to(step),
        Action::Heat(temperature) => state.display.heat(temperature),
        Action::Large(large) => state.display.large = large,
        Action::Guided(guided) => state.display.guided = guided,
        Action::Ask(asking) => {
            state.asking = asking;
            if state.can_ask() {
                return Some(ask(state));
            }
        }
        Action::Pin(pinned) => {
            state.say(if pinned.is_some() { "The answer is pinned." } else { "Nothing is pinned." });
            state.pinned = pinned.map(|pinned| *pinned);
        }
        Action::LeaveOut if state.can_leave_out() => {
            let history = state.history.items().to_vec();
            let request = state.request(RequestBody::LeaveOut { history: history.clone() });
            state.measuring = Some(request.seq);
            state.effects = Some(Measured { effects: Effects::default(), history });
            state.failure = None;
            return Some(request);
        }
        Action::Shuffle(orders) if state.can_ask() => {
            let history = state.history.items().to_vec();
            let request = state.request(RequestBody::Shuffle { history: history.clone(), orders });
            state.measuring = Some(request.seq);
            state.study = Some(Studied { study: ShuffleStudy::default(), history });
            state.failure = None;
            return Some(request);
        }
        Action::Race if state.can_race() => {
            let history = state.history.items().to_vec();
            let request = state.request(RequestBody::Race { history: history.clone() });
            state.race = Some(Raced { seq: request.seq, history, race: None });
            state.failure = None;
            return Some(request);
        }
        Action::Stop => return Some(state.request(RequestBody::Stop)),
        Action::LoadModel => return load(state),
        Action::CancelLoad => return Some(state.request(RequestBody::CancelDownload)),
        Action::DeleteModel => return Some(state.request(RequestBody::DeleteModel)),
        Action::ChooseDevice(device) => {
            state.device = device;
            if state.has_ranker() {
                return load(state);
            }
        }
        Action::Dismiss => state.failure = None,
        // What is asked for cannot be done now.
        Action::Recommend | Action::Race | Action::LeaveOut | Action::Shuffle(_) => {}
    }
    None
}

fn shift(state: &mut State, from: usize, to: usize, catalog: &Catalog) {
    if state.history.swap(from, to) {
        let title = catalog.title(state.history.items()[to]);
        let count = state.history.items().len();
        state.say(format!("{title} is now number {} of {count}.", to + 1));
    }
}

pub(super) fn recommend(state: &mut State) -> Request {
    let rank = state.has_ranker();
    request(state, rank, Asking::default(), false)
}

pub(super) fn ask(state: &mut State) -> Request {
    request(state, true, state.asking.clone(), true)
}

fn request(state: &mut State, rank: bool, asking: Asking, lesson: bool) -> Request {
    let history = state.history.items().to_vec();
    let request = state.request(RequestBody::Recommend { history: history.clone(), rank, asking });
    state.pending = Some(Pending { seq: request.seq, history, rank, lesson, reading: None, before: None });
    state.failure = None;
    request
}

/// What came of a list.
fn imported(Import { items, unknown, disliked }: &Import) -> String {
    let taken = match items.len() {
        0 => "No film of the list is in the catalogue; your history stays as it was.".to_owned(),
        found => format!("{} taken in place of your history.", films(found)),
    };
    let left = (*disliked > 0).then(|| format!("{} left out for their ratings.", films(*disliked)));
    let missing = (!unknown.is_empty()).then(|| {
        let named = unknown.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = unknown.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("Not in the catalogue, which ends in 2016: {named}{more}.")
    });
    [Some(taken), left, missing].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// How many missing titles are named.
const NAMED: usize = 5;

/// Asks the retriever how it reads the history, if that is what is looked at.
pub(super) fn walk(state: &mut State) -> Option<Request> {
    let history = state.history.items().to_vec();
    if state.display.view != View::Retriever || state.retriever != Retriever::Ready || history.is_empty() {
        return None;
    }
    let request = state.request(RequestBody::Walk { history });
    state.walking = Some(request.seq);
    Some(request)
}

/// Shows a record with its history. An answer that is still awaited would take its place.
fn open(state: &mut State, record: Record, trace: Box<Trace>) -> Option<Request> {
    let history: Vec<ItemId> = trace.history.iter().map(|item| item.item).collect();
    state.history.replace(history.clone());
    let count = films(history.len());
    state.say(format!("A record is shown, of a history of {count}{}.", the_last(&trace)));
    if let Record::Example(example) = record {
        state.opened.retain(|opened| opened.example != example);
        state.opened.push(Opened { example, history: history.clone() });
    }
    if record == Record::File {
        // What is chosen is what is on the screen.
        state.asking = trace.asking.clone();
    }
    // An order was one of other candidates.
    state.asking.order.clear();
    let outcome = Outcome { trace: *trace, history, record: Some(record) };
    // What was asked about another history is not shown beside it; of an example there is an answer to each way of asking.
    let answers = outcome.record == Some(Record::File) && outcome.trace.is_by_letters();
    state.lesson = answers.then(|| outcome.clone());
    state.result = Some(outcome);
    state.failure = None;
    state.pending.take().map(|_| state.request(RequestBody::Stop))
}

fn load(state: &mut State) -> Option<Request> {
    if matches!(state.ranker, Ranker::Loading { .. }) {
        return None;
    }
    let request = state.request(RequestBody::LoadRanker { device: state.device });
    state.ranker = Ranker::Loading { seq: request.seq, progress: None };
    state.failure = None;
    Some(request)
}
