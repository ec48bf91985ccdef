//! What an index letter means has to be learnt before it can say anything: in the first steps of a run the right answer is the
//! one candidate that stands in the history itself, so that nothing but its letter is to be found. Few candidates come first.
//! (Measured, one seed: with all 30 blocks adapted letters were learnt within 3,200 such questions, with the upper 12 there was no
//! sign of it after 2,500; trainer/results.) What is chosen is learnt in the same way, few candidates first: begun with 20, a run stayed at chance.

use super::RankerConfig;

/// Candidates in the first three quarters of the binding steps.
const FEW: usize = 4;
/// Candidates in the second half of the steps with few.
const MORE: usize = 10;
/// Share of such questions after the binding steps, so that letters are not forgotten.
const KEPT: f64 = 0.1;

/// How a step asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Binding {
    /// Share of questions whose answer stands in the history.
    pub share: f64,
    /// Candidates of a question.
    pub candidates: usize,
}

impl Binding {
    /// In the step after `step` others.
    pub fn at(step: usize, config: &RankerConfig) -> Self {
        let &RankerConfig { binding_steps, few_steps, candidates, .. } = config;
        let share = if binding_steps > 0 { KEPT } else { 0.0 };
        match step {
            _ if step < binding_steps / 4 * 3 => Self { share: 1.0, candidates: candidates.min(FEW) },
            _ if step < binding_steps => Self { share: 1.0, candidates },
            _ if step < binding_steps + few_steps / 2 => Self { share, candidates: candidates.min(FEW) },
            _ if step < binding_steps + few_steps => Self { share, candidates: candidates.min(MORE) },
            _ => Self { share, candidates },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_come_first_and_are_not_forgotten() {
        let config = RankerConfig { binding_steps: 4, candidates: 20, ..RankerConfig::default() };
        let at = |step| {
            let Binding { share, candidates } = Binding::at(step, &config);
            (share, candidates)
        };
        assert_eq!([0, 1, 2, 3, 4].map(at), [(1.0, 4), (1.0, 4), (1.0, 4), (1.0, 20), (0.1, 20)]);
        let few = RankerConfig { few_steps: 4, ..config.clone() };
        let of_few = |step| Binding::at(step, &few).candidates;
        assert_eq!([3, 4, 5, 6, 7, 8].map(of_few), [20, 4, 4, 10, 10, 20]);
        let without = RankerConfig { binding_steps: 0, ..config };
        assert_eq!(Binding::at(0, &without), Binding { share: 0.0, candidates: 20 });
        let only_few = RankerConfig { few_steps: 2, ..without };
        assert_eq!(Binding::at(0, &only_few), Binding { share: 0.0, candidates: 4 });
    }
}
