//! Tests of [`super`]: whole conversations between visitor, page and worker.

use shared::{
    catalog::{Catalog, Item, ItemId},
    prompt::Prompt,
    protocol::{
        DeviceChoice, DeviceReport, Effects, Event, EventBody, Failure, FailureCode, LoadPhase, Race,
        RaceEnd, Request, RequestBody, ShuffleStudy, Walk, Without,
    },
    ranking::{Ordering, Ranked},
    trace::{Asking, HistoryItem, Provenance, RankerTrace, TRACE_VERSION, Timings, Trace},
};

use super::*;
use crate::{
    import::Import,
    spoken::{ByLetters, SpokenOf},
    state::{Progress, Ranker, Reading, Record, Retriever, State, Verdict},
    view::View,
};

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
        asking: Asking::default(),
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
        abilities: String::new(),
        reason: "On the CPU because you chose it.".into(),
        threads: 1,
    }
}

fn ranker_ready(seq: u64) -> Event {
    let (tuned, memory) = Default::default();
    let (device, base) = (device(), "tiny".into());
    Event { seq, body: EventBody::RankerReady { device, base, adapter: None, tuned, memory } }
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
        RequestBody::Recommend { history: vec![ItemId(1)], rank: false, asking: Asking::default() }
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
    apply(&mut state, ranker_ready(load.seq));

    let Request { seq, body } = act(&mut state, Action::Race, &catalog()).unwrap();
    assert_eq!(body, RequestBody::Race { history: state.history.items().to_vec() });
    assert!(state.is_racing() && !state.can_recommend() && !state.can_race());
    apply(&mut state, raced(seq, race(1, None)));
    apply(&mut state, raced(seq - 1, race(99, None)));
    assert_eq!(state.race.as_ref().unwrap().race.as_ref().unwrap().tokens, 1);
    assert_eq!(act(&mut state, Action::Stop, &catalog()).unwrap().body, RequestBody::Stop);
    assert!(state.is_racing(), "the engine says when it has stopped");
    apply(&mut state, raced(seq, race(2, Some(RaceEnd::Stopped))));
    assert!(!state.is_racing() && state.can_race());
    assert_eq!(state.announcement, "The race is over: you stopped the writing.");

    act(&mut state, Action::MoveUp(1), &catalog());
    assert!(state.race().is_none(), "it was a race about another history");
    act(&mut state, Action::Undo, &catalog());
    assert!(state.race().is_some());
    let Request { seq, .. } = act(&mut state, Action::Race, &catalog()).unwrap();
    apply(&mut state, Event { seq, body: EventBody::Failed(failure()) });
    assert_eq!((state.race.is_none(), state.can_race()), (true, true));
    act(&mut state, Action::Race, &catalog());
    engine_restarted(&mut state, "it ran out of memory");
    assert!(state.race.is_none());
}

fn example() -> Box<Trace> {
    let item = |id: u32| HistoryItem { item: ItemId(id), title: catalog().title(ItemId(id)).to_owned() };
    Box::new(Trace { history: vec![item(2), item(1)], ..*trace(true) })
}

#[test]
fn an_example_is_shown_at_once_and_makes_room_for_a_history_of_ones_own() {
    let mut state = State::default();
    apply(&mut state, Event { seq: 0, body: EventBody::RetrieverReady });
    act(&mut state, Action::Open(Record::Example(3), example()), &catalog());
    assert_eq!(state.history.items(), [ItemId(2), ItemId(1)]);
    assert_eq!((state.example(), state.is_stale()), (Some(3), false));
    act(&mut state, Action::Add(ItemId(3)), &catalog());
    assert_eq!(state.history.items(), [ItemId(3)]);
    assert!(state.result.is_none() && state.example().is_none());
    act(&mut state, Action::Add(ItemId(1)), &catalog());
    assert_eq!(state.history.items(), [ItemId(3), ItemId(1)]);
    // Nothing is lost.
    act(&mut state, Action::Undo, &catalog());
    act(&mut state, Action::Undo, &catalog());
    assert_eq!(state.history.items(), [ItemId(2), ItemId(1)]);
    act(&mut state, Action::Redo, &catalog());
    assert_eq!(state.history.items(), [ItemId(3)]);
}

