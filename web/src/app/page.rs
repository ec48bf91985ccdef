//! The page's handle: state, bundle and engine in one copyable value that every component gets from the
//! context.

use std::sync::Arc;

use gloo::timers::callback::Timeout;
use leptos::{prelude::*, task::spawn_local};
use shared::{
    exhibit::{Example, Results},
    protocol::{Event, EventBody, Failure, FailureCode, Request, RequestBody},
    trace::{Asking, Trace},
};
use wasm_bindgen::JsValue;

use super::{
    address::{self, Visit},
    bridge::{Bridge, News},
    browser,
    bundle::{Bundle, stored_bytes},
    part,
};
use crate::{
    format::films,
    history::History,
    link::{self, Link},
    own_bundle::SHIPPED,
    spoken::SpokenOf,
    state::{Ranker, Record, Retriever, State},
    update::{self, Action},
};

/// Measures of the models, which come after all else.
#[derive(Clone, Default)]
pub enum Measures {
    /// On their way.
    #[default]
    Awaited,
    /// The bundle has none.
    Absent,
    /// They can be shown.
    Here(Arc<Results>),
}

/// State, bundle and engine.
#[derive(Clone, Copy)]
pub struct Page {
    /// What the page knows.
    pub state: RwSignal<State>,
    /// Manifest and catalogue, once they are here.
    pub bundle: RwSignal<Option<Arc<Bundle>>>,
    /// Bytes of the base model that are stored on this device.
    pub stored: RwSignal<u64>,
    /// Recorded examples, once they are here.
    pub examples: RwSignal<Arc<Vec<Example>>>,
    /// Measures of the models.
    pub results: RwSignal<Measures>,
    /// The candidate that the visitor points at, as a place in the retriever's order: its letter, tokens and row light up.
    pub lit: RwSignal<Option<usize>>,
    /// How many parts of the page are drawn: none until the bundle is here and the link that the page was opened with has
    /// been read, or that failed.
    pub drawn: RwSignal<usize>,
    bridge: StoredValue<Option<Bridge>, LocalStorage>,
    visit: StoredValue<Visit>,
    /// The bundle's folder, once it is known that the bundle can be used.
    folder: StoredValue<Option<String>>,
    /// Whether the engine listens.
    listening: StoredValue<bool>,
    /// What it is to be asked once it does.
    waiting: StoredValue<Vec<Request>>,
}

impl Page {
    /// Fetches the bundle, draws the page and starts the engine, in this order: nothing that a visitor sees at first needs the
    /// engine, and compiling it beside would only make everything slower.
    pub fn start() -> Self {
        let page = Self {
            state: RwSignal::new(State::new()),
            bundle: RwSignal::new(None),
            stored: RwSignal::new(0),
            examples: RwSignal::default(),
            results: RwSignal::default(),
            lit: RwSignal::new(None),
            drawn: RwSignal::new(0),
            bridge: StoredValue::new_local(None),
            visit: StoredValue::new(Visit::begin()),
            folder: StoredValue::new(None),
            listening: StoredValue::new(false),
            waiting: StoredValue::new(Vec::new()),
        };
        spawn_local(async move {
            // The browser may paint before and after this.
            browser::wait(0).await;
            let bundle = page.fetch_bundle().await;
            part::draw(page.drawn).await;
            page.start_engine();
            let results = match bundle {
                Some(bundle) => bundle.results().await,
                None => None,
            };
            page.results.set(results.map_or(Measures::Absent, |results| Measures::Here(Arc::new(results))));
            page.count_stored().await;
        });
        let linked = Memo::new(move |_| {
            page.state.with(|state| {
                // The first example is what a visitor without a link sees.
                let shown = state.example() != Some(0);
                let history = if shown { state.history.items().to_vec() } else { Vec::new() };
                (history, state.display, state.asking.clone())
            })
        });
        let begun = part::has_begun(page.drawn);
        Effect::new(move || {
            let (history, display, asking) = linked.get();
            if begun.get()
                && let Some(bundle) = page.bundle.get()
            {
                let other = (!bundle.is_shipped()).then(|| bundle.name_in_links());
                let hash = link::write(other.as_deref(), &history, &display, &asking, &bundle.catalog);
                page.visit.update_value(|visit| {
                    // Back leads from view to view.
                    if link::view(&address::hash()) == display.view {
                        visit.replace(&hash);
                    } else {
                        visit.push(&hash);
                    }
                });
            }
        });
        page
    }

