//! What layers read. Queries, keys and values are made of the same numbers, and so are both halves of a gate: where products are
//! of whole numbers, these are made once for all of them.

use std::cell::OnceCell;

use burn::tensor::Tensor;

/// The input of some layers, `[tokens, d_in]`.
pub struct Input {
    numbers: Tensor<2>,
    whole: OnceCell<Vec<u32>>,
}

impl Input {
    /// These numbers.
    pub fn of(numbers: Tensor<2>) -> Self {
        Self { numbers, whole: OnceCell::new() }
    }

    /// The numbers.
    pub fn numbers(&self) -> &Tensor<2> {
        &self.numbers
    }

    /// The same in whole numbers, made at the first call, for the vector unit of this machine.
    pub(super) fn whole(&self, make: impl FnOnce(&Tensor<2>) -> Vec<u32>) -> &[u32] {
        self.whole.get_or_init(|| make(&self.numbers))
    }
}
