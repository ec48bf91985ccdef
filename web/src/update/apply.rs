//! What the worker tells, and what follows from it.

use shared::{
    protocol::{Event, EventBody, Failure, FailureCode, RaceEnd, Request},
    trace::Asking,
};

use super::act::{ask, recommend, walk};
use crate::{
    device::badge,
    format::{self, films},
    state::{Outcome, Pending, Progress, Ranker, RankerInfo, Reading, Retriever, State},
    view::View,
};

/// Changes the state by what the worker tells; gives a follow-up request, if one is due.
///
/// Answers to questions that are no longer asked are dropped.
pub fn apply(state: &mut State, event: Event) -> Option<Request> {
    let Event { seq, body } = event;
    let loads = matches!(state.ranker, Ranker::Loading { seq: asked, .. } if asked == seq);
    match body {
        EventBody::RetrieverReady => {
            state.retriever = Retriever::Ready;
            return walk(state);
        }
        EventBody::Walked { walk } => {
            if state.walking == Some(seq) {
                state.walking = None;
                state.walk = Some(walk);
            }
        }
        EventBody::Shuffled { study } if state.measuring == Some(seq) => {
            if study.answers.len() == study.orders {
                state.measuring = None;
                state.say(format!("Asked in {} orders.", study.orders));
            }
            if let Some(studied) = &mut state.study {
                studied.study = study;
            }
        }
        EventBody::LeftOut { effects } if state.measuring == Some(seq) => {
            if effects.without.len() == effects.films {
                state.measuring = None;
                state.say("What each film does is measured.");
            }
            if let Some(measured) = &mut state.effects {
                measured.effects = effects;
            }
        }
        EventBody::Loading { phase, done, total } if loads => {
            state.ranker = Ranker::Loading { seq, progress: Some(Progress { phase, done, total }) };
        }
        EventBody::RankerReady { device, base, adapter, tuned, memory } if loads => {
            state.say(format!("{base} is ready: {}.", badge(&device)));
            // What the retriever alone would say is no longer what counts.
            state.effects = None;
            state.ranker = Ranker::Ready(RankerInfo { device, base, adapter, tuned, memory });
            // The visitor loaded the ranker to see it at work on what is on the screen.
            if state.can_recommend() {
                if state.display.view == View::Lesson {
                    return Some(ask(state));
                } else if state.result.is_some() {
                    return Some(recommend(state));
                }
            }
        }
        EventBody::Recommended { trace } => {
            let mut pending = state.pending.take_if(|pending| pending.seq == seq)?;
            let whole = trace.is_ranked() || !pending.rank;
            let outcome = Outcome { trace: *trace, history: pending.history.clone(), record: None };
            match (pending.lesson, whole) {
                (false, _) => {
                    if whole {
                        state.say(format!("{} recommended.", films(outcome.trace.ranking.len())));
                    }
                    pending.before = state.result.replace(outcome);
                }
                (true, true) => {
                    state.say("The ranker has answered.");
                    state.lesson = Some(outcome);
                }
                // The lesson shows what the ranker says, not the retriever's part that comes first.
                (true, false) => {}
            }
            state.pending = (!whole).then_some(pending);
        }
        EventBody::Reading { read, of } => {
            let pending = state.pending.as_mut().filter(|pending| pending.seq == seq)?;
            pending.reading = Some(Reading { read, of });
        }
        EventBody::Raced { race } => {
            let raced = state.race.as_mut().filter(|raced| raced.seq == seq)?;
            let said = race.end.map(|end| {
                if end == RaceEnd::Stopped {
                    return "The race is over: you stopped the writing.".to_owned();
                }
                let times = format::times(race.writing_ms / race.pass_ms);
                format!("The race is over: writing took {times} as long as one pass.")
            });
            raced.race = Some(race);
            if let Some(said) = said {
                state.say(said);
            }
        }
        EventBody::Cancelled if loads => {
            state.ranker = Ranker::Absent;
            state.say("Download stopped. What has arrived is kept.");
        }
        EventBody::Cancelled => {
            stopped(state, seq);
            // What stood in its way may have been asked for meanwhile.
            return walk(state);
        }
        EventBody::Deleted => state.say("The stored model is deleted."),
        EventBody::Failed(failure) => fail(state, seq, failure),
        // The greeting, answers of an engine that was restarted, and answers nobody here asks for.
        EventBody::Ready
        | EventBody::Loading { .. }
        | EventBody::RankerReady { .. }
        | EventBody::LeftOut { .. }
        | EventBody::Shuffled { .. }
        | EventBody::Explained { .. } => {}
    }
    None
}

/// The ranker does not read on: the page is as it was before it was asked.
fn stopped(state: &mut State, seq: u64) {
    // Whoever opened a record does not hear of what that has stopped.
    let asked = state.pending.as_ref().map(|pending| pending.seq);
    if [asked, state.measuring].contains(&Some(seq)) {
        state.say("Stopped. What was read is kept.");
    }
    let ended = ends(state, seq);
    if let (Some(Pending { lesson: true, .. }), Some(answer)) = (&ended, &state.lesson) {
        // What is chosen is what is on the screen.
        state.asking = Asking { order: Vec::new(), ..answer.trace.asking.clone() };
    }
    if let Some(Pending { history, before: Some(before), .. }) = ended {
        // Unless the visitor has begun a history meanwhile.
        let own = |result: &Outcome| result.record.is_none() && result.history == history;
        if state.result.as_ref().is_some_and(own) {
            state.result = Some(before);
        }
    }
}

/// Request `seq` is over; gives the recommendation that was awaited from it.
fn ends(state: &mut State, seq: u64) -> Option<Pending> {
    state.race.take_if(|raced| raced.seq == seq);
    state.measuring.take_if(|measuring| *measuring == seq);
    state.walking.take_if(|walking| *walking == seq);
    state.pending.take_if(|pending| pending.seq == seq)
}

fn fail(state: &mut State, seq: u64, failure: Failure) {
    if matches!(state.ranker, Ranker::Loading { seq: asked, .. } if asked == seq) {
        state.ranker = Ranker::Absent;
    }
    ends(state, seq);
    if state.retriever == Retriever::Loading {
        state.retriever = Retriever::Failed;
    }
    state.failure = Some(failure);
}

/// The engine stopped and was started anew: nothing is loaded there any more.
pub fn engine_restarted(state: &mut State, why: &str) {
    let what = if matches!(state.ranker, Ranker::Absent) { "" } else { " The ranker is no longer loaded." };
    state.pending = None;
    state.measuring = None;
    state.walking = None;
    state.race.take_if(|raced| raced.is_running());
    state.ranker = Ranker::Absent;
    state.retriever = Retriever::Loading;
    state.failure = Some(Failure {
        code: FailureCode::Device,
        message: format!("The engine stopped: {why}."),
        hint: format!("It was started again.{what} If it stops again, choose the CPU as device."),
    });
}