    /// The visitor went back or forward to an entry of the browser's history with this state, or opened a link in this tab.
    pub fn went(self, state: &JsValue) {
        let view = link::view(&address::hash());
        let shown = self.state.with_untracked(|state| state.display.view);
        let (own, here) = self.visit.with_value(|visit| (visit.has_made(state), visit.is_here()));
        if self.bundle.with_untracked(Option::is_none) || !(own || here) {
            address::start_anew();
        } else if own && view != shown {
            self.act(Action::View(view));
        } else {
            // What is shown stays, and the address says so.
            self.visit.update_value(Visit::keep);
        }
    }

    /// The record that the lesson [speaks of](State::spoken_of).
    pub fn lesson(self) -> Memo<Option<Trace>> {
        Memo::new(move |_| {
            self.state.with(|state| match state.spoken_of() {
                SpokenOf::Answer(outcome) => Some(outcome.trace.clone()),
                SpokenOf::Example(n) | SpokenOf::StandIn(n) => self.examples.with(|examples| {
                    let Asking { letters, untuned, .. } = state.asking;
                    let example = examples.get(n)?;
                    Some(example.answer(letters, untuned).unwrap_or(&example.shipped).clone())
                }),
            })
        })
    }

    /// The name of an example.
    pub fn example_name(self, n: usize) -> Option<String> {
        self.examples.with(|examples| Some(examples.get(n)?.name.clone()))
    }

    /// What was recorded of the example on the screen, and its name in words; of the one that stands in as long as the ranker
    /// cannot be asked about anything else.
    pub fn recorded<T: Clone>(self, part: fn(&Example) -> &T) -> Option<(T, String)> {
        let n = self
            .state
            .with(|state| state.example().or_else(|| (!state.has_ranker()).then(|| state.stand_in())))?;
        self.examples.with(|examples| {
            let example = examples.get(n)?;
            let device = &example.shipped.provenance.device;
            Some((
                part(example).clone(),
                format!("Recorded for “{}”, on another machine ({device}).", example.name),
            ))
        })
    }

    /// Shows an example's record.
    pub fn open_example(self, n: usize) {
        let trace = self.examples.with_untracked(|examples| Some(Box::new(examples.get(n)?.shipped.clone())));
        if let Some(trace) = trace {
            self.act(Action::Open(Record::Example(n), trace));
        }
    }

    /// Does what the visitor asks for.
    pub fn act(self, action: Action) {
        let Some(bundle) = self.bundle.get_untracked() else { return };
        let request = self.state.try_update(|state| update::act(state, action, &bundle.catalog));
        self.send(request.flatten());
    }

    fn send(self, request: Option<Request>) {
        let Some(request) = request else { return };
        if !self.listening.get_value() {
            return self.waiting.update_value(|waiting| waiting.push(request));
        }
        self.bridge.with_value(|bridge| {
            if let Some(bridge) = bridge {
                bridge.send(&request);
            }
        });
    }

    /// Shows what went wrong.
    pub fn fail(self, failure: Failure) {
        self.state.update(|state| {
            state.failure = Some(failure);
            // What came of another list.
            state.imported = None;
        });
    }

    async fn fetch_bundle(self) -> Option<Arc<Bundle>> {
        let hash = address::hash();
        let shipped = browser::absolute(SHIPPED);
        let (bundle, refused) = match link::bundle(&hash) {
            None => {
                // Nothing can be wrong with its place: the engine need not wait.
                self.use_folder(&shipped);
                (Bundle::fetch(shipped).await, None)
            }
            Some(said) => match Bundle::named(said).await {
                Ok(bundle) => (Ok(bundle), None),
                Err(failure) => {
                    let hint = format!("The page’s own bundle is shown instead. {}", failure.hint);
                    (Bundle::fetch(shipped).await, Some(Failure { hint, ..failure }))
                }
            },
        };
        match bundle {
            Ok(bundle) => {
                self.use_folder(&bundle.folder);
                let Link { history, unknown, display, asking } = link::read(&hash, &bundle.catalog);
                self.state.update(|state| {
                    state.history = History::new(history);
                    state.display = display;
                    state.asking = asking.unwrap_or_else(|| state.asking.clone());
                });
                let bundle = Arc::new(bundle);
                self.bundle.set(Some(Arc::clone(&bundle)));
                self.fetch_examples(&bundle).await;
                // After the example, because opening one closes the alert.
                if let Some(failure) = refused.or_else(|| (unknown > 0).then(|| unknown_in_link(unknown))) {
                    self.fail(failure);
                }
                Some(bundle)
            }
            Err(failure) => {
                self.state.update(|state| state.retriever = Retriever::Failed);
                self.fail(failure);
                None
            }
        }
    }

