//! One step: the questions of a batch in parts, the gradients of all parts summed.
//!
//! Parts bound the memory of a step: what the way back needs is kept for as many as run at the same time, on a CPU one
//! on each core, because much of a pass is work that Burn does on one thread. The result depends on their number, never
//! on their timing.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::{GradientsAccumulator, GradientsParams},
    tensor::{Tensor, TensorData},
};
use shared::{
    llama::{Adapter, Llama},
    scoring::{Asked, Scorer},
    tuned::Tuned,
};

use super::{Choice, RankerConfig, answers::Answers};

/// A history with its questions, as the model reads them.
pub(super) struct Lesson<'a> {
    /// What is read.
    pub asked: Asked,
    /// The same as the teacher reads it.
    pub of_teacher: Option<Asked>,
    /// What is asked, in the same order; what is read asks each in all its orders.
    pub choices: &'a [Choice],
}

/// What a batch teaches.
pub(super) struct Taught {
    /// Gradients of the mean loss of all questions.
    pub gradients: GradientsParams,
    /// Mean cross entropy.
    pub loss: f64,
    /// Questions in which the right answer got the best score.
    pub right: usize,
    /// Questions, each counted in every order.
    pub questions: usize,
}

/// Who learns.
#[derive(Clone, Copy)]
pub(super) struct Pupil<'a> {
    /// The frozen model.
    pub llama: &'a Llama,
    /// How it is asked.
    pub scorer: &'a Scorer,
    /// What learns.
    pub adapter: &'a Adapter,
    /// Who says what is right, instead of the item chosen.
    pub teacher: Option<&'a Tuned>,
    /// The settings.
    pub config: &'a RankerConfig,
}

impl Pupil<'_> {
    /// Gradients of a batch, worked on in parts. `seed` decides what is dropped.
    ///
    /// # Errors
    /// A device that fails.
    pub fn learn(self, lessons: &[Lesson], seed: u64) -> anyhow::Result<Taught> {
        let questions: usize =
            lessons.iter().map(|lesson| lesson.choices.len()).sum::<usize>() * self.config.orders;
        let size = lessons.len().div_ceil(self.config.parts).max(1);
        let parts: Vec<&[Lesson]> = lessons.chunks(size).collect();
        let part = |n: usize| self.part(parts[n], questions, seed.wrapping_add(n as u64));
        // A GPU is kept busy by one part; each part's adapter draws what it drops from a seed of its own.
        let taught: anyhow::Result<Vec<Taught>> = if self.llama.on_cpu() {
            on_all_cores(parts.len(), part)
        } else {
            (0..parts.len()).map(part).collect()
        };
        let mut sum = GradientsAccumulator::new();
        let (mut loss, mut right) = (0.0, 0);
        for part in taught? {
            sum.accumulate(self.adapter, part.gradients);
            loss += part.loss;
            right += part.right;
        }
        Ok(Taught { gradients: sum.grads(), loss, right, questions })
    }

    /// The teacher's scores of all candidates, if any are of use.
    fn opinion(self, lessons: &[Lesson]) -> anyhow::Result<Option<Vec<f32>>> {
        let of_use = lessons.iter().flat_map(|lesson| lesson.choices).any(|choice| !choice.binding);
        let Some(teacher) = self.teacher.filter(|_| of_use) else { return Ok(None) };
        let asked: Vec<Asked> = lessons.iter().filter_map(|lesson| lesson.of_teacher.clone()).collect();
        let scores = teacher.scorer.pass(self.llama, &asked, Some(&teacher.adapter));
        Ok(Some(scores.try_into_vec_as()?))
    }

    /// The share of some lessons in the loss and gradients of a batch with so many questions.
    fn part(self, lessons: &[Lesson], questions: usize, seed: u64) -> anyhow::Result<Taught> {
        let adapter = self.adapter.clone().map(&mut Fresh).seeded(seed);
        let asked: Vec<Asked> = lessons.iter().map(|lesson| lesson.asked.clone()).collect();
        let scores = self.scorer.pass(self.llama, &asked, Some(&adapter));
        // Asked before the scores are waited for: a GPU computes them meanwhile.
        let opinion = self.opinion(lessons)?;
        let values: Vec<f32> = scores.clone().inner().try_into_vec_as()?;
        let answers = Answers::new(self.config, lessons, &values, opinion.as_deref(), questions);
        // The loss is a sum over few numbers: its gradient is computed on the CPU, and autodiff goes on from there.
        let pulls = TensorData::new(answers.pulls, [values.len()]);
        let surrogate = (scores.clone() * Tensor::from_data(pulls, &scores.device())).sum();
        let gradients = GradientsParams::from_grads(surrogate.backward(), &adapter);
        Ok(Taught { gradients, loss: answers.loss, right: answers.right, questions })
    }
}

/// The results of so many pieces of work in their order, one piece on each core at a time.
fn on_all_cores<T: Send>(
    count: usize,
    work: impl Fn(usize) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let cores = thread::available_parallelism().map_or(1, usize::from).min(count);
    let next = AtomicUsize::new(0);
    let worker = || {
        let mine = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&n| n < count);
        std::iter::from_fn(mine).map(|n| (n, work(n))).collect::<Vec<_>>()
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let joined = running.into_iter().map(thread::ScopedJoinHandle::join);
        joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Gives every parameter a place of its own in autodiff's graph, so that threads do not wait for one
/// another there; its id stays.
struct Fresh;

impl ModuleMapper for Fresh {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, value, mapper) = param.consume();
        Param::from_mapped_value(id, Tensor::from_inner(value.inner()).require_grad(), mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_once_and_kept_in_order() {
        assert_eq!(on_all_cores(50, |n| Ok(n * n)).unwrap(), (0..50).map(|n| n * n).collect::<Vec<_>>());
        assert!(on_all_cores(0, |_| Ok(())).unwrap().is_empty());
        let failing = |n: usize| if n == 3 { anyhow::bail!("part {n} failed") } else { Ok(n) };
        assert_eq!(on_all_cores(5, failing).unwrap_err().to_string(), "part 3 failed");
    }
}
