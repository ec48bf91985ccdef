//! Which kernels a piece of work ran on a GPU, and for how long: what a pass is measured with.

use std::{
    mem::take,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cubecl::{
    config::{TypeNameFormatLevel, type_name_format},
    logging::{LaunchObservation, LaunchObserver, TimingMethod, TimingRequest},
};

/// One kernel that has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Name of the kernel.
    pub kernel: String,
    /// How long it took, by the GPU's own clock where it has one.
    pub time: Duration,
}

/// Does some work and says which kernels it ran, of any thread, in their order. Each is waited for, so the work as a whole
/// takes longer than it does otherwise.
pub fn watched<T>(work: impl FnOnce() -> T) -> (T, Vec<Launch>) {
    let seen = Arc::new(Seen::default());
    let observation = LaunchObservation::new(Arc::clone(&seen) as Arc<dyn LaunchObserver>);
    let done = work();
    drop(observation);
    let launches = take(&mut *seen.0.lock().unwrap_or_else(PoisonError::into_inner));
    (done, launches)
}

#[derive(Default)]
struct Seen(Mutex<Vec<Launch>>);

impl LaunchObserver for Seen {
    fn launched(&self, _: &'static str) {}

    fn timing(&self) -> TimingRequest {
        TimingRequest::Resolved
    }

    fn timed(&self, kernel: &'static str, time: Duration, _: TimingMethod) {
        let kernel = type_name_format(kernel, TypeNameFormatLevel::Short);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Launch { kernel, time });
    }
}