    /// Lets the engine load the retriever of the bundle in this folder.
    fn use_folder(self, folder: &str) {
        if self.folder.with_value(|known| known.as_deref() != Some(folder)) {
            self.folder.set_value(Some(folder.to_owned()));
            self.load_retriever();
        }
    }

    fn load_retriever(self) {
        if let (true, Some(bundle)) = (self.listening.get_value(), self.folder.get_value()) {
            self.send(self.state.try_update(|state| state.request(RequestBody::LoadRetriever { bundle })));
        }
    }

    /// Fetches and shows what can be seen before any model is loaded. A bundle without it works too.
    async fn fetch_examples(self, bundle: &Bundle) {
        let examples = bundle.examples().await.unwrap_or_default();
        browser::wait(0).await;
        let history = self.state.with_untracked(|state| state.history.items().to_vec());
        let linked = examples.iter().position(|example| {
            example.shipped.history.iter().map(|item| item.item).eq(history.iter().copied())
        });
        self.examples.set(Arc::new(examples));
        if let Some(n) = if history.is_empty() { Some(0) } else { linked } {
            self.open_example(n);
            self.state.update(|state| state.history = History::new(state.history.items().to_vec()));
        }
    }

    async fn count_stored(self) {
        if let Some(bundle) = self.bundle.get_untracked() {
            self.stored.set(stored_bytes(&bundle.manifest.base.file).await);
        }
    }

    fn start_engine(self) {
        let hear = move |news| match news {
            News::Event(event) => self.hear(event),
            News::Stopped { why, ran } => self.engine_stopped(&why, ran),
        };
        match Bridge::start(hear) {
            Ok(bridge) => self.bridge.set_value(Some(bridge)),
            Err(why) => self.engine_stopped(&why, false),
        }
    }

    fn hear(self, event: Event) {
        if event.body == EventBody::Ready {
            browser::tell_settled();
            self.listening.set_value(true);
            self.load_retriever();
            let waiting = self.waiting.try_update_value(std::mem::take).unwrap_or_default();
            return waiting.into_iter().for_each(|request| self.send(Some(request)));
        }
        let may_change_storage = matches!(
            event.body,
            EventBody::RankerReady { .. } | EventBody::Cancelled | EventBody::Deleted | EventBody::Failed(_)
        );
        let request = self.state.try_update(|state| update::apply(state, event)).flatten();
        self.send(request);
        if may_change_storage {
            spawn_local(self.count_stored());
        }
    }

    fn engine_stopped(self, why: &str, ran: bool) {
        self.listening.set_value(false);
        if ran {
            self.state.update(|state| update::engine_restarted(state, why));
            // The old worker must not be dropped while its own handler runs.
            Timeout::new(0, move || self.start_engine()).forget();
        } else {
            browser::tell_settled();
            self.state.update(|state| {
                state.retriever = Retriever::Failed;
                // Whoever asked for it early waits in vain.
                state.ranker = Ranker::Absent;
                state.failure = Some(Failure {
                    code: FailureCode::Device,
                    message: format!("The engine did not start: {why}."),
                    hint: "Reload the page. If it stays, this browser may be too old: WebAssembly with SIMD is needed."
                        .into(),
                });
            });
        }
    }
}

fn unknown_in_link(unknown: usize) -> Failure {
    Failure {
        code: FailureCode::Input,
        message: format!("Not in the catalogue: {} of this link.", films(unknown)),
        hint: "The rest was taken. Add what is missing by its title.".into(),
    }
}
