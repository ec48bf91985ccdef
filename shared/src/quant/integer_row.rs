//! One row in 16-bit whole numbers times a weight of them, as [`super::integer_product`], whose rounding this shares: with one
//! row nothing is gained by laying a panel out, so the pairs of a block are the lanes.
#![allow(unsafe_code, reason = "vector instructions, words that are not 0 before they are written")]

use std::ops::Range;

use super::{
    BLOCK,
    integer_inputs::{Inputs, PAIRS},
    integer_unit::{Here, Unit, Work, here, lanes, numbers},
};
use crate::{lanes::vectorized, weights::TensorBytes};

/// A row with a weight that it is multiplied with.
pub(super) struct Row<'a> {
    words: Vec<u32>,
    weight: &'a TensorBytes,
    here: Here,
}

/// A row `[d_in]` and a weight `[d_out, d_in]`; nothing if the weight is not of whole numbers, or the machine has no vector unit
/// for them.
pub(super) fn of<'a>(row: &[f32], weight: &'a TensorBytes) -> Option<Row<'a>> {
    let here = here().filter(|_| weight.format.is_whole())?;
    let len = Inputs::<1>::words(row.len());
    let mut words = Vec::with_capacity(len);
    let room = &mut words.spare_capacity_mut()[..len];
    vectorized(
        #[inline(always)]
        || Inputs::<1>::write(row, row.len(), room),
    );
    // SAFETY: all words were written.
    unsafe { words.set_len(len) };
    Some(Row { words, weight, here })
}

impl Row<'_> {
    /// Products with these rows of the weight.
    pub fn multiply(&self, outputs: Range<usize>, out: &mut [f32]) {
        self.here.run(Multiply { row: self, outputs, out });
    }
}

struct Multiply<'a> {
    row: &'a Row<'a>,
    outputs: Range<usize>,
    out: &'a mut [f32],
}

impl Work for Multiply<'_> {
    type Done = ();
    fn on<U: Unit, const ROWS: usize>(self) {
        let Row { words, weight, .. } = self.row;
        // SAFETY: the unit is that of this machine.
        unsafe {
            U::compiled(
                #[inline(always)]
                || multiply::<U>(Inputs::of(words, weight.shape[1]), weight, self.outputs, self.out),
            );
        }
    }
}

/// # Safety
/// The machine has the unit.
#[inline(always)]
unsafe fn multiply<U: Unit>(inputs: Inputs<1>, weight: &TensorBytes, outputs: Range<usize>, out: &mut [f32]) {
    let unit = weight.format.unit().1;
    for (row, out) in weight.rows().skip(outputs.start).take(outputs.len()).zip(out) {
        // SAFETY: numbers may be zero; the caller's promise.
        let mut sums: [U::Float; 1] = unsafe { std::mem::zeroed() };
        let mut minima = 0.0;
        let blocks = inputs.pairs.as_flattened().as_chunks::<PAIRS>().0.iter().zip(row.chunks_exact(unit));
        for (b, (pairs, block)) in blocks.enumerate() {
            let (scale, minimum, codes) = weight.format.whole(block);
            let codes = weight.format.pairs(codes);
            minima += minimum * f32::from_bits(inputs.sums[b][0]);
            // SAFETY: a vector's lanes are pairs, and a block holds whole vectors of them.
            unsafe {
                let mut products: U::Whole = std::mem::zeroed();
                for v in 0..PAIRS / lanes::<U::Whole>() {
                    let of = |pairs: &[u32; PAIRS]| pairs.as_ptr().cast::<U::Whole>().add(v).read_unaligned();
                    products = U::add_products(products, of(pairs), of(&codes));
                }
                let scale = U::splat_float(scale * f32::from_bits(inputs.scales[b][0]));
                sums[0] = U::multiply_add(U::to_float(products), scale, sums[0]);
            }
        }
        let lanes: &mut [f32] = numbers(&mut sums);
        *out = lanes.iter().sum::<f32>() + minima;
    }
}

// Every unit's vectors divide a block's pairs.
const _: () = assert!(PAIRS.is_multiple_of(16) && BLOCK == 2 * PAIRS);

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::{
        super::{Format, Linear, host_product::tests::weight},
        *,
    };
    use crate::host::tests::wave;

    #[test]
    fn it_is_the_product_with_the_expanded_weight() {
        let device = Device::flex();
        let numbers = |tensor: Tensor<2>| -> Vec<f32> { tensor.into_data().try_to_vec().unwrap() };
        for (format, shape) in [(Format::Q4_0, [7, 96]), (Format::Q4_1, [130, 576]), (Format::Q8_0, [64, 64])]
        {
            let weight = weight(format, shape);
            let expanded = Linear::load(weight.clone(), &device).expanded(&device);
            let x = wave([1, shape[1]], &device);
            let Some(row) = of(&numbers(x.clone()), &weight) else {
                println!("skipped: this machine has no vector unit for whole numbers");
                return;
            };
            let expected = numbers(x.matmul(expanded.transpose()));
            for outputs in [0..shape[0], 2..5] {
                let mut found = vec![0.0; outputs.len()];
                row.multiply(outputs.clone(), &mut found);
                for (found, expected) in found.iter().zip(&expected[outputs]) {
                    assert!(
                        (found - expected).abs() < 1e-4 * expected.abs() + 2e-3,
                        "{format:?}: {found}, not {expected}"
                    );
                }
            }
        }
        assert!(of(&[0.0; 64], &weight(Format::Nf4, [4, 64])).is_none());
    }
}
