//! Work on the CPU that other instances of this program help with. Natively threads share it (`matmul::each`). WebAssembly has
//! none here, but a browser's workers can run this program, too, each with memory of its own, and see one place together
//! (`web/src/engine/team.rs`). So a task is said in plain numbers, what it works on lies in that place, and whoever is free
//! takes the next part. Nothing is rounded differently for it.

use std::{cell::RefCell, mem, ops::Range, rc::Rc};

use crate::{
    llama::{AttentionHelp, QUERIES},
    quant::{BLOCK, Format, ProductHelp, product_help},
};

/// Tasks of fewer multiplications than this are done alone: waking others takes longer.
const WORTH: usize = 1 << 19;

/// Work that is cut into parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Inputs times a weight.
    Product(Product),
    /// What queries see of keys and values.
    Attention(Attention),
}

/// A product of whole numbers (`quant::integer_product`), of which a part is some outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
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

/// Attention (`llama::attention_cpu`), of which a part is some queries of the heads that share a key head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Queries.
    pub queries: usize,
    /// Keys, and values.
    pub keys: usize,
    /// Heads of a query.
    pub n_heads: usize,
    /// Heads of a key.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
}

/// Those who help this thread.
pub trait Team {
    /// Keeps a weight's blocks where all see them and says where; nothing if there is no room.
    fn keep(&self, blocks: &[u8]) -> Option<usize>;

    /// Does all parts of a task on these inputs, each once: `own` does one here, `theirs` takes the numbers of one that was
    /// done elsewhere. False if nothing was done.
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

/// From now on work of this thread is shared with these, or with nobody. Weights loaded before are not kept there: a
/// ranker belongs to the team that it was loaded with.
pub fn work_with(team: Option<Rc<dyn Team>>) {
    TEAM.set(team);
}

fn team() -> Option<Rc<dyn Team>> {
    TEAM.with_borrow(Clone::clone)
}

/// Where a team keeps this weight, if there is a team that can use it.
pub(crate) fn keep(format: Format, blocks: &[u8]) -> Option<usize> {
    team().filter(|_| format.is_whole())?.keep(blocks)
}

/// [`Team::share`], if it is worth it; the inputs are made only then.
pub(crate) fn share<I: AsRef<[u32]>>(
    task: &Task,
    inputs: impl FnOnce() -> I,
    own: &mut dyn FnMut(usize),
    theirs: &mut dyn FnMut(usize, &[f32]),
) -> bool {
    let Some(team) = team().filter(|_| task.size() >= WORTH) else { return false };
    // Whoever shares writes where nobody checks, so a team is not taken at its word.
    let done = RefCell::new(vec![false; task.parts()]);
    let once =
        |part: usize| assert!(!mem::replace(&mut done.borrow_mut()[part], true), "part {part} is done twice");
    let mut own = |part| {
        once(part);
        own(part);
    };
    let mut theirs = |part, numbers: &[f32]| {
        once(part);
        assert_eq!(numbers.len(), task.results(part).len(), "part {part}");
        theirs(part, numbers);
    };
    let shared = team.share(task, inputs().as_ref(), &mut own, &mut theirs);
    assert!(!shared || done.borrow().iter().all(|&done| done), "a part is not done");
    shared
}

impl Task {
    /// Number of [`Self::words`].
    pub const WORDS: usize = 7;

    /// All of it in words.
    pub fn words(&self) -> [u32; Self::WORDS] {
        let words = match *self {
            Self::Product(Product { format, d_in, d_out, rows, weight, outputs }) => {
                [0, format.to_ggml() as usize, d_in, d_out, rows, weight, outputs]
            }
            Self::Attention(Attention { queries, keys, n_heads, n_kv_heads, d_head }) => {
                [1, queries, keys, n_heads, n_kv_heads, d_head, 0]
            }
        };
        words.map(|word| word as u32)
    }

