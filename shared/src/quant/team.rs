//! Products that other instances of this program help with. Natively threads share the work (`matmul::each`). WebAssembly has
//! none here, but a browser's workers can run this program, too, each with memory of its own, and see one place together
//! (`web/src/engine/team.rs`). So a product is said in plain numbers, its inputs and its weight lie in that place, and whoever
//! is free takes the next few outputs. Nothing is rounded differently for it.

use std::{cell::RefCell, ops::Range, rc::Rc};

use super::{BLOCK, Format, integer_product};

/// Fewer multiplications than this are done alone: waking others takes longer.
const WORTH: usize = 1 << 19;

/// A product of whole numbers ([`super::integer_product`]), cut into parts of some outputs each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// How the weight is stored.
    pub format: Format,
    /// Numbers of an input.
    pub d_in: usize,
    /// Numbers of an output.
    pub d_out: usize,
    /// Inputs.
    pub rows: usize,
    /// Where the weight's blocks begin among all that are kept, in bytes.
    pub weight: usize,
    /// Outputs of a part; the last may have fewer.
    pub outputs: usize,
}

/// Those who help this thread.
pub trait Team {
    /// Keeps a weight's blocks where all see them and says where; nothing if there is no room.
    fn keep(&self, blocks: &[u8]) -> Option<usize>;

    /// Does all parts of a task on these inputs, each once: `own` does one here, `theirs` takes the numbers
    /// `[rows, outputs]` of one that was done elsewhere. False if nothing was done.
    fn share(
        &self,
        task: &Task,
        inputs: &[u32],
        own: &mut dyn FnMut(usize),
        theirs: &mut dyn FnMut(usize, &[f32]),
    ) -> bool;
}

thread_local! {
    static TEAM: RefCell<Option<Rc<dyn Team>>> = const { RefCell::new(None) };
}

/// From now on products of this thread are shared with these, or with nobody. Weights loaded before are not kept there: a
/// ranker belongs to the team that it was loaded with.
pub fn work_with(team: Option<Rc<dyn Team>>) {
    TEAM.set(team);
}

fn team() -> Option<Rc<dyn Team>> {
    TEAM.with_borrow(Clone::clone)
}

/// Where a team keeps this weight, if there is a team that can use it.
pub(super) fn keep(format: Format, blocks: &[u8]) -> Option<usize> {
    team().filter(|_| format.is_whole())?.keep(blocks)
}

/// [`Team::share`], if it is worth it.
pub(super) fn share(
    task: &Task,
    inputs: &[u32],
    own: &mut dyn FnMut(usize),
    theirs: &mut dyn FnMut(usize, &[f32]),
) -> bool {
    let worth = task.rows * task.d_in * task.d_out >= WORTH;
    team().is_some_and(|team| worth && team.share(task, inputs, own, theirs))
}

impl Task {
    /// All of it in words.
    pub fn words(&self) -> [u32; 6] {
        let Self { format, d_in, d_out, rows, weight, outputs } = self;
        let numbers = [d_in, d_out, rows, weight, outputs].map(|&number| number as u32);
        let [d_in, d_out, rows, weight, outputs] = numbers;
        [format.to_ggml(), d_in, d_out, rows, weight, outputs]
    }

    /// What [`Self::words`] gave; nothing if these are other words.
    pub fn from_words(words: [u32; 6]) -> Option<Self> {
        let [format, numbers @ ..] = words;
        let [d_in, d_out, rows, weight, outputs] = numbers.map(|number| number as usize);
        let format = Format::from_ggml(format).filter(|format| format.is_whole())?;
        let whole = d_in > 0 && d_in.is_multiple_of(BLOCK) && d_out > 0 && rows > 0 && outputs > 0;
        whole.then_some(Self { format, d_in, d_out, rows, weight, outputs })
    }

    /// Number of parts.
    pub fn parts(&self) -> usize {
        self.d_out.div_ceil(self.outputs)
    }

    /// Outputs of a part.
    pub fn columns(&self, part: usize) -> Range<usize> {
        part * self.outputs..self.d_out.min((part + 1) * self.outputs)
    }

    /// The blocks of a part's outputs, in bytes of all that are kept.
    pub fn blocks(&self, part: usize) -> Range<usize> {
        let row = self.d_in / BLOCK * self.format.unit().1;
        let columns = self.columns(part);
        self.weight + columns.start * row..self.weight + columns.end * row
    }

