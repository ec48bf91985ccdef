//! Attention as products of whole matrices, many pieces at once: for training on a GPU, and for passes over many rows where a GPU has
//! units that multiply matrices. A piece is some queries with the keys that any of them sees; scores of what one of them does
//! not see are computed and dropped.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are those of the tensors")]

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor};
use burn_cubecl::CubeBackend;
use cubecl::prelude::CubeDim;

use super::{
    pass::Part,
    pieces::{Piece, pieces},
    wiring::Wiring,
};
#[cfg(feature = "train")]
use crate::{gpu::contiguous, kernels::seen_softmax::softmax_back};
use crate::{
    gpu::{GpuOp, a_cube_each, cube_numbers, exclusive, numbers},
    kernels::seen_softmax::{UNITS, seen_softmax},
};

/// Keys of pieces that are computed at once differ by fewer than this. Rows of scores so long have no gaps between them on any device.
const STRIDE: usize = 256;

/// All pieces of a pass.
#[derive(Clone, Debug)]
pub(super) struct Dense(Vec<Group>);

/// Pieces behind one another, each with as many rows as the largest has.
#[derive(Clone, Debug)]
struct Group {
    queries: Wiring,
    keys: Wiring,
    pieces: usize,
    /// Queries of each piece.
    each: usize,
    n_kv: usize,
    /// `[pieces * each * 4]`: first key and number of the stretch that a query shares, and of its own.
    sights: Tensor<1, Int>,
}

impl Dense {
    /// For so many heads of queries, and of keys and values.
    pub fn new(parts: &[Part], n_heads: usize, n_kv: usize, device: &Device) -> Self {
        let mut groups = BTreeMap::<usize, Vec<Piece>>::new();
        for piece in parts.iter().flat_map(pieces) {
            groups.entry(piece.keys.len().next_multiple_of(STRIDE)).or_default().push(piece);
        }
        let last = |row: fn(&Part) -> usize| parts.iter().map(row).max().unwrap_or(0);
        let (queries, keys) = (last(|part| part.queries.end), last(|part| part.keys.end));
        let group = |(most, pieces): (usize, Vec<Piece>)| {
            let each = pieces.iter().map(|piece| piece.queries.len()).max().unwrap_or(0);
            let mut sights = Vec::with_capacity(pieces.len() * each * 4);
            for (n, piece) in pieces.iter().enumerate() {
                sights.extend(piece.sights.iter().flatten());
                // Places without a query see nothing.
                sights.resize((n + 1) * each * 4, 0);
            }
            let wiring = |rows: &dyn Fn(&Piece) -> Vec<usize>, each, heads, of| {
                let rows: Vec<Vec<usize>> = pieces.iter().map(rows).collect();
                Wiring::new(&rows, each, heads, of, device)
            };
            Group {
                queries: wiring(&|piece| piece.queries.clone().collect(), each, n_heads, queries),
                keys: wiring(&|piece| piece.keys.clone(), most, n_kv, keys),
                pieces: pieces.len(),
                each,
                n_kv,
                sights: numbers(sights, device),
            }
        };
        Self(groups.into_iter().map(group).collect())
    }
}

impl Group {
    /// Rows at their places, query heads that share a key head stacked: `[pieces, n_kv, places, d_head]`.
    fn pad(&self, wiring: &Wiring, x: Tensor<3>, factor: f32) -> Tensor<4> {
        let [_, heads, d_head] = x.dims();
        let places = heads / self.n_kv * wiring.each;
        wiring.pad(x, factor).reshape([self.pieces, self.n_kv, places, d_head])
    }

    /// `[pieces, n_kv, group * queries, keys]`: how much of each value a query takes.
    fn weights(&self, q: &Tensor<4>, k: &Tensor<4>) -> Tensor<4> {
        let scores = exclusive(q.clone().matmul(k.clone().swap_dims(2, 3)));
        let shape = scores.meta.shape();
        let (rows, keys) = (shape[0] * shape[1] * shape[2], shape[3]);
        let heads = rows / self.pieces / self.each;
        unsafe {
            seen_softmax::launch_unchecked(
                &scores.client,
                a_cube_each(rows as u32),
                CubeDim::new_1d(UNITS as u32),
                scores.clone().into_tensor_arg(),
                cube_numbers(&self.sights).into_tensor_arg(),
                rows as u32,
                heads as u32,
                self.each as u32,
                keys as u32,
            );
        }
        Tensor::from_primitive::<CubeBackend>(scores)
    }

