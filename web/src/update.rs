//! How the page's state changes: by what the visitor does ([`act`]) and by what the worker tells
//! ([`apply`]). Both are plain functions; what has to be sent to the worker comes back as a request.

use shared::{
    catalog::{Catalog, ItemId},
    protocol::{DeviceChoice, Event, EventBody, Failure, FailureCode, Request, RequestBody},
};

use crate::{
    device::badge,
    format::{self, films},
    state::{Outcome, Pending, Progress, Raced, Ranker, RankerInfo, Retriever, Shown, State},
};

/// What the visitor does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Adds an item as the newest of the history.
    Add(ItemId),
    /// Takes the item at a place (from 0) out.
    Remove(usize),
    /// Moves the item at a place one place towards the oldest.
    MoveUp(usize),
    /// Moves the item at a place one place towards the newest.
    MoveDown(usize),
    /// Replaces the whole history, for example by an example or by nothing.
    Replace(Vec<ItemId>),
    /// Takes back the last change of the history.
    Undo,
    /// Asks for recommendations.
    Recommend,
    /// Chooses which order is shown.
    Show(Shown),
    /// Chooses whether the ranker is asked by index letters.
    AskByLetters(bool),
    /// Lets one pass race against writing the ranking out.
    Race,
    /// Stops the writing.
    StopRace,
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
    match action {
        Action::Add(item) => {
            let title = catalog.title(item);
            state.announcement = if state.history.add(item) {
                format!("{title} added. {} in your history.", films(state.history.items().len()))
            } else {
                format!("{title} is already in your history.")
            };
        }
        Action::Remove(place) => {
            if let Some(item) = state.history.remove(place) {
                state.announcement = format!("{} removed.", catalog.title(item));
            }
        }
        Action::MoveUp(place) => shift(state, place, place.wrapping_sub(1), catalog),
        Action::MoveDown(place) => shift(state, place, place + 1, catalog),
        Action::Replace(items) => {
            if state.history.replace(items) {
                let count = films(state.history.items().len());
                state.announcement = format!("Your history now has {count}.");
            }
        }
        Action::Undo => {
            if state.history.undo() {
                let count = films(state.history.items().len());
                state.announcement = format!("Last change taken back. {count} in your history.");
            }
        }
        Action::Recommend if state.can_recommend() => return Some(recommend(state)),
        Action::Show(shown) => state.shown = shown,
        Action::AskByLetters(letters) => {
            state.letters = letters;
            if state.result.is_some() && state.can_recommend() {
                return Some(recommend(state));
            }
        }
        Action::Race if state.can_race() => {
            let request = state.request(RequestBody::Race { history: state.history.items().to_vec() });
            state.race = Some(Raced { seq: request.seq, race: None });
            state.failure = None;
            return Some(request);
        }
        Action::StopRace => return Some(state.request(RequestBody::StopRace)),
        Action::LoadModel => return load(state),
        Action::CancelLoad => return Some(state.request(RequestBody::CancelDownload)),
        Action::DeleteModel => return Some(state.request(RequestBody::DeleteModel)),
        Action::ChooseDevice(device) => {
            state.device = device;
            if matches!(state.ranker, Ranker::Ready(_)) {
                return load(state);
            }
        }
        Action::Dismiss => state.failure = None,
        // What is asked for cannot be done now.
        Action::Recommend | Action::Race => {}
    }
    None
}

fn shift(state: &mut State, from: usize, to: usize, catalog: &Catalog) {
    if state.history.swap(from, to) {
        let title = catalog.title(state.history.items()[to]);
        let count = state.history.items().len();
        state.announcement = format!("{title} is now number {} of {count}.", to + 1);
    }
}

fn recommend(state: &mut State) -> Request {
    let history = state.history.items().to_vec();
    let rank = matches!(state.ranker, Ranker::Ready(_));
    let letters = state.letters;
    let request = state.request(RequestBody::Recommend { history: history.clone(), rank, letters });
    state.pending = Some(Pending { seq: request.seq, history, rank });
    state.failure = None;
    request
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

/// Changes the state by what the worker tells; gives a follow-up request, if one is due.
///
/// Answers to questions that are no longer asked are dropped.
pub fn apply(state: &mut State, event: Event) -> Option<Request> {
    let Event { seq, body } = event;
    let loads = matches!(state.ranker, Ranker::Loading { seq: asked, .. } if asked == seq);
    match body {
        EventBody::RetrieverReady => state.retriever = Retriever::Ready,
        EventBody::Loading { phase, done, total } if loads => {
            state.ranker = Ranker::Loading { seq, progress: Some(Progress { phase, done, total }) };
        }
        EventBody::RankerReady { device, base, adapter } if loads => {
            state.announcement = format!("{base} is ready: {}.", badge(&device));
            state.ranker = Ranker::Ready(RankerInfo { device, base, adapter });
            // The visitor loaded the ranker to see it at work on what is on the screen.
            if state.result.is_some() && state.can_recommend() {
                return Some(recommend(state));
            }
        }
        EventBody::Recommended { trace } => {
            let pending = state.pending.take_if(|pending| pending.seq == seq)?;
            let whole = trace.is_ranked() || !pending.rank;
            if whole {
                state.announcement = format!("{} recommended.", films(trace.ranking.len()));
            }
            state.result = Some(Outcome { trace: *trace, history: pending.history.clone() });
            state.pending = (!whole).then_some(pending);
        }
        EventBody::Raced { race } => {
            let raced = state.race.as_mut().filter(|raced| raced.seq == seq)?;
            if race.end.is_some() {
                let times = format::times(race.writing_ms / race.pass_ms);
                state.announcement = format!("The race is over: writing took {times} as long as one pass.");
            }
            raced.race = Some(race);
        }
        EventBody::Cancelled if loads => {
            state.ranker = Ranker::Absent;
            state.announcement = "Download stopped. What has arrived is kept.".into();
        }
        EventBody::Deleted => state.announcement = "The stored model is deleted.".into(),
        EventBody::Failed(failure) => fail(state, seq, failure),
        // The greeting, answers of an engine that was restarted, and answers nobody here asks for.
        EventBody::Ready
        | EventBody::Loading { .. }
        | EventBody::RankerReady { .. }
        | EventBody::Cancelled
        | EventBody::Explained { .. } => {}
    }
    None
}

fn fail(state: &mut State, seq: u64, failure: Failure) {
    if matches!(state.ranker, Ranker::Loading { seq: asked, .. } if asked == seq) {
        state.ranker = Ranker::Absent;
    }
    state.pending.take_if(|pending| pending.seq == seq);
    state.race.take_if(|raced| raced.seq == seq);
    if state.retriever == Retriever::Loading {
        state.retriever = Retriever::Failed;
    }
    state.failure = Some(failure);
}

/// The engine stopped and was started anew: nothing is loaded there any more.
pub fn engine_restarted(state: &mut State, why: &str) {
    let what = if matches!(state.ranker, Ranker::Absent) { "" } else { " The ranker is no longer loaded." };
    state.pending = None;
    state.race.take_if(|raced| raced.is_running());
    state.ranker = Ranker::Absent;
    state.retriever = Retriever::Loading;
    state.failure = Some(Failure {
        code: FailureCode::Device,
        message: format!("The engine stopped: {why}."),
        hint: format!("It was started again.{what} If it stops again, choose the CPU as device."),
    });
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
