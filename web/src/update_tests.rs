//! Tests of [`super`]: whole conversations between visitor, page and worker.

use shared::{
    catalog::Item,
    prompt::Prompt,
    protocol::{DeviceReport, LoadPhase, Race, RaceEnd},
    ranking::{Ordering, Ranked},
    trace::{Provenance, RankerTrace, TRACE_VERSION, Timings, Trace},
};

use super::*;
use crate::state::Verdict;

fn catalog() -> Catalog {
    let item = |title: &str| Item { raw: title.into(), title: title.into(), genres: vec![] };
    Catalog::new(vec![item("Heat (1995)"), item("Toy Story (1995)"), item("Seven (1995)")])
}

fn ready() -> State {
    let mut state = State::default();
    apply(&mut state, Event { seq: 0, body: EventBody::RetrieverReady });
    act(&mut state, Action::Add(ItemId(1)), &catalog());
    act(&mut state, Action::Add(ItemId(2)), &catalog());
    state
}

fn trace(with_ranker: bool) -> Box<Trace> {
    let ranked = Ranked {
        item: ItemId(3),
        title: "Seven (1995)".into(),
        rank: 1,
        retriever_rank: 1,
        ranker_rank: with_ranker.then_some(1),
        probability: with_ranker.then_some(1.0),
    };
    Box::new(Trace {
        version: TRACE_VERSION,
        history: vec![],
        candidates: vec![],
        ranker: with_ranker.then(|| RankerTrace {
            prompt: Prompt::render(&["Heat (1995)"], &["Seven (1995)"]),
            token_ids: vec![1],
            token_offsets: vec![(0, 1)],
            label_ids: vec![1],
            letter_logits: vec![0.0],
            probabilities: vec![1.0],
            top: vec![],
            letter_mass: None,
        }),
        pointwise: None,
        fused: None,
        ordering: Ordering::Retriever,
        ranking: vec![ranked],
        timings: Timings::default(),
        provenance: Provenance::default(),
    })
}

fn failure() -> Failure {
    Failure { code: FailureCode::Device, message: "The device is lost.".into(), hint: String::new() }
}

fn device() -> DeviceReport {
    DeviceReport {
        backend: "cpu".into(),
        adapter: String::new(),
        reason: "On the CPU because you chose it.".into(),
    }
}

fn ranker_ready(seq: u64) -> Event {
    Event { seq, body: EventBody::RankerReady { device: device(), base: "tiny".into(), adapter: None } }
}

fn failed(seq: u64) -> Event {
    let failure =
        Failure { code: FailureCode::Network, message: "No answer.".into(), hint: "Try again.".into() };
    Event { seq, body: EventBody::Failed(failure) }
}

#[test]
fn nothing_is_asked_before_there_is_something_to_ask() {
    let mut state = State::default();
    assert_eq!(act(&mut state, Action::Recommend, &catalog()), None);
    act(&mut state, Action::Add(ItemId(1)), &catalog());
    assert_eq!(act(&mut state, Action::Recommend, &catalog()), None, "the retriever is not ready");
    apply(&mut state, Event { seq: 1, body: EventBody::RetrieverReady });
    let request = act(&mut state, Action::Recommend, &catalog()).unwrap();
    assert_eq!(
        request.body,
        RequestBody::Recommend { history: vec![ItemId(1)], rank: false, letters: false }
    );
    assert_eq!(act(&mut state, Action::Recommend, &catalog()), None, "one is already running");
}

#[test]
fn a_recommendation_arrives_and_grows_stale() {
    let mut state = ready();
    let seq = act(&mut state, Action::Recommend, &catalog()).unwrap().seq;
    apply(&mut state, Event { seq: seq + 7, body: EventBody::Recommended { trace: trace(false) } });
    assert!(state.is_busy() && state.result.is_none(), "an answer to another question");
    apply(&mut state, Event { seq, body: EventBody::Recommended { trace: trace(false) } });
    assert!(!state.is_busy() && !state.is_stale());
    assert_eq!(state.verdict(), Some(Verdict::RetrieverOnly));
    act(&mut state, Action::MoveUp(1), &catalog());
    assert!(state.is_stale());
    assert_eq!(state.announcement, "Toy Story (1995) is now number 1 of 2.");
    act(&mut state, Action::Undo, &catalog());
    assert!(!state.is_stale());
}