#[test]
fn an_example_can_be_asked_for_anew() {
    let mut state = State::default();
    apply(&mut state, Event { seq: 0, body: EventBody::RetrieverReady });
    act(&mut state, Action::Open(Record::Example(0), example()), &catalog());
    let seq = act(&mut state, Action::Recommend, &catalog()).expect("a request").seq;
    apply(&mut state, Event { seq, body: EventBody::Recommended { trace: trace(false) } });
    // It stays the example, so the lesson goes on to speak of it, and what is added is not added to it.
    assert_eq!(state.example(), Some(0));
    act(&mut state, Action::Add(ItemId(3)), &catalog());
    assert_eq!((state.example(), state.history.items()), (None, [ItemId(3)].as_slice()));
}

#[test]
fn the_example_opened_last_stands_in_for_what_cannot_be_computed() {
    let mut state = State::default();
    assert_eq!(state.stand_in(), 0);
    act(&mut state, Action::Open(Record::Example(3), example()), &catalog());
    assert_eq!((state.spoken_of(), state.by_letters()), (SpokenOf::Example(3), ByLetters::Ask));
    act(&mut state, Action::Remove(0), &catalog());
    // Its record is about another history now.
    assert_eq!((state.example(), state.spoken_of()), (None, SpokenOf::StandIn(3)));
    act(&mut state, Action::Undo, &catalog());
    assert_eq!(state.example(), Some(3));
    // A file about the same history is what was opened, not the example.
    act(&mut state, Action::Open(Record::File, example()), &catalog());
    assert_eq!(state.example(), None);
    assert!(matches!(state.spoken_of(), SpokenOf::Answer(file) if file.record == Some(Record::File)));
    // Nothing was recorded of it by letters.
    assert_eq!(state.by_letters(), ByLetters::Load);
}

#[test]
fn what_the_ranker_said_about_the_history_comes_before_what_was_recorded_of_it() {
    let mut state = ready();
    let load = act(&mut state, Action::LoadModel, &catalog()).expect("a request");
    apply(&mut state, ranker_ready(load.seq));
    act(&mut state, Action::Open(Record::Example(3), example()), &catalog());
    let seq = act(&mut state, Action::Recommend, &catalog()).expect("a request").seq;
    apply(&mut state, Event { seq, body: EventBody::Recommended { trace: example() } });
    act(&mut state, Action::Race, &catalog()).expect("a request");
    // The lesson cannot ask while a race goes on.
    assert_eq!(act(&mut state, Action::View(View::Lesson), &catalog()), None);
    assert!(matches!(state.spoken_of(), SpokenOf::Answer(answer) if answer.record.is_none()));
    assert_eq!((state.example(), state.by_letters()), (Some(3), ByLetters::Wait));
    act(&mut state, Action::Open(Record::Example(3), example()), &catalog());
    assert_eq!(state.spoken_of(), SpokenOf::Example(3));
}

#[test]
fn the_lesson_asks_in_its_own_way_and_leaves_the_recommendation() {
    let mut state = ready();
    let asking = Asking { letters: true, untuned: false, order: vec![0] };
    assert_eq!(act(&mut state, Action::Ask(asking.clone()), &catalog()), None, "there is no ranker yet");
    let load = act(&mut state, Action::LoadModel, &catalog()).expect("a request");
    act(&mut state, Action::View(View::Lesson), &catalog());
    let follow = apply(&mut state, ranker_ready(load.seq)).expect("the lesson asks");
    let history = vec![ItemId(1), ItemId(2)];
    assert_eq!(follow.body, RequestBody::Recommend { history, rank: true, asking });
    let answer = |trace| Event { seq: follow.seq, body: EventBody::Recommended { trace } };
    apply(&mut state, answer(trace(false)));
    assert!(state.lesson.is_none() && state.is_busy(), "the retriever's part is not the answer");
    apply(&mut state, answer(trace(true)));
    assert!(state.lesson.is_some() && state.result.is_none() && !state.is_busy());

    let pinned = state.lesson.clone().map(Box::new);
    act(&mut state, Action::Pin(pinned), &catalog());
    assert_eq!(state.pinned, state.lesson);
    act(&mut state, Action::Heat(99.0), &catalog());
    act(&mut state, Action::Step(99), &catalog());
    assert_eq!((state.display.temperature, state.display.step), (10.0, crate::lesson::STEPS - 1));
}

