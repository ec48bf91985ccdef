//! One step: the questions of a batch in parts, the gradients of all parts summed.
//!
//! Parts bound the memory of a step. On a CPU they also run at the same time: much of a pass is work that
//! Burn does on one thread. The result depends on their number, never on their timing.

use std::thread;

use burn::{
    module::{Module, ModuleMapper, Param},
    optim::{GradientsAccumulator, GradientsParams},
    tensor::{Tensor, activation::log_softmax},
};
use shared::{
    llama::{Adapter, Llama},
    ranking,
    scoring::{Asked, Scorer},
};

use super::Choice;

/// A history with its questions, as the model reads them.
pub(super) struct Lesson<'a> {
    /// What is read.
    pub asked: Asked,
    /// What is asked, in the same order.
    pub choices: &'a [Choice],
}

/// What a batch teaches.
pub(super) struct Taught {
    /// Gradients of the mean loss of all questions.
    pub gradients: GradientsParams,
    /// Mean cross entropy.
    pub loss: f64,
    /// Questions in which the item chosen got the best score.
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
}

impl Pupil<'_> {
    /// Gradients of a batch, worked on in so many parts. `seed` decides what is dropped.
    ///
    /// # Errors
    /// A device that fails.
    pub fn learn(self, lessons: &[Lesson], parts: usize, seed: u64) -> anyhow::Result<Taught> {
        let questions: usize = lessons.iter().map(|lesson| lesson.choices.len()).sum();
        let size = lessons.len().div_ceil(parts).max(1);
        let part =
            |(n, lessons): (usize, &[Lesson])| self.part(lessons, questions, seed.wrapping_add(n as u64));
        let parts = lessons.chunks(size).enumerate();
        // Dropout on a GPU draws from one stream of the device, whose order must not depend on timing.
        let taught: anyhow::Result<Vec<Taught>> = if self.llama.on_cpu() {
            thread::scope(|scope| {
                let running: Vec<_> = parts.map(|one| scope.spawn(move || part(one))).collect();
                let joined = running.into_iter().map(thread::ScopedJoinHandle::join);
                joined.map(|taught| taught.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            })
        } else {
            self.llama.device().seed(seed);
            parts.map(part).collect()
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

    /// The share of some lessons in the loss and gradients of a batch with so many questions.
    fn part(self, lessons: &[Lesson], questions: usize, seed: u64) -> anyhow::Result<Taught> {
        let adapter = self.adapter.clone().map(&mut Fresh).seeded(seed);
        let asked: Vec<Asked> = lessons.iter().map(|lesson| lesson.asked.clone()).collect();
        let scores = self.scorer.pass(self.llama, &asked, Some(&adapter));
        let values: Vec<f32> = scores.clone().inner().try_into_vec_as()?;
        let (mut losses, mut right, mut first) = (Vec::new(), 0, 0);
        for choice in lessons.iter().flat_map(|lesson| lesson.choices) {
            let own = first..first + choice.candidates.len();
            let logs = log_softmax(scores.clone().narrow(0, own.start, own.len()), 0);
            losses.push(logs.narrow(0, choice.chosen, 1).neg());
            first = own.end;
            right += usize::from(ranking::order(&values[own])[0] == choice.chosen);
        }
        let loss = Tensor::cat(losses, 0).sum().div_scalar(questions as f32);
        let value: f32 = loss.clone().inner().try_into_scalar()?;
        let gradients = GradientsParams::from_grads(loss.backward(), &adapter);
        Ok(Taught { gradients, loss: f64::from(value), right, questions })
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
