//! What the page says while something is computed: that it should stop.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use shared::{pieces::Pause, protocol::EventBody};

use super::{breathe, post};

/// Hears stops, which pass the queue of requests.
#[derive(Debug, Default)]
pub struct Ear {
    /// The request that is being answered.
    answering: AtomicU64,
    /// Requests with smaller numbers are to be stopped.
    stopped_before: AtomicU64,
}

impl Ear {
    /// Request `seq` is answered from now on.
    pub fn begin(&self, seq: u64) {
        self.answering.store(seq, Relaxed);
    }

    /// Stops what was asked for before request `seq`.
    pub fn stop(&self, seq: u64) {
        self.stopped_before.store(seq, Relaxed);
    }

    /// Listens; whether to go on.
    pub async fn goes_on(&self) -> bool {
        breathe().await;
        self.answering.load(Relaxed) >= self.stopped_before.load(Relaxed)
    }

    /// Tells how far a text is read, and listens, before each piece of it.
    pub fn pause(self: &Arc<Self>) -> Pause {
        let ear = Arc::clone(self);
        Box::new(move |read, of| {
            post(ear.answering.load(Relaxed), EventBody::Reading { read, of });
            let ear = Arc::clone(&ear);
            Box::pin(async move { ear.goes_on().await })
        })
    }
}