    /// What [`Self::words`] gave; nothing if these are other words.
    pub fn from_words(words: [u32; Self::WORDS]) -> Option<Self> {
        match words.map(|word| word as usize) {
            [0, format, d_in, d_out, rows, weight, outputs] => {
                let format = Format::from_ggml(format as u32).filter(|format| format.is_whole())?;
                let whole = d_in > 0 && d_in.is_multiple_of(BLOCK) && d_out > 0 && rows > 0 && outputs > 0;
                whole.then_some(Self::Product(Product { format, d_in, d_out, rows, weight, outputs }))
            }
            [1, queries, keys, n_heads, n_kv_heads, d_head, 0] => {
                let whole = queries > 0 && keys > 0 && n_kv_heads > 0 && d_head > 0;
                let heads = whole && n_heads > 0 && n_heads.is_multiple_of(n_kv_heads);
                heads.then_some(Self::Attention(Attention { queries, keys, n_heads, n_kv_heads, d_head }))
            }
            _ => None,
        }
    }

    /// Number of parts.
    pub fn parts(&self) -> usize {
        match self {
            Self::Product(product) => product.d_out.div_ceil(product.outputs),
            Self::Attention(attention) => attention.queries.div_ceil(QUERIES) * attention.n_kv_heads,
        }
    }

    /// The bytes of what is kept that a part needs.
    pub fn kept(&self, part: usize) -> Range<usize> {
        match self {
            Self::Product(product) => product.blocks(part),
            Self::Attention(_) => 0..0,
        }
    }

    /// The numbers of a part, if all parts lie one behind another.
    pub fn results(&self, part: usize) -> Range<usize> {
        match self {
            Self::Product(product) => {
                let columns = product.columns(part);
                product.rows * columns.start..product.rows * columns.end
            }
            Self::Attention(attention) => attention.results(part),
        }
    }

    /// Multiplications.
    fn size(&self) -> usize {
        match self {
            Self::Product(product) => product.rows * product.d_in * product.d_out,
            // Nearly half of the keys are behind the query.
            Self::Attention(Attention { queries, keys, n_heads, d_head, .. }) => {
                queries * keys * n_heads * d_head
            }
        }
    }
}

impl Product {
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
}

impl Attention {
    /// The tile of queries and the key head of a part.
    pub fn place(&self, part: usize) -> (usize, usize) {
        (part / self.n_kv_heads, part % self.n_kv_heads)
    }

    /// Where the outputs of a part lie; a full tile's lie one behind another.
    fn results(&self, part: usize) -> Range<usize> {
        let width = self.n_heads / self.n_kv_heads * self.d_head;
        let tile = self.place(part).0 * QUERIES;
        let start = part * QUERIES * width;
        start..start + QUERIES.min(self.queries - tile) * width
    }
}

/// One that does parts of tasks for others.
pub struct Helper {
    product: Box<dyn ProductHelp>,
    attention: AttentionHelp,
}

impl Helper {
    /// Nothing if this machine has no vector unit for whole numbers.
    pub fn new() -> Option<Self> {
        Some(Self { product: product_help()?, attention: AttentionHelp::default() })
    }