    /// The numbers of a part, if all parts lie one behind another.
    pub fn results(&self, part: usize) -> Range<usize> {
        let columns = self.columns(part);
        self.rows * columns.start..self.rows * columns.end
    }
}

/// What a kind of machine does for others.
pub(super) trait Member {
    fn part(&mut self, task: &Task, inputs: &[u32], part: usize, blocks: &[u8]) -> Option<&[f32]>;
}

/// One that does parts of tasks for others.
pub struct Helper(Box<dyn Member>);

impl Helper {
    /// Nothing if this machine has no vector unit for whole numbers.
    pub fn new() -> Option<Self> {
        integer_product::member().map(Self)
    }

    /// A part of a task, given all inputs and the blocks of the part's outputs: `[rows, outputs]`; nothing if these are not
    /// what the task says.
    pub fn part(&mut self, task: &Task, inputs: &[u32], part: usize, blocks: &[u8]) -> Option<&[f32]> {
        self.0.part(task, inputs, part, blocks)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::{
        host::tests::wave,
        quant::{Linear, host_product::tests::weight},
    };

    /// Somebody who does every third part, and to whom everything is said in plain numbers.
    struct Other {
        kept: RefCell<Vec<u8>>,
        helper: RefCell<Helper>,
        helped: RefCell<usize>,
    }

    impl Team for Other {
        fn keep(&self, blocks: &[u8]) -> Option<usize> {
            let mut kept = self.kept.borrow_mut();
            kept.extend(blocks);
            Some(kept.len() - blocks.len())
        }

        fn share(
            &self,
            task: &Task,
            inputs: &[u32],
            own: &mut dyn FnMut(usize),
            theirs: &mut dyn FnMut(usize, &[f32]),
        ) -> bool {
            let task = Task::from_words(task.words()).unwrap();
            let mut helper = self.helper.borrow_mut();
            for part in 0..task.parts() {
                if part % 3 == 1 {
                    let blocks = &self.kept.borrow()[task.blocks(part)];
                    assert!(helper.part(&task, &inputs[1..], part, blocks).is_none());
                    let numbers = helper.part(&task, inputs, part, blocks).unwrap();
                    assert_eq!(numbers.len(), task.results(part).len());
                    theirs(part, numbers);
                    *self.helped.borrow_mut() += 1;
                } else {
                    own(part);
                }
            }
            true
        }
    }

    #[test]
    fn a_shared_product_is_the_same_to_the_bit() {
        let Some(helper) = Helper::new() else {
            return println!("skipped: this machine has no vector unit for whole numbers");
        };
        let device = Device::flex();
        let numbers = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().unwrap();
        let (weights, x) = ([[130, 576], [300, 1536]].map(|shape| weight(Format::Q4_1, shape)), [50, 19]);
        let inputs = |n: usize| wave([x[n], weights[n].shape[1]], &device);
        let alone: Vec<Vec<f32>> =
            (0..2).map(|n| numbers(Linear::load(weights[n].clone(), &device).forward(inputs(n)))).collect();
        let other = Rc::new(Other {
            kept: RefCell::default(),
            helper: RefCell::new(helper),
            helped: RefCell::default(),
        });
        work_with(Some(other.clone()));
        let shared = weights.clone().map(|weight| Linear::load(weight, &device));
        for (n, layer) in shared.iter().enumerate() {
            assert_eq!(numbers(layer.forward(inputs(n))), alone[n]);
        }
        let helped = *other.helped.borrow();
        assert!(helped > 5, "{helped}");
        // Little is done alone, and so is what was loaded before.
        shared[0].forward(inputs(0).narrow(0, 0, 12));
        work_with(None);
        shared[0].forward(inputs(0));
        assert_eq!(*other.helped.borrow(), helped);
    }

    #[test]
    fn other_words_are_no_task() {
        let task = Task { format: Format::Q4_1, d_in: 64, d_out: 30, rows: 5, weight: 40, outputs: 8 };
        assert_eq!(Task::from_words(task.words()), Some(task.clone()));
        assert_eq!((task.parts(), task.columns(3), task.results(3)), (4, 24..30, 120..150));
        assert_eq!(task.blocks(3), 40 + 24 * 40..40 + 30 * 40);
        for (place, wrong) in [(0, 9), (0, 1), (1, 0), (1, 65), (2, 0), (3, 0), (5, 0)] {
            let mut words = task.words();
            words[place] = wrong;
            assert_eq!(Task::from_words(words), None, "{place} {wrong}");
        }
    }
}
