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
    ranking,
    scoring::{Asked, Scorer},
    tuned::Tuned,
    verbalizer::softmax,
};

use super::Choice;

/// A history with its questions, as the model reads them.
pub(super) struct Lesson<'a> {
    /// What is read.
    pub asked: Asked,
    /// The same as the teacher reads it.
    pub of_teacher: Option<Asked>,
    /// What is asked, in the same order.
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
    /// Questions.
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
    /// Divides the teacher's scores.
    pub temperature: f64,
    /// How much of the right answer is the teacher's; the rest is the item chosen.
    pub teacher_share: f64,
    /// Weight of the running answers' mean loss.
    pub running_weight: f64,
}

impl Pupil<'_> {
    /// Gradients of a batch, worked on in so many parts. `seed` decides what is dropped.
    ///
    /// # Errors
    /// A device that fails.
    pub fn learn(self, lessons: &[Lesson], parts: usize, seed: u64) -> anyhow::Result<Taught> {
        let questions: usize = lessons.iter().map(|lesson| lesson.choices.len()).sum();
        let size = lessons.len().div_ceil(parts).max(1);
        let parts: Vec<&[Lesson]> = lessons.chunks(size).collect();
        let part = |n: usize| self.part(parts[n], questions, seed.wrapping_add(n as u64));
        // Dropout on a GPU draws from one stream of the device, whose order must not depend on timing.
        let taught: anyhow::Result<Vec<Taught>> = if self.llama.on_cpu() {
            on_all_cores(parts.len(), part)
        } else {
            self.llama.device().seed(seed);
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
        // The loss is a sum over few numbers: its gradient is computed here, and autodiff goes on from there.
        let mut pulls = vec![0.0; values.len()];
        let (mut loss, mut right, mut first) = (0.0, 0, 0);
        let mut opinion = opinion.as_deref();
        let mut counts = lessons.iter().flat_map(|lesson| lesson.asked.candidates.iter().copied());
        for choice in lessons.iter().flat_map(|lesson| lesson.choices) {
            let all = choice.candidates.len();
            let said = opinion.as_mut().and_then(|opinion| opinion.split_off(..all));
            // What a letter means the teacher does not know.
            let said = said.filter(|_| !choice.binding);
            let mut running = Vec::new();
            for count in counts.by_ref() {
                let own = first..first + count;
                first = own.end;
                let wanted = match said {
                    Some(said) => {
                        let said = softmax(&said[..count], self.temperature as f32);
                        shared_with(choice.chosen, self.teacher_share as f32, said)
                    }
                    // The answer is still to come.
                    None if choice.chosen >= count => continue,
                    None => shared_with(choice.chosen, 0.0, vec![0.0; count]),
                };
                let (off, pull) = against(&values[own.clone()], &wanted);
                pulls[own.clone()].copy_from_slice(&pull);
                if count < all {
                    running.push(own);
                    continue;
                }
                // What is said is the loss of the answers proper.
                loss += off / questions as f64;
                let answer = said.map_or(choice.chosen, |said| ranking::order(said)[0]);
                right += usize::from(ranking::order(&values[own.clone()])[0] == answer);
                weigh(&mut pulls[own], 1.0 / questions as f64);
                break;
            }
            let share = self.running_weight / running.len() as f64 / questions as f64;
            for own in running {
                weigh(&mut pulls[own], share);
            }
        }
        let count = pulls.len();
        let pulls = Tensor::from_data(TensorData::new(pulls, [count]), &scores.device());
        let surrogate = (scores * pulls).sum();
        let gradients = GradientsParams::from_grads(surrogate.backward(), &adapter);
        Ok(Taught { gradients, loss, right, questions })
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

/// The share of each candidate in the right answer, when a teacher's are left so much and the item chosen gets the rest.
fn shared_with(chosen: usize, share: f32, of_teacher: Vec<f32>) -> Vec<f32> {
    // Of a running answer the item chosen may still be to come.
    if chosen >= of_teacher.len() {
        return of_teacher;
    }
    let mut shares: Vec<f32> = of_teacher.into_iter().map(|of_teacher| of_teacher * share).collect();
    shares[chosen] += 1.0 - share;
    shares
}

/// Cross entropy of scores when so much of each is wanted, a whole in all, and its gradient.
fn against(scores: &[f32], wanted: &[f32]) -> (f64, Vec<f32>) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let above = scores.iter().map(|score| f64::from(score - largest));
    let log_total = above.clone().map(f64::exp).sum::<f64>().ln();
    let logs = above.map(|above| above - log_total);
    let loss = logs.clone().zip(wanted).map(|(log, &wanted)| -log * f64::from(wanted)).sum();
    (loss, logs.zip(wanted).map(|(log, &wanted)| (log.exp() - f64::from(wanted)) as f32).collect())
}

fn weigh(pulls: &mut [f32], weight: f64) {
    for pull in pulls {
        *pull *= weight as f32;
    }
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

    #[test]
    fn a_teacher_leaves_the_rest_to_the_item_chosen() {
        assert_eq!(shared_with(1, 0.75, vec![0.5, 0.25, 0.25]), [0.375, 0.4375, 0.1875]);
        assert_eq!(shared_with(1, 1.0, vec![0.5, 0.25, 0.25]), [0.5, 0.25, 0.25]);
        assert_eq!(shared_with(3, 0.75, vec![0.5, 0.25, 0.25]), [0.5, 0.25, 0.25]);
    }

    #[test]
    fn a_teacher_is_met_where_its_shares_are() {
        let warm = |student: [f32; 3], teacher: [f32; 3], temperature| {
            against(&student, &softmax(&teacher, temperature)).0
        };
        let loss = |student, teacher| warm(student, teacher, 1.0);
        // Shares 1/2, 1/4, 1/4: their entropy is 1.5 ln 2, and nothing is closer to them than they are.
        let half = [2f32.ln(), 0.0, 0.0];
        assert!((loss(half, half) - 1.5 * 2f64.ln()).abs() < 1e-6);
        assert!((loss([0.0; 3], half) - 3f64.ln()).abs() < 1e-6);
        assert!(loss([0.0, 1.0, 0.0], half) > loss([0.0; 3], half));
        // At a temperature of 1/2 they are 2/3, 1/6, 1/6: further from a student that prefers nothing.
        let sharp = [4f32.ln(), 0.0, 0.0];
        assert!((warm(sharp, half, 0.5) - loss(sharp, sharp)).abs() < 1e-6);
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let (scores, wanted) = ([0.3, -1.2, 2.0, 90.0], [0.1, 0.2, 0.0, 0.7]);
        let (_, gradient) = against(&scores, &wanted);
        for n in 0..4 {
            let moved = |by: f32| {
                let mut scores = scores;
                scores[n] += by;
                against(&scores, &wanted).0
            };
            let slope = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((slope - f64::from(gradient[n])).abs() < 1e-3, "{n}: {slope} {}", gradient[n]);
        }
    }
}