#[test]
fn the_retriever_reads_along_where_it_is_looked_at() {
    let mut state = ready();
    let walk = |request: Option<Request>| match request.expect("a request").body {
        RequestBody::Walk { history } => history,
        other => panic!("{other:?}"),
    };
    assert_eq!(walk(act(&mut state, Action::View(View::Retriever), &catalog())), [ItemId(1), ItemId(2)]);
    let request = act(&mut state, Action::Add(ItemId(3)), &catalog());
    let seq = request.as_ref().expect("a request").seq;
    assert_eq!(walk(request).len(), 3);
    assert_eq!(act(&mut state, Action::Large(true), &catalog()), None);
    let walked =
        |seq, items| Event { seq, body: EventBody::Walked { walk: Walk { items, ..Walk::default() } } };
    apply(&mut state, walked(seq - 1, 1));
    assert_eq!(state.walk, None, "an answer about another history");
    apply(&mut state, walked(seq, 2));
    assert_eq!(state.walk.as_ref().map(|walk| walk.items), Some(2));
    act(&mut state, Action::View(View::Results), &catalog());
    assert_eq!(act(&mut state, Action::Remove(0), &catalog()), None);
}

#[test]
fn films_are_left_out_one_after_another() {
    let mut state = ready();
    let Request { seq, body } = act(&mut state, Action::LeaveOut, &catalog()).expect("a request");
    assert_eq!(body, RequestBody::LeaveOut { history: state.history.items().to_vec() });
    assert!(state.is_busy() && act(&mut state, Action::LeaveOut, &catalog()).is_none());
    let without = Without { title: "Heat (1995)".into(), place: 4, difference: 0.1 };
    let left = |without| Event {
        seq,
        body: EventBody::LeftOut { effects: Effects { films: 2, without, ..Effects::default() } },
    };
    apply(&mut state, left(vec![without.clone()]));
    assert!(state.is_busy());
    apply(&mut state, left(vec![without.clone(), without]));
    assert!(!state.is_busy());
    let measured = state.effects.as_ref().expect("effects");
    assert_eq!((measured.effects.without.len(), measured.history.len()), (2, 2));
    // One film is not left out: nothing would be left.
    act(&mut state, Action::Remove(0), &catalog());
    assert!(!state.can_leave_out());
}

#[test]
fn a_stopped_ranking_leaves_the_page_as_it_was() {
    let mut state = ready();
    let load = act(&mut state, Action::LoadModel, &catalog()).expect("a request");
    apply(&mut state, ranker_ready(load.seq));
    let seq = act(&mut state, Action::Recommend, &catalog()).expect("a request").seq;
    for with_ranker in [false, true] {
        apply(&mut state, Event { seq, body: EventBody::Recommended { trace: trace(with_ranker) } });
    }
    let before = state.result.clone();
    act(&mut state, Action::MoveUp(1), &catalog());

    let seq = act(&mut state, Action::Recommend, &catalog()).expect("a request").seq;
    apply(&mut state, Event { seq, body: EventBody::Recommended { trace: trace(false) } });
    apply(&mut state, Event { seq: seq - 1, body: EventBody::Reading { read: 1, of: 2 } });
    assert_eq!(state.reading(), None, "another text");
    apply(&mut state, Event { seq, body: EventBody::Reading { read: 128, of: 575 } });
    assert_eq!(state.reading(), Some(Reading { read: 128, of: 575 }));
    assert_ne!(state.result, before);
    assert_eq!(act(&mut state, Action::Stop, &catalog()).expect("a request").body, RequestBody::Stop);
    assert!(state.is_busy(), "the engine says when it has stopped");
    apply(&mut state, Event { seq, body: EventBody::Cancelled });
    assert_eq!((&state.result, state.is_busy(), state.failure.is_none()), (&before, false, true));
    assert!(state.can_recommend() && state.announcement.starts_with("Stopped"));

    // What was opened meanwhile stays.
    let seq = act(&mut state, Action::Recommend, &catalog()).expect("a request").seq;
    apply(&mut state, Event { seq, body: EventBody::Recommended { trace: trace(false) } });
    let stop = act(&mut state, Action::Open(Record::Example(1), example()), &catalog()).expect("a request");
    assert_eq!((stop.body, state.is_busy()), (RequestBody::Stop, false));
    let said = state.announcement.clone();
    apply(&mut state, Event { seq, body: EventBody::Cancelled });
    assert_eq!((state.example(), &state.announcement), (Some(1), &said));
    // Even if the answer was already on its way.
    apply(&mut state, Event { seq, body: EventBody::Recommended { trace: trace(true) } });
    assert_eq!((state.example(), state.is_stale()), (Some(1), false));
}

