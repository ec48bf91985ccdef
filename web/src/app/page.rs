//! The page's handle: state, bundle and engine in one copyable value that every component gets from the
//! context.

use std::sync::Arc;

use gloo::timers::callback::Timeout;
use leptos::{prelude::*, task::spawn_local};
use shared::protocol::{Event, EventBody, Failure, FailureCode, RequestBody};

use super::{
    bridge::{Bridge, News},
    browser,
    bundle::{BUNDLE, Bundle, stored_bytes},
};
use crate::{
    format::films,
    history::History,
    link,
    state::{Retriever, State},
    update::{self, Action},
};

/// State, bundle and engine.
#[derive(Clone, Copy)]
pub struct Page {
    /// What the page knows.
    pub state: RwSignal<State>,
    /// Manifest and catalogue, once they are here.
    pub bundle: RwSignal<Option<Arc<Bundle>>>,
    /// Bytes of the base model that are stored on this device.
    pub stored: RwSignal<u64>,
    bridge: StoredValue<Option<Bridge>, LocalStorage>,
}

impl Page {
    /// Starts the engine and fetches the bundle.
    pub fn start() -> Self {
        let page = Self {
            state: RwSignal::new(State::default()),
            bundle: RwSignal::new(None),
            stored: RwSignal::new(0),
            bridge: StoredValue::new_local(None),
        };
        page.start_engine();
        spawn_local(page.fetch_bundle());
        Effect::new(move || {
            let items = page.state.with(|state| state.history.items().to_vec());
            if let Some(bundle) = page.bundle.get() {
                browser::set_hash(&link::write(&items, &bundle.catalog));
            }
        });
        page
    }

    /// Does what the visitor asks for.
    pub fn act(self, action: Action) {
        let Some(bundle) = self.bundle.get_untracked() else { return };
        let request = self.state.try_update(|state| update::act(state, action, &bundle.catalog));
        self.send(request.flatten());
    }

    fn send(self, request: Option<shared::protocol::Request>) {
        if let Some(request) = request {
            self.bridge.with_value(|bridge| {
                if let Some(bridge) = bridge {
                    bridge.send(&request);
                }
            });
        }
    }

    async fn fetch_bundle(self) {
        match Bundle::fetch().await {
            Ok(bundle) => {
                let (items, unknown) = link::read(&browser::hash(), &bundle.catalog);
                self.state.update(|state| {
                    state.history = History::new(items);
                    if unknown > 0 {
                        state.failure = Some(unknown_in_link(unknown));
                    }
                });
                self.bundle.set(Some(Arc::new(bundle)));
                self.count_stored().await;
            }
            Err(failure) => self.state.update(|state| {
                state.retriever = Retriever::Failed;
                state.failure = Some(failure);
            }),
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
            let bundle = browser::absolute(BUNDLE);
            let request = self.state.try_update(|state| state.request(RequestBody::LoadRetriever { bundle }));
            return self.send(request);
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
        if ran {
            self.state.update(|state| update::engine_restarted(state, why));
            // The old worker must not be dropped while its own handler runs.
            Timeout::new(0, move || self.start_engine()).forget();
        } else {
            self.state.update(|state| {
                state.retriever = Retriever::Failed;
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
        message: format!("{} of this link are not in the catalogue.", films(unknown)),
        hint: "The rest was taken. Add what is missing by its title.".into(),
    }
}
