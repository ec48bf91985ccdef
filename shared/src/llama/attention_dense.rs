//! Attention as products of whole matrices, all layouts at once: for training on a GPU, and for GPUs with units that multiply
//! matrices. Scores of what is not seen are computed and dropped.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are those of the tensors")]

use std::ops::Range;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_cubecl::CubeBackend;
use cubecl::prelude::CubeDim;

use super::pass::Part;
#[cfg(feature = "train")]
use crate::{gpu::contiguous, kernels::seen_softmax::softmax_back};
use crate::{
    gpu::{GpuOp, a_cube_each, exclusive},
    kernels::seen_softmax::{UNITS, seen_softmax},
};

/// Layouts behind one another, each with as many rows as the largest has.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    queries: Padding,
    keys: Padding,
    layouts: usize,
    /// `[layouts * queries * 4]`: first key and number of the stretch that a query shares, and of its own.
    sights: Tensor<1, Int>,
}

/// Rows with others between them that say nothing.
#[derive(Clone, Debug)]
struct Padding {
    /// Rows of each layout.
    each: usize,
    /// The row at each place, the first one where there is none.
    rows: Tensor<1, Int>,
    /// The place of each row.
    places: Tensor<1, Int>,
}

impl Padding {
    fn new(parts: &[Range<usize>], each: usize, device: &Device) -> Self {
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        for part in parts {
            places.extend((rows.len()..).take(part.len()).map(|place| place as i32));
            rows.extend(part.clone().map(|row| row as i32));
            rows.resize(rows.len() + each - part.len(), 0);
        }
        let ints = |ints: Vec<i32>| {
            let count = ints.len();
            Tensor::from_data(TensorData::new(ints, [count]), device)
        };
        Self { each, rows: ints(rows), places: ints(places) }
    }

    /// `[rows, heads, d_head]` to `[places, heads, d_head]`.
    fn pad(&self, x: Tensor<3>) -> Tensor<3> {
        x.select(0, self.rows.clone())
    }

    /// The way back.
    fn unpad(&self, x: Tensor<3>) -> Tensor<3> {
        x.select(0, self.places.clone())
    }
}

impl Frame {
    pub fn new(parts: &[Part], device: &Device) -> Self {
        let of = |rows: fn(&Part) -> Range<usize>| parts.iter().map(rows).collect::<Vec<_>>();
        let (queries, keys) = (of(|part| part.queries.clone()), of(|part| part.keys.clone()));
        let longest = |parts: &[Range<usize>]| parts.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let queries = Padding::new(&queries, longest(&queries), device);
        let keys = Padding::new(&keys, even(longest(&keys)), device);
        let mut sights: Vec<u32> = Vec::with_capacity(parts.len() * queries.each * 4);
        for (n, part) in parts.iter().enumerate() {
            sights.extend(part.sights.iter().flat_map(|sight| sight.stretches(0)));
            // Places without a query see nothing.
            sights.resize((n + 1) * queries.each * 4, 0);
        }
        let count = sights.len();
        let sights = Tensor::from_data(TensorData::new(sights, [count]), (device, DType::U32));
        Self { queries, keys, layouts: parts.len(), sights }
    }

    /// `[places, heads, d_head]` to `[layouts, n_kv, group * each, d_head]`: query heads that share a key head are stacked.
    fn stacked(&self, x: Tensor<3>, each: usize, n_kv: usize) -> Tensor<4> {
        let [_, heads, d_head] = x.dims();
        let group = heads / n_kv;
        x.reshape([self.layouts, each, n_kv, group, d_head]).permute([0, 2, 3, 1, 4]).reshape([
            self.layouts,
            n_kv,
            group * each,
            d_head,
        ])
    }

    /// The way back.
    fn spread(&self, x: Tensor<4>, each: usize) -> Tensor<3> {
        let [_, n_kv, rows, d_head] = x.dims();
        let group = rows / each;
        x.reshape([self.layouts, n_kv, group, each, d_head]).permute([0, 3, 1, 2, 4]).reshape([
            self.layouts * each,
            n_kv * group,
            d_head,
        ])
    }

    /// `[layouts, n_kv, group * queries, keys]`: how much of each value a query takes.
    fn weights(&self, q: &Tensor<4>, k: &Tensor<4>) -> Tensor<4> {
        let scores = exclusive(q.clone().matmul(k.clone().swap_dims(2, 3)));
        let shape = scores.meta.shape();
        let (rows, keys) = (shape[0] * shape[1] * shape[2], shape[3]);
        let sights = self.sights.clone().try_into_primitive::<CubeBackend>();
        let sights = sights.expect("sights are where the keys are");
        let heads = rows / self.layouts / self.queries.each;
        unsafe {
            seen_softmax::launch_unchecked(
                &scores.client,
                a_cube_each(rows as u32),
                CubeDim::new_1d(UNITS as u32),
                scores.clone().into_tensor_arg(),
                sights.into_tensor_arg(),
                rows as u32,
                heads as u32,
                self.queries.each as u32,
                keys as u32,
            );
        }
        Tensor::from_primitive::<CubeBackend>(scores)
    }
}

/// Keys of a row of scores, so many that devices which leave gaps between rows leave none.
fn even(keys: usize) -> usize {
    if keys > 128 { keys.next_multiple_of(128) } else { keys.next_power_of_two().max(4) }
}

/// `q [queries, n_heads, d_head]`, `k` and `v [keys, n_kv_heads, d_head]` to `[queries, n_heads, d_head]`.
impl GpuOp<3, 3> for Frame {
    /// Queries, scaled, keys and values, padded and stacked.
    type Saved = [Tensor<4>; 3];