#[test]
fn orders_are_asked_about_one_after_another_and_can_be_stopped() {
    let mut state = ready();
    let orders = vec![vec![1, 0], vec![0, 1]];
    assert_eq!(act(&mut state, Action::Shuffle(orders.clone()), &catalog()), None, "there is no ranker yet");
    let load = act(&mut state, Action::LoadModel, &catalog()).expect("a request");
    apply(&mut state, ranker_ready(load.seq));
    let Request { seq, body } =
        act(&mut state, Action::Shuffle(orders.clone()), &catalog()).expect("a request");
    assert_eq!(body, RequestBody::Shuffle { history: state.history.items().to_vec(), orders });
    let shuffled = |answers: usize, orders| {
        let study =
            ShuffleStudy { orders, answers: vec![vec![(0, 1.0)]; answers], ..ShuffleStudy::default() };
        Event { seq, body: EventBody::Shuffled { study } }
    };
    apply(&mut state, shuffled(1, 2));
    assert!(state.is_busy() && state.study().is_some());
    // It is about the history it was asked about, and shown beside no other.
    act(&mut state, Action::MoveUp(1), &catalog());
    apply(&mut state, shuffled(1, 2));
    assert!(state.is_busy() && state.study().is_none());
    act(&mut state, Action::Undo, &catalog());
    assert_eq!(state.study().expect("a study").answers.len(), 1);
    assert_eq!(act(&mut state, Action::Stop, &catalog()).expect("a request").body, RequestBody::Stop);
    apply(&mut state, Event { seq, body: EventBody::Cancelled });
    assert!(!state.is_busy() && state.announcement.starts_with("Stopped"));
    let study = state.study().expect("a study");
    assert_eq!((study.answers.len(), study.orders), (1, 2));
}

#[test]
fn what_is_chosen_is_what_is_on_the_screen() {
    let mut state = ready();
    let load = act(&mut state, Action::LoadModel, &catalog()).expect("a request");
    apply(&mut state, ranker_ready(load.seq));
    let way = |letters| Asking { letters, ..Asking::default() };
    let seq = act(&mut state, Action::Ask(way(true)), &catalog()).expect("a request").seq;
    let answer = Box::new(Trace { asking: way(true), ..*trace(true) });
    apply(&mut state, Event { seq, body: EventBody::Recommended { trace: answer } });
    let seq = act(&mut state, Action::Ask(way(false)), &catalog()).expect("a request").seq;
    assert_eq!(state.asking, way(false));
    apply(&mut state, Event { seq, body: EventBody::Cancelled });
    assert_eq!(state.asking, way(true), "the other way of asking was stopped");
    let film_by_film = Box::new(Trace { asking: way(false), ..*example() });
    act(&mut state, Action::Open(Record::File, film_by_film), &catalog());
    assert_eq!(state.asking, way(false));
}

#[test]
fn a_list_replaces_the_history_and_says_what_is_missing() {
    let mut state = ready();
    let unknown = ["a", "b", "c", "d", "e", "f", "g"].map(str::to_owned).to_vec();
    act(&mut state, Action::Import(Import { items: vec![ItemId(3)], unknown, disliked: 2 }), &catalog());
    assert_eq!(state.history.items(), [ItemId(3)]);
    assert_eq!(
        state.imported.as_deref(),
        Some(
            "1 film taken in place of your history. 2 films left out for their ratings. Not in the catalogue, which \
             ends in 2016: a, b, c, d, e and 2 more."
        )
    );
    act(&mut state, Action::Undo, &catalog());
    act(&mut state, Action::Import(Import { unknown: vec!["a".into()], ..Import::default() }), &catalog());
    assert_eq!(state.history.items().len(), 2, "a list of which nothing is known replaces nothing");
}

#[test]
fn whoever_leaves_a_lesson_shown_alone_finds_it_whole() {
    let mut state = ready();
    act(&mut state, Action::View(View::Lesson), &catalog());
    act(&mut state, Action::Guided(true), &catalog());
    assert!(state.is_guided());
    act(&mut state, Action::View(View::Recommend), &catalog());
    act(&mut state, Action::View(View::Lesson), &catalog());
    assert!(!state.is_guided());
}
