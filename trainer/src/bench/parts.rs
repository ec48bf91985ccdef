//! Where the time of a pass goes: parts of the model on the CPU, kernels on a GPU.

use std::{
    collections::BTreeMap,
    mem::take,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

/// One part of a pass.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Part of the model, or kernel; `rest` is what none of them took, on a GPU launching and waiting, too.
    pub name: String,
    /// How often it ran.
    pub calls: usize,
    /// Time of all calls, without the parts inside of it.
    pub ms: f64,
}

/// Does some work on the CPU and tells what its parts took, the longest first. The calling thread waits for its helpers at
/// the end of a part, so these are times of the clock on the wall.
///
/// # Errors
/// Those of the work.
pub fn of_cpu(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Vec<Part>> {
    let watch = Watch::default();
    let start = Instant::now();
    tracing::subscriber::with_default(watch.clone(), work)?;
    let whole = start.elapsed();
    let totals = take(&mut watch.seen().totals);
    Ok(parts(totals, whole))
}

/// Does some work on a GPU and tells what its kernels took, the longest first. They run one at a time for it.
///
/// # Errors
/// Those of the work.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub fn of_gpu(work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Vec<Part>> {
    let start = Instant::now();
    let (done, launches) = shared::launches::watched(work);
    done?;
    let whole = start.elapsed();
    let mut totals = Totals::new();
    for launch in launches {
        count(&mut totals, launch.kernel, launch.time);
    }
    Ok(parts(totals, whole))
}

/// Calls and their time, by name.
type Totals = BTreeMap<String, (usize, Duration)>;

fn count(totals: &mut Totals, name: String, time: Duration) {
    let (calls, total) = totals.entry(name).or_default();
    *calls += 1;
    *total += time;
}

fn parts(totals: Totals, whole: Duration) -> Vec<Part> {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let known: Duration = totals.values().map(|&(_, time)| time).sum();
    let mut parts: Vec<Part> =
        totals.into_iter().map(|(name, (calls, time))| Part { name, calls, ms: ms(time) }).collect();
    parts.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    parts.push(Part { name: "rest".into(), calls: 1, ms: ms(whole.saturating_sub(known)) });
    parts
}

/// Listens to the parts that a pass names, on the thread that it is the subscriber of.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// A part's id is its place here, from 1 on.
    names: Vec<&'static str>,
    /// Parts that have not ended: when they began, and the time of parts inside.
    open: Vec<(Instant, Duration)>,
    totals: Totals,
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscriber for Watch {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("shared")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let (mut seen, name) = (self.seen(), span.metadata().name());
        let place = seen.names.iter().position(|&known| known == name).unwrap_or_else(|| {
            seen.names.push(name);
            seen.names.len() - 1
        });
        Id::from_u64(place as u64 + 1)
    }

    fn enter(&self, _: &Id) {
        self.seen().open.push((Instant::now(), Duration::ZERO));
    }

    fn exit(&self, part: &Id) {
        let mut seen = self.seen();
        let Some((start, inside)) = seen.open.pop() else { return };
        let time = start.elapsed();
        if let Some((_, inside)) = seen.open.last_mut() {
            *inside += time;
        }
        let name = seen.names[part.into_u64() as usize - 1].to_owned();
        count(&mut seen.totals, name, time.saturating_sub(inside));
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use tracing::trace_span;

    use super::*;

    #[test]
    fn time_counts_for_the_innermost_part() {
        let nap = || sleep(Duration::from_millis(30));
        let parts = of_cpu(|| {
            for _ in 0..2 {
                let _outer = trace_span!(target: "shared", "outer").entered();
                trace_span!(target: "shared", "inner").in_scope(nap);
                trace_span!(target: "elsewhere", "foreign").in_scope(|| ());
            }
            Ok(())
        })
        .unwrap();
        let found: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.calls)).collect();
        assert_eq!(found, [("inner", 2), ("outer", 2), ("rest", 1)]);
        assert!(parts[0].ms >= 60.0 && parts[1].ms < parts[0].ms, "{parts:?}");
    }
}
