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
    verbalizer::softmax,
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
    /// Share of the retriever's softmax in the right answer.
    pub distillation: f64,
}

/// Cross entropy of a question whose candidates have these scores, `[1]`; the retriever's softmax has this share in the
/// right answer.
fn cross_entropy(scores: Tensor<1>, choice: &Choice, distillation: f64) -> Tensor<1> {
    let logs = log_softmax(scores, 0);
    let right = logs.clone().narrow(0, choice.chosen, 1).neg();
    if distillation == 0.0 {
        return right;
    }
    let teacher = Tensor::from_data(softmax(&choice.retriever, 1.0).as_slice(), &logs.device());
    let share = distillation as f32;
    right.mul_scalar(1.0 - share) - (logs * teacher).sum().mul_scalar(share)
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
            let own_scores = scores.clone().narrow(0, own.start, own.len());
            losses.push(cross_entropy(own_scores, choice, self.distillation));
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use shared::catalog::ItemId;

    use super::*;

    #[test]
    fn the_retriever_has_a_share_in_the_right_answer() {
        let choice = Choice {
            length: 1,
            candidates: [1, 2, 3].map(ItemId).to_vec(),
            retriever: vec![0.0, -1.0, -2.0],
            chosen: 1,
        };
        let scores: [f64; 3] = [0.5, 1.0, -0.5];
        let loss = |share| -> f32 {
            let tensor = Tensor::from_data(scores.map(|score| score as f32), &Device::flex());
            cross_entropy(tensor, &choice, share).try_into_scalar().expect("one number")
        };
        let close =
            |value: f32, expected: f64| assert!((f64::from(value) - expected).abs() < 1e-5, "{value}");
        let by_hand = |right: [f64; 3]| {
            let sum: f64 = scores.iter().map(|score| score.exp()).sum();
            scores.iter().zip(right).map(|(score, share)| -share * (score - sum.ln())).sum::<f64>()
        };
        let alone = by_hand([0.0, 1.0, 0.0]);
        close(loss(0.0), alone);
        let sum: f64 = [0.0_f64, -1.0, -2.0].iter().map(|score| score.exp()).sum();
        let teacher = by_hand([0.0_f64, -1.0, -2.0].map(|score| score.exp() / sum));
        close(loss(1.0), teacher);
        close(loss(0.25), 0.75 * alone + 0.25 * teacher);
    }
}