    /// The numbers of a part of a task, given all inputs and what it needs of what is kept; nothing if these are not what the
    /// task says.
    pub fn part(&mut self, task: &Task, inputs: &[u32], part: usize, kept: &[u8]) -> Option<&[f32]> {
        match task {
            Task::Product(product) => self.product.part(product, inputs, part, kept),
            Task::Attention(attention) => self.attention.part(attention, inputs, part),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;
    use crate::{
        host::tests::wave,
        llama::{Branch, Layout, host_attention},
        quant::{Linear, some_weight as weight},
    };

    /// Somebody who does every third part, and to whom everything is said in plain numbers.
    struct Other {
        kept: RefCell<Vec<u8>>,
        helper: RefCell<Helper>,
        helped: RefCell<usize>,
    }

    impl Other {
        fn new() -> Option<Rc<Self>> {
            let Some(helper) = Helper::new() else {
                println!("skipped: this machine has no vector unit for whole numbers");
                return None;
            };
            let (kept, helper, helped) = (RefCell::default(), RefCell::new(helper), RefCell::default());
            Some(Rc::new(Self { kept, helper, helped }))
        }
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
                    let blocks = &self.kept.borrow()[task.kept(part)];
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
        let Some(other) = Other::new() else { return };
        let device = Device::flex();
        let numbers = |x: Tensor<2>| x.into_data().try_to_vec::<f32>().unwrap();
        let (weights, x) = ([[130, 576], [500, 1536]].map(|shape| weight(Format::Q4_1, shape)), [50, 19]);
        let inputs = |n: usize| wave([x[n], weights[n].shape[1]], &device);
        let alone: Vec<Vec<f32>> =
            (0..2).map(|n| numbers(Linear::load(weights[n].clone(), &device).forward(inputs(n)))).collect();
        work_with(Some(other.clone()));
        let shared = weights.clone().map(|weight| Linear::load(weight, &device));
        for (n, layer) in shared.iter().enumerate() {
            let before = *other.helped.borrow();
            assert_eq!(numbers(layer.forward(inputs(n))), alone[n]);
            assert!(*other.helped.borrow() > before, "layer {n}");
        }
        let helped = *other.helped.borrow();
        assert!(helped > 5, "{helped}");
        // Little is done alone, and so is what was loaded before.
        shared[0].forward(inputs(0).narrow(0, 0, 6));
        work_with(None);
        shared[0].forward(inputs(0));
        assert_eq!(*other.helped.borrow(), helped);
    }

    #[test]
    fn shared_attention_is_the_same_to_the_bit() {
        let Some(other) = Other::new() else { return };
        let device = Device::flex();
        let branch = |seen, length| Branch { seen, ids: vec![0; length] };
        let layout = Layout::new(vec![0; 130], vec![branch(130, 70), branch(7, 1), branch(100, 140)]);
        let (sights, keys) = (layout.sights(), layout.tokens());
        let heads = |count| wave([sights.len(), count * 16], &device).reshape([keys, count, 16]);
        let attend = || host_attention(heads(6), heads(3), heads(3), &sights).into_data();
        let alone = attend();
        work_with(Some(other.clone()));
        let shared = attend();
        work_with(None);
        assert_eq!(shared, alone);
        assert!(*other.helped.borrow() > 5);
    }

    #[test]
    fn other_words_are_no_task() {
        let product = Product { format: Format::Q4_1, d_in: 64, d_out: 30, rows: 5, weight: 40, outputs: 8 };
        let task = Task::Product(product);
        assert_eq!(Task::from_words(task.words()), Some(task.clone()));
        assert_eq!((task.parts(), task.results(3)), (4, 120..150));
        assert_eq!(task.kept(3), 40 + 24 * 40..40 + 30 * 40);
        for (place, wrong) in [(0, 2), (1, 9), (1, 1), (2, 0), (2, 65), (3, 0), (4, 0), (6, 0)] {
            let mut words = task.words();
            words[place] = wrong;
            assert_eq!(Task::from_words(words), None, "{place} {wrong}");
        }
        let attention = Attention { queries: 70, keys: 90, n_heads: 6, n_kv_heads: 3, d_head: 4 };
        let task = Task::Attention(attention);
        assert_eq!(Task::from_words(task.words()), Some(task.clone()));
        assert_eq!((task.parts(), task.kept(5)), (6, 0..0));
        assert_eq!((task.results(0), task.results(5)), (0..512, 2560..2608));
        for (place, wrong) in [(1, 0), (2, 0), (3, 0), (3, 7), (4, 0), (5, 0)] {
            let mut words = task.words();
            words[place] = wrong;
            assert_eq!(Task::from_words(words), None, "{place} {wrong}");
        }
    }
}
