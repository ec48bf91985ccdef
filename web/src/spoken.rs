//! What the lesson speaks of when it has no answer of its own yet.

use crate::state::{Outcome, Record, State};

/// What the lesson speaks of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SpokenOf<'a> {
    /// A ranker's answer, or a file with one.
    Answer(&'a Outcome),
    /// The example on the screen, by its place, as it was recorded for the way of asking that is chosen.
    Example(usize),
    /// This example, although the history is another.
    StandIn(usize),
}

/// What it takes to see an answer by letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByLetters {
    /// To ask, or to look at what was recorded.
    Ask,
    /// To wait until nothing else is computed.
    Wait,
    /// A ranker.
    Load,
}

impl State {
    /// What the lesson speaks of: its own answer, else what the ranker said last about the history on the screen, else the
    /// example whose history that is, else an earlier answer. There is always something to look at.
    pub fn spoken_of(&self) -> SpokenOf<'_> {
        if let Some(outcome) = &self.lesson {
            return SpokenOf::Answer(outcome);
        }
        let ranked = |result: &&Outcome| result.trace.is_ranked();
        // Without a ranker an example can still be asked about in other ways, which were recorded.
        let own = |result: &&Outcome| result.record.is_none() && self.has_ranker();
        if let Some(result) = self.fresh().filter(ranked).filter(own) {
            return SpokenOf::Answer(result);
        }
        if let Some(example) = self.example() {
            return SpokenOf::Example(example);
        }
        // An example that the visitor has changed is none.
        let example = |result: &&Outcome| matches!(result.record, Some(Record::Example(_)));
        let answer =
            self.result.as_ref().filter(ranked).filter(|result| !(example(result) && self.is_stale()));
        answer.map_or_else(|| SpokenOf::StandIn(self.stand_in()), SpokenOf::Answer)
    }

    /// The example that stands for the visitor's history where nothing can be computed about it.
    pub fn stand_in(&self) -> usize {
        self.opened.last().map_or(0, |opened| opened.example)
    }

    /// What it takes to see the lesson's answer by letters.
    pub fn by_letters(&self) -> ByLetters {
        match self.spoken_of() {
            SpokenOf::Example(_) | SpokenOf::StandIn(_) => ByLetters::Ask,
            SpokenOf::Answer(_) if self.can_ask() => ByLetters::Ask,
            SpokenOf::Answer(_) if self.has_ranker() => ByLetters::Wait,
            SpokenOf::Answer(_) => ByLetters::Load,
        }
    }
}
