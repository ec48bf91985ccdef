//! What the page knows. The components draw it; [`crate::update`] changes it; nothing else does.

use shared::{
    catalog::ItemId,
    protocol::{DeviceChoice, DeviceReport, Failure, LoadPhase, Race, Request, RequestBody},
    ranking::Ordering,
    trace::Trace,
};

use crate::history::History;

/// Everything the page knows that can change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What the visitor has seen and liked.
    pub history: History,
    /// Where the visitor wants the ranker to run.
    pub device: DeviceChoice,
    /// The first stage.
    pub retriever: Retriever,
    /// The second stage.
    pub ranker: Ranker,
    /// The last recommendation.
    pub result: Option<Outcome>,
    /// Which order of it is shown.
    pub shown: Shown,
    /// Whether a tuned ranker is asked by index letters, as a lesson, instead of in the way it was tuned for.
    pub letters: bool,
    /// The race of one pass against writing the ranking out, once there was one.
    pub race: Option<Raced>,
    /// What went wrong last.
    pub failure: Option<Failure>,
    /// What the live region says.
    pub announcement: String,
    pub(crate) pending: Option<Pending>,
    last_seq: u64,
}

/// The first stage: catalogue and retriever in the worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Retriever {
    /// Asked for.
    #[default]
    Loading,
    /// It answers.
    Ready,
    /// It could not be loaded; the failure is shown.
    Failed,
}

/// The second stage: the base model in the worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Ranker {
    /// Not loaded.
    #[default]
    Absent,
    /// On its way.
    Loading {
        /// The request that asked for it.
        seq: u64,
        /// Progress, once there is some.
        progress: Option<Progress>,
    },
    /// It can rank.
    Ready(RankerInfo),
}

/// Progress of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The phase.
    pub phase: LoadPhase,
    /// Bytes done.
    pub done: u64,
    /// Bytes in all; 0 when unknown.
    pub total: u64,
}

/// What ranks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankerInfo {
    /// Where it runs and why.
    pub device: DeviceReport,
    /// The base model's name.
    pub base: String,
    /// The adapter's name; `None` is an untuned base.
    pub adapter: Option<String>,
}

/// A recommendation and the history it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The record.
    pub trace: Trace,
    /// The history asked with; the result is stale when it is no longer the present one.
    pub history: Vec<ItemId>,
}

/// A race, and the request that asked for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Raced {
    pub(crate) seq: u64,
    /// How it stands; `None` before the pass is over.
    pub race: Option<Race>,
}

impl Raced {
    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        self.race.as_ref().is_none_or(|race| race.end.is_none())
    }
}

/// The recommendation that is being computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Its request.
    pub seq: u64,
    /// The history asked with.
    pub history: Vec<ItemId>,
    /// Whether the ranker's part is awaited.
    pub rank: bool,
}

/// Which order of the candidates the table shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// The final order.
    #[default]
    Final,
    /// The retriever's alone.
    Retriever,
    /// The ranker's alone, whoever decides.
    Ranker,
}

impl State {
    /// Numbers a request.
    pub fn request(&mut self, body: RequestBody) -> Request {
        self.last_seq += 1;
        Request { seq: self.last_seq, body }
    }

    /// Whether a ranker is loaded that was tuned to be asked otherwise than by letters.
    pub fn may_ask_otherwise(&self) -> bool {
        let tuned = matches!(&self.ranker, Ranker::Ready(RankerInfo { adapter: Some(_), .. }));
        let answers = self.result.as_ref().map(|result| &result.trace);
        tuned && !answers.is_some_and(|trace| trace.fused.is_some() && trace.ranker.is_some())
    }

    /// Whether a recommendation is being computed, or a race goes on.
    pub fn is_busy(&self) -> bool {
        self.pending.is_some() || self.is_racing()
    }

    /// Whether a race goes on.
    pub fn is_racing(&self) -> bool {
        self.race.as_ref().is_some_and(Raced::is_running)
    }

    /// Whether a race can be started now.
    pub fn can_race(&self) -> bool {
        matches!(self.ranker, Ranker::Ready(_)) && !self.history.items().is_empty() && !self.is_busy()
    }

    /// Whether the ranker's answer is being awaited while the retriever's is shown.
    pub fn awaits_ranker(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.rank)
    }

    /// Whether a recommendation can be asked for now.
    pub fn can_recommend(&self) -> bool {
        self.retriever == Retriever::Ready && !self.history.items().is_empty() && !self.is_busy()
    }

    /// Whether the result shown belongs to an earlier history.
    pub fn is_stale(&self) -> bool {
        let present = self.history.items();
        self.result.as_ref().is_some_and(|result| result.history != present)
    }

    /// Who ordered the result, and whether the ranker is an untuned base.
    pub fn verdict(&self) -> Option<Verdict> {
        let trace = &self.result.as_ref()?.trace;
        Some(match (trace.ordering, &trace.ranker) {
            (Ordering::Fused, _) => Verdict::Fused,
            (Ordering::Retriever, Some(_)) => Verdict::UntunedBase,
            (Ordering::Retriever, None) => Verdict::RetrieverOnly,
        })
    }
}

/// Whose order the final order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No ranker ran.
    RetrieverOnly,
    /// A ranker without adapter ran; its letters are shown and do not decide.
    UntunedBase,
    /// Both stages decided together.
    Fused,
}