#[test]
fn loading_the_ranker_ranks_what_is_on_the_screen() {
    let mut state = ready();
    let seq = act(&mut state, Action::Recommend, &catalog()).unwrap().seq;
    apply(&mut state, Event { seq, body: EventBody::Recommended { trace: trace(false) } });
    let load = act(&mut state, Action::LoadModel, &catalog()).unwrap();
    assert_eq!(load.body, RequestBody::LoadRanker { device: DeviceChoice::Auto });
    assert_eq!(act(&mut state, Action::LoadModel, &catalog()), None, "it is on its way");
    let body = EventBody::Loading { phase: LoadPhase::Download, done: 5, total: 10 };
    apply(&mut state, Event { seq: load.seq, body });
    let expected = Some(Progress { phase: LoadPhase::Download, done: 5, total: 10 });
    assert_eq!(state.ranker, Ranker::Loading { seq: load.seq, progress: expected });

    let follow = apply(&mut state, ranker_ready(load.seq)).unwrap();
    assert!(matches!(follow.body, RequestBody::Recommend { rank: true, .. }));
    apply(&mut state, Event { seq: follow.seq, body: EventBody::Recommended { trace: trace(false) } });
    assert!(state.awaits_ranker(), "the retriever's part comes first");
    apply(&mut state, Event { seq: follow.seq, body: EventBody::Recommended { trace: trace(true) } });
    assert!(!state.is_busy());
    assert_eq!(state.verdict(), Some(Verdict::UntunedBase));
}

#[test]
fn a_stopped_or_failed_download_leaves_the_page_usable() {
    let mut state = ready();
    let load = act(&mut state, Action::LoadModel, &catalog()).unwrap();
    assert_eq!(act(&mut state, Action::CancelLoad, &catalog()).unwrap().body, RequestBody::CancelDownload);
    apply(&mut state, Event { seq: load.seq, body: EventBody::Cancelled });
    assert_eq!(state.ranker, Ranker::Absent);
    let load = act(&mut state, Action::LoadModel, &catalog()).unwrap();
    apply(&mut state, failed(load.seq));
    assert_eq!(state.ranker, Ranker::Absent);
    assert!(state.failure.is_some() && state.can_recommend());
    act(&mut state, Action::Dismiss, &catalog());
    assert_eq!(state.failure, None);
}

#[test]
fn another_device_loads_the_ranker_again() {
    let mut state = ready();
    assert_eq!(act(&mut state, Action::ChooseDevice(DeviceChoice::Cpu), &catalog()), None);
    let load = act(&mut state, Action::LoadModel, &catalog()).unwrap();
    apply(&mut state, ranker_ready(load.seq));
    let again = act(&mut state, Action::ChooseDevice(DeviceChoice::WebGpu), &catalog()).unwrap();
    assert_eq!(again.body, RequestBody::LoadRanker { device: DeviceChoice::WebGpu });
}

#[test]
fn a_failed_retriever_and_a_stopped_engine_are_said() {
    let mut state = State::default();
    apply(&mut state, failed(1));
    assert_eq!(state.retriever, Retriever::Failed);

    let mut state = ready();
    let seq = act(&mut state, Action::Recommend, &catalog()).unwrap().seq;
    engine_restarted(&mut state, "device lost");
    assert!(!state.is_busy() && state.retriever == Retriever::Loading);
    assert!(state.failure.as_ref().unwrap().message.contains("device lost"));
    apply(&mut state, Event { seq, body: EventBody::Recommended { trace: trace(false) } });
    assert_eq!(state.result, None, "an answer of the stopped engine");
}

#[test]
fn a_race_goes_on_until_its_end_and_keeps_the_engine_busy() {
    let race = |tokens, end| Race {
        pass_ms: 10.0,
        writing_ms: 25.0,
        tokens,
        candidates: 20,
        end,
        ..Race::default()
    };
    let raced = |seq, race| Event { seq, body: EventBody::Raced { race } };
    let mut state = ready();
    assert_eq!(act(&mut state, Action::Race, &catalog()), None, "there is no ranker yet");
    let load = act(&mut state, Action::LoadModel, &catalog()).unwrap();
    let body = EventBody::RankerReady { device: device(), base: "tiny".into(), adapter: None };
    apply(&mut state, Event { seq: load.seq, body });

    let Request { seq, body } = act(&mut state, Action::Race, &catalog()).unwrap();
    assert_eq!(body, RequestBody::Race { history: state.history.items().to_vec() });
    assert!(state.is_racing() && !state.can_recommend() && !state.can_race());
    apply(&mut state, raced(seq, race(1, None)));
    apply(&mut state, raced(seq - 1, race(99, None)));
    assert_eq!(state.race.as_ref().unwrap().race.as_ref().unwrap().tokens, 1);
    assert_eq!(act(&mut state, Action::StopRace, &catalog()).unwrap().body, RequestBody::StopRace);
    assert!(state.is_racing(), "the engine says when it has stopped");
    apply(&mut state, raced(seq, race(2, Some(RaceEnd::Stopped))));
    assert!(!state.is_racing() && state.can_race());
    assert_eq!(state.announcement, "The race is over: writing took 2.5 times as long as one pass.");

    let Request { seq, .. } = act(&mut state, Action::Race, &catalog()).unwrap();
    apply(&mut state, Event { seq, body: EventBody::Failed(failure()) });
    assert_eq!((state.race.is_none(), state.can_race()), (true, true));
    act(&mut state, Action::Race, &catalog());
    engine_restarted(&mut state, "it ran out of memory");
    assert!(state.race.is_none());
}
