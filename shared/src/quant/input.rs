//! What layers read. Queries, keys and values are made of the same numbers, and so are both halves of a gate: where products are
//! of whole numbers, these are made once for all of them. Numbers that only one product reads need not lie anywhere.
#![allow(unsafe_code, reason = "threads write to rows of one array")]

use std::{cell::OnceCell, ops::Range};

use burn::{backend::Flex, tensor::Tensor};

use crate::{
    host::{Primitive, constant, slice, tensor},
    matmul::{Target, each},
};

/// The input of some layers, `[tokens, d_in]`.
pub struct Input {
    shape: [usize; 2],
    numbers: Numbers,
    whole: OnceCell<Vec<u32>>,
}

enum Numbers {
    There(Tensor<2>),
    /// What makes them, and all of them where they were asked for.
    Made(Box<Make>, OnceCell<Tensor<2>>),
}

/// Writes all numbers of some rows.
type Make = dyn Fn(Range<usize>, &mut [f32]) + Send + Sync;

/// The rows of an input in host memory.
pub(super) enum Rows<'a> {
    There(Primitive),
    Made(&'a Make),
}

impl Input {
    /// These numbers.
    pub fn of(numbers: Tensor<2>) -> Self {
        Self { shape: numbers.dims(), numbers: Numbers::There(numbers), whole: OnceCell::new() }
    }

    /// Numbers in host memory that `make` writes, some rows at a time, by several threads.
    pub(crate) fn made(
        shape: [usize; 2],
        make: impl Fn(Range<usize>, &mut [f32]) + Send + Sync + 'static,
    ) -> Self {
        Self { shape, numbers: Numbers::Made(Box::new(make), OnceCell::new()), whole: OnceCell::new() }
    }

    /// `[tokens, d_in]`
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Whether a way back through it will be asked for.
    #[cfg(feature = "train")]
    pub(super) fn is_tracked(&self) -> bool {
        matches!(&self.numbers, Numbers::There(numbers) if numbers.device().is_autodiff())
    }

    /// The numbers.
    pub fn numbers(&self) -> &Tensor<2> {
        match &self.numbers {
            Numbers::There(numbers) => numbers,
            Numbers::Made(make, made) => made.get_or_init(|| all(self.shape, make)),
        }
    }

    /// The rows, for one that reads each of them once.
    pub(super) fn rows(&self) -> Rows<'_> {
        match &self.numbers {
            Numbers::There(numbers) => Rows::There(constant(numbers).to_contiguous()),
            Numbers::Made(make, _) => Rows::Made(make),
        }
    }

    /// The same in whole numbers, made at the first call, for the vector unit of this machine.
    pub(super) fn whole(&self, make: impl FnOnce(&Self) -> Vec<u32>) -> &[u32] {
        self.whole.get_or_init(|| make(self))
    }
}

impl Rows<'_> {
    /// Some rows, each of `d_in` numbers; `scratch` is where they are made.
    pub fn some<'s>(&'s self, rows: Range<usize>, d_in: usize, scratch: &'s mut Vec<f32>) -> &'s [f32] {
        match self {
            Self::There(numbers) => &slice(numbers)[rows.start * d_in..rows.end * d_in],
            Self::Made(make) => {
                scratch.resize(rows.len() * d_in, 0.0);
                make(rows, scratch);
                scratch
            }
        }
    }
}

/// All rows.
fn all([rows, d_in]: [usize; 2], make: &Make) -> Tensor<2> {
    let mut numbers = vec![0.0; rows * d_in];
    let target = Target::new(numbers.as_mut_ptr(), d_in);
    // SAFETY: every row is written by one thread.
    let row = |(): &mut (), row: usize| make(row..row + 1, unsafe { target.row(row).slice(d_in) });
    each(rows, || (), row);
    Tensor::from_primitive::<Flex>(tensor(numbers, vec![rows, d_in]))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::{
        super::{Format, Linear, some_weight},
        *,
    };
    use crate::host::tests::wave;

    #[test]
    fn numbers_made_where_they_are_read_are_those_that_lie_somewhere() {
        let device = Device::flex();
        // One row, a few, and more than are made at a time, of layers of whole numbers and of others.
        for (rows, format) in
            [1, 5, 19].into_iter().flat_map(|rows| [(rows, Format::Q4_1), (rows, Format::Nf4)])
        {
            let layer = Linear::load(some_weight(format, [40, 64]), &device);
            let there = wave([rows, 64], &device);
            let numbers: Vec<f32> = there.to_data().try_to_vec().unwrap();
            let made = Input::made([rows, 64], move |rows, out| {
                out.copy_from_slice(&numbers[rows.start * 64..rows.end * 64]);
            });
            assert_eq!(made.shape(), [rows, 64]);
            let expected = layer.forward(there.clone()).into_data();
            assert_eq!(layer.read(&made).into_data(), expected, "{rows} {format:?}");
            assert_eq!(made.numbers().to_data(), there.into_data(), "{rows} {format:?}");
        }
    }
}
