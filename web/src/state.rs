//! What the page knows. The components draw it; [`crate::update`] changes it; nothing else does.

use std::ops::RangeInclusive;

use shared::{
    catalog::ItemId,
    protocol::{
        DeviceChoice, DeviceReport, Effects, Failure, LoadPhase, MemoryUse, Race, Request, RequestBody,
        ShuffleStudy, TunedWays, Walk,
    },
    ranking::Ordering,
    trace::{Asking, Trace},
};

use crate::{history::History, lesson::STEPS, view::View};

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
    /// The examples that were opened, the last one last.
    pub opened: Vec<Opened>,
    /// How the page is shown.
    pub display: Display,
    /// The last answer to the lesson's questions.
    pub lesson: Option<Outcome>,
    /// How the lesson asks the ranker.
    pub asking: Asking,
    /// The answer that the lesson compares others with.
    pub pinned: Option<Outcome>,
    /// What other letters for the same candidates have shown.
    pub study: Option<Studied>,
    /// How the retriever reads the history, once it was asked.
    pub walk: Option<Walk>,
    /// What each film of the history does, once it was measured.
    pub effects: Option<Measured>,
    /// What came of the visitor's own list.
    pub imported: Option<String>,
    /// The race of one pass against writing the ranking out, once there was one.
    pub race: Option<Raced>,
    /// What went wrong last.
    pub failure: Option<Failure>,
    /// What the live region says.
    pub announcement: String,
    pub(crate) pending: Option<Pending>,
    /// The request for what takes several passes.
    pub(crate) measuring: Option<u64>,
    /// The last request to read the history film by film.
    pub(crate) walking: Option<u64>,
    last_seq: u64,
}

/// How the page is shown; all of it is in the link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Display {
    /// The view.
    pub view: View,
    /// Step of the lesson, from 0.
    pub step: usize,
    /// Temperature of the softmax over letters.
    pub temperature: f32,
    /// Large type, for a room.
    pub large: bool,
    /// Without the controls that a class does not need.
    pub guided: bool,
}

impl Default for Display {
    fn default() -> Self {
        Self { view: View::default(), step: 0, temperature: 1.0, large: false, guided: false }
    }
}

impl Display {
    /// Temperatures that can be chosen.
    pub const TEMPERATURES: RangeInclusive<f32> = 0.1..=10.0;

    /// Goes to a step of the lesson, or to the last if there are fewer.
    pub fn go_to(&mut self, step: usize) {
        self.step = step.min(STEPS - 1);
    }

    /// Sets the temperature, within its range.
    pub fn heat(&mut self, temperature: f32) {
        let (coldest, hottest) = Self::TEMPERATURES.into_inner();
        self.temperature = if temperature.is_nan() { 1.0 } else { temperature.clamp(coldest, hottest) };
    }
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
    /// Name of the adapter that decides; `None` is an untuned base.
    pub adapter: Option<String>,
    /// What adapters were tuned for.
    pub tuned: TunedWays,
    /// What that took.
    pub memory: MemoryUse,
}

/// A recommendation and the history it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The record.
    pub trace: Trace,
    /// The history asked with; the result is stale when it is no longer the present one.
    pub history: Vec<ItemId>,
    /// Where it is from, if it was not computed here and now.
    pub record: Option<Record>,
}

/// A record that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// One of the examples, by its place.
    Example(usize),
    /// A file of the visitor's.
    File,
}

/// An example that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its place.
    pub example: usize,
    /// Its history.
    pub history: Vec<ItemId>,
}

/// Effects, and the history whose films were left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// What was measured so far.
    pub effects: Effects,
    /// The history.
    pub history: Vec<ItemId>,
}

/// A study of orders, and the history it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Studied {
    /// What was found so far.
    pub study: ShuffleStudy,
    /// The history.
    pub history: Vec<ItemId>,
}

/// A race, the request that asked for it, and the history it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Raced {
    pub(crate) seq: u64,
    /// The history.
    pub history: Vec<ItemId>,
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
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pending {
    /// Its request.
    pub seq: u64,
    /// The history asked with.
    pub history: Vec<ItemId>,
    /// Whether the ranker's part is awaited.
    pub rank: bool,
    /// Whether the lesson asked.
    pub lesson: bool,
    /// How far the ranker has read.
    pub reading: Option<Reading>,
    /// What was shown before the retriever's part came.
    pub before: Option<Outcome>,
}