    fn forward(&self, [q, k, v]: [Tensor<3>; 3]) -> (Tensor<3>, Self::Saved) {
        let [_, n_kv, d_head] = k.dims();
        let q = self.queries.pad(q.div_scalar((d_head as f32).sqrt()));
        let q = self.stacked(q, self.queries.each, n_kv);
        let [k, v] = [k, v].map(|x| self.stacked(self.keys.pad(x), self.keys.each, n_kv));
        let mixed = self.weights(&q, &k).matmul(v.clone());
        (self.queries.unpad(self.spread(mixed, self.queries.each)), [q, k, v])
    }

    /// Weights are computed again: kept, they would take most of a step's memory.
    #[cfg(feature = "train")]
    fn backward(&self, [q, k, v]: Self::Saved, gradient: Tensor<3>) -> [Tensor<3>; 3] {
        let [_, n_kv, _, d_head] = k.dims();
        let weights = self.weights(&q, &k);
        // Where there is no query all weights are 0.
        let gradient = self.stacked(self.queries.pad(gradient), self.queries.each, n_kv);
        let of_v = weights.clone().swap_dims(2, 3).matmul(gradient.clone());
        let of_scores = through_softmax(weights, gradient.matmul(v.swap_dims(2, 3)));
        let of_q = of_scores.clone().matmul(k).div_scalar((d_head as f32).sqrt());
        let of_k = of_scores.swap_dims(2, 3).matmul(q);
        let [of_k, of_v] = [of_k, of_v].map(|x| self.keys.unpad(self.spread(x, self.keys.each)));
        [self.queries.unpad(self.spread(of_q, self.queries.each)), of_k, of_v]
    }
}

/// The gradient of the scores from that of the weights.
#[cfg(feature = "train")]
fn through_softmax(weights: Tensor<4>, gradient: Tensor<4>) -> Tensor<4> {
    let [a, b, c, keys] = weights.dims();
    let (weights, gradient) = (contiguous(weights), exclusive(gradient));
    unsafe {
        softmax_back::launch_unchecked(
            &gradient.client,
            a_cube_each((a * b * c) as u32),
            CubeDim::new_1d(UNITS as u32),
            weights.into_tensor_arg(),
            gradient.clone().into_tensor_arg(),
            (a * b * c) as u32,
            keys as u32,
        );
    }
    Tensor::from_primitive::<CubeBackend>(gradient)
}

#[cfg(all(test, feature = "wgpu", feature = "train"))]
mod tests {
    use super::{
        super::{
            attention_cpu::attention,
            sight::{Branch, Layout},
        },
        *,
    };
    use crate::{gpu, host::tests::wave};

    #[test]
    fn layouts_of_several_lengths_equal_the_cpu_and_so_do_their_gradients() {
        let Ok(gpu) = Device::wgpu_options().init() else { return };
        let branch = |seen, length| Branch { seen, ids: vec![0; length] };
        let layouts = [
            Layout::new(vec![0; 7], vec![branch(7, 90), branch(3, 5)]),
            Layout::prompt(&[0; 5]),
            Layout::new(vec![], vec![branch(0, 9), branch(0, 1)]),
        ];
        let mut rows = 0;
        let all = layouts.iter().map(|layout| {
            let own = rows..rows + layout.tokens();
            rows = own.end;
            Part { keys: own.clone(), queries: own, sights: layout.sights() }
        });
        same_as_on_the_cpu(&all.collect::<Vec<_>>(), &gpu);
        // Keys and values of the first rows come from elsewhere.
        let (keys, known) = (0..layouts[0].tokens(), 6);
        let sights = layouts[0].sights().split_off(known);
        same_as_on_the_cpu(&[Part { queries: 0..keys.len() - known, keys, sights }], &gpu);
    }

    fn same_as_on_the_cpu(parts: &[Part], gpu: &Device) {
        let frame = Frame::new(parts, gpu);
        let last = parts.last().expect("a part");
        let (queries, keys) = (last.queries.end, last.keys.end);
        let run = |device: &Device, of: &dyn Fn([Tensor<3>; 3]) -> Tensor<3>| {
            let device = device.clone().autodiff();
            let inputs = [[queries, 4, 8], [keys, 2, 8], [keys, 2, 8]]
                .map(|shape| wave(shape, &device).require_grad());
            let output = of(inputs.clone());
            let gradients = (output.clone() * wave(output.dims(), &device)).sum().backward();
            let grads = inputs.map(|input| input.grad(&gradients).expect("tracked").into_data());
            [output.into_data()].into_iter().chain(grads).collect::<Vec<_>>()
        };
        let on_gpu = run(gpu, &|inputs| gpu::apply(frame.clone(), inputs));
        let on_cpu = run(&Device::flex(), &|[q, k, v]| {
            let of = |x: &Tensor<3>, rows: &Range<usize>| x.clone().narrow(0, rows.start, rows.len());
            let part = |part: &Part| {
                attention(of(&q, &part.queries), of(&k, &part.keys), of(&v, &part.keys), &part.sights)
            };
            Tensor::cat(parts.iter().map(part).collect(), 0)
        });
        let inputs = [[queries, 4, 8], [keys, 2, 8], [keys, 2, 8]].map(|shape| wave(shape, gpu));
        let untracked = gpu::apply(frame, inputs).into_data();
        assert_eq!(untracked, on_gpu[0]);
        for (found, expected) in on_gpu.into_iter().zip(on_cpu) {
            for (a, b) in found.iter::<f32>().zip(expected.iter::<f32>()) {
                assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{a} {b}");
            }
        }
    }
}