    fn forward(&self, [q, k, v]: [Tensor<3>; 3]) -> Tensor<3> {
        let [q, k, v] = self.padded([q, k, v]);
        self.queries.unpad(self.weights(&q, &k).matmul(v), 1.0)
    }

    fn padded(&self, [q, k, v]: [Tensor<3>; 3]) -> [Tensor<4>; 3] {
        let scale = scale(&q);
        [self.pad(&self.queries, q, scale), self.pad(&self.keys, k, 1.0), self.pad(&self.keys, v, 1.0)]
    }

    /// Weights are computed again: kept, they would take most of a step's memory.
    #[cfg(feature = "train")]
    fn backward(&self, inputs: [Tensor<3>; 3], gradient: Tensor<3>) -> [Tensor<3>; 3] {
        let scale = scale(&gradient);
        let [q, k, v] = self.padded(inputs);
        let weights = self.weights(&q, &k);
        // Where there is no query all weights are 0.
        let gradient = self.pad(&self.queries, gradient, 1.0);
        let of_v = weights.clone().swap_dims(2, 3).matmul(gradient.clone());
        let of_scores = through_softmax(weights, gradient.matmul(v.swap_dims(2, 3)));
        let of_q = of_scores.clone().matmul(k);
        let of_k = of_scores.swap_dims(2, 3).matmul(q);
        [self.queries.unpad(of_q, scale), self.keys.unpad(of_k, 1.0), self.keys.unpad(of_v, 1.0)]
    }
}

/// What scores are divided by the root of `d_head` with.
fn scale(q: &Tensor<3>) -> f32 {
    (q.dims()[2] as f32).sqrt().recip()
}

/// `q [queries, n_heads, d_head]`, `k` and `v [keys, n_kv_heads, d_head]` to `[queries, n_heads, d_head]`.
impl GpuOp<3, 3> for Dense {
    /// The inputs.
    type Saved = [Tensor<3>; 3];

    fn forward(&self, inputs: [Tensor<3>; 3]) -> (Tensor<3>, Self::Saved) {
        let mixed = self.0.iter().map(|group| group.forward(inputs.clone()));
        (mixed.reduce(|a, b| a + b).expect("a pass has a query"), inputs)
    }

    #[cfg(feature = "train")]
    fn backward(&self, inputs: Self::Saved, gradient: Tensor<3>) -> [Tensor<3>; 3] {
        let groups = self.0.iter().map(|group| group.backward(inputs.clone(), gradient.clone()));
        let sum = groups.reduce(|[q, k, v], [more_q, more_k, more_v]| [q + more_q, k + more_k, v + more_v]);
        sum.expect("a pass has a query")
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
    use std::ops::Range;

    use burn::tensor::Device;

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
        let dense = Dense::new(parts, 4, 2, gpu);
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
        let on_gpu = run(gpu, &|inputs| gpu::apply(dense.clone(), inputs));
        let on_cpu = run(&Device::flex(), &|[q, k, v]| {
            let of = |x: &Tensor<3>, rows: &Range<usize>| x.clone().narrow(0, rows.start, rows.len());
            let part = |part: &Part| {
                attention(of(&q, &part.queries), of(&k, &part.keys), of(&v, &part.keys), &part.sights)
            };
            Tensor::cat(parts.iter().map(part).collect(), 0)
        });
        let inputs = [[queries, 4, 8], [keys, 2, 8], [keys, 2, 8]].map(|shape| wave(shape, gpu));
        let untracked = gpu::apply(dense, inputs).into_data();
        assert_eq!(untracked, on_gpu[0]);
        for (found, expected) in on_gpu.into_iter().zip(on_cpu) {
            for (a, b) in found.iter::<f32>().zip(expected.iter::<f32>()) {
                assert!((a - b).abs() < 1e-3 * (1.0 + b.abs()), "{a} {b}");
            }
        }
    }
}