/// How far the ranker has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Tokens read, or known from before.
    pub read: usize,
    /// Tokens of the text.
    pub of: usize,
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
    /// As the page begins: the lesson is on verbalizers, so it asks by letters.
    pub fn new() -> Self {
        Self { asking: Asking { letters: true, ..Asking::default() }, ..Self::default() }
    }

    /// Says something in the live region. What is said twice must differ, or it is not read out again.
    pub fn say(&mut self, words: impl Into<String>) {
        let words = words.into();
        let again = if words == self.announcement { "\u{a0}" } else { "" };
        self.announcement = words + again;
    }

    /// Numbers a request.
    pub fn request(&mut self, body: RequestBody) -> Request {
        self.last_seq += 1;
        Request { seq: self.last_seq, body }
    }

    /// The example whose history is on the screen, if any, whatever was asked about it since: what is added then begins a
    /// history of the visitor's.
    pub fn example(&self) -> Option<usize> {
        let here = |opened: &&Opened| opened.history == self.history.items();
        let opened = self.opened.iter().rev().find(here)?;
        // A file can be about the same history.
        let about_file = self.fresh().is_some_and(|result| result.record == Some(Record::File));
        (!about_file).then_some(opened.example)
    }

    /// Whether a recommendation is being computed, films are being left out, or a race goes on.
    pub fn is_busy(&self) -> bool {
        self.pending.is_some() || self.measuring.is_some() || self.is_racing()
    }

    /// Whether the lesson is shown alone. Nobody should be locked in: a guided page without its lesson would show nothing.
    pub fn is_guided(&self) -> bool {
        self.display.guided && self.display.view == View::Lesson
    }

    /// Whether films are being left out or orders asked about.
    pub fn is_measuring(&self) -> bool {
        self.measuring.is_some()
    }

    /// Whether a race goes on.
    pub fn is_racing(&self) -> bool {
        self.race.as_ref().is_some_and(Raced::is_running)
    }

    /// The race about the history on the screen.
    pub fn race(&self) -> Option<&Raced> {
        self.race.as_ref().filter(|raced| raced.history == self.history.items())
    }

    /// What other letters have shown about the history on the screen, from the first answer on.
    pub fn study(&self) -> Option<&ShuffleStudy> {
        let studied = self.study.as_ref().filter(|studied| studied.history == self.history.items())?;
        Some(&studied.study).filter(|study| !study.answers.is_empty())
    }

    /// Whether films of the history can be left out now: one must stay.
    pub fn can_leave_out(&self) -> bool {
        self.can_recommend() && self.history.items().len() > 1
    }

    /// Whether a race can be started now.
    pub fn can_race(&self) -> bool {
        self.has_ranker() && !self.history.items().is_empty() && !self.is_busy()
    }

    /// Whether the ranker's answer is being awaited while the retriever's is shown.
    pub fn awaits_ranker(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.rank && !pending.lesson)
    }

    /// Whether an answer for the lesson is being awaited.
    pub fn asks_for_lesson(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.lesson)
    }

    /// How far the ranker has read for the answer that is awaited.
    pub fn reading(&self) -> Option<Reading> {
        self.pending.as_ref()?.reading
    }

    /// Whether there is a ranker to ask.
    pub fn has_ranker(&self) -> bool {
        matches!(self.ranker, Ranker::Ready(_))
    }

    /// Whether the lesson can ask the ranker now.
    pub fn can_ask(&self) -> bool {
        self.has_ranker() && self.can_recommend()
    }

    /// Whether a recommendation can be asked for now.
    pub fn can_recommend(&self) -> bool {
        self.could_recommend() && !self.is_busy()
    }

    /// Whether it can as soon as nothing else is computed.
    pub fn could_recommend(&self) -> bool {
        self.retriever == Retriever::Ready && !self.history.items().is_empty()
    }

    /// Whether the result shown belongs to an earlier history.
    pub fn is_stale(&self) -> bool {
        let present = self.history.items();
        self.result.as_ref().is_some_and(|result| result.history != present)
    }

    /// The result, if it is about the history on the screen.
    pub fn fresh(&self) -> Option<&Outcome> {
        self.result.as_ref().filter(|_| !self.is_stale())
    }

    /// Who ordered the result, and whether the ranker is an untuned base.
    pub fn verdict(&self) -> Option<Verdict> {
        let trace = &self.result.as_ref()?.trace;
        Some(match (trace.ordering, trace.is_ranked()) {
            (Ordering::Fused, _) => Verdict::Fused,
            (Ordering::Retriever, true) => Verdict::UntunedBase,
            (Ordering::Retriever, false) => Verdict::RetrieverOnly,
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
