//! Attention on a CPU: a few queries of one key head at a time, so that their scores stay in the nearest caches and keys that
//! none of them sees are not touched; nothing of it is kept for the way back, which computes the weights again
//! (as FlashAttention, Dao et al., arXiv 2205.14135).
#![allow(unsafe_code, reason = "threads write to rows of one array")]

use std::ops::Range;

use burn::tensor::Tensor;

use super::sight::Sight;
use crate::{
    host::{HostOp, Primitive, apply, slice, tensor},
    lanes::{exp, largest, sum, vectorized},
    matmul::{Matrix, Target, each, multiply},
    team::{self, Attention, Task},
};

/// Queries of a tile.
pub(crate) const QUERIES: usize = 64;

/// Mixes the values by what each query sees.
///
/// # Shapes
/// - q, output: `[queries, n_heads, d_head]`
/// - k, v: `[keys, n_kv_heads, d_head]`
/// - sights: `queries`
pub(crate) fn attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, sights: &[Sight]) -> Tensor<3> {
    apply(HostAttention { sights: sights.to_vec() }, [q, k, v])
}

#[derive(Clone, Debug)]
struct HostAttention {
    sights: Vec<Sight>,
}

/// Sizes of one call.
#[derive(Clone, Copy)]
struct Sizes {
    n_heads: usize,
    n_kv_heads: usize,
    d_head: usize,
}

/// Some queries, and the keys that any of them sees: `0..shared` and `own`.
struct Tile<'a> {
    first: usize,
    sights: &'a [Sight],
    shared: usize,
    own: Range<usize>,
}

/// What a thread works with.
#[derive(Default)]
struct Scratch {
    /// Scaled queries of one key head, `[group * queries, d_head]`.
    q: Vec<f32>,
    /// `[group * queries, keys]`
    weights: Vec<f32>,
    /// `[group * queries, d_head]`
    mixed: Vec<f32>,
}

impl Sizes {
    fn of(q: &Primitive, k: &Primitive) -> Self {
        let (q, k) = (q.layout().shape(), k.layout().shape());
        Self { n_heads: q[1], n_kv_heads: k[1], d_head: q[2] }
    }

    /// Attention of these sizes, as others hear of it.
    fn of_all(self, queries: usize, keys: usize) -> Attention {
        let Self { n_heads, n_kv_heads, d_head } = self;
        Attention { queries, keys, n_heads, n_kv_heads, d_head }
    }

    fn group(self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    /// Numbers between the queries, and between the keys.
    fn strides(self) -> (usize, usize) {
        (self.n_heads * self.d_head, self.n_kv_heads * self.d_head)
    }

    fn scale(self) -> f32 {
        (self.d_head as f32).sqrt().recip()
    }

    /// Rows of one key head, from key `first` on.
    fn head(self, keys: &[f32], head: usize, first: usize) -> Matrix<'_> {
        let stride = self.strides().1;
        Matrix::rows(&keys[first * stride + head * self.d_head..], stride)
    }

    /// Copies rows of all query heads that share a key head, times `scale`: `[group * queries, d_head]`.
    #[inline(always)]
    fn gather(self, rows: &[f32], head: usize, tile: &Tile, scale: f32, out: &mut Vec<f32>) {
        out.clear();
        for n in 0..self.group() {
            for query in tile.first..tile.first + tile.sights.len() {
                let at = (query * self.n_heads + head * self.group() + n) * self.d_head;
                out.extend(rows[at..at + self.d_head].iter().map(|x| x * scale));
            }
        }
    }
}

impl<'a> Tile<'a> {
    /// All tiles of these queries.
    fn all(sights: &'a [Sight]) -> Vec<Self> {
        sights.chunks(QUERIES).enumerate().map(|(n, sights)| Self::of(n * QUERIES, sights)).collect()
    }

    fn of(first: usize, sights: &'a [Sight]) -> Self {
        let shared = sights.iter().map(|sight| sight.shared).max().unwrap_or(0);
        let own = sights.iter().map(|sight| sight.own).min().unwrap_or(0).max(shared);
        let end = sights.iter().map(|sight| sight.here + 1).max().unwrap_or(0).max(own);
        Self { first, sights, shared, own: own..end }
    }

    /// Number of keys.
    fn keys(&self) -> usize {
        self.shared + self.own.len()
    }

    /// Stretches of its keys that lie behind one another: place among the tile's keys, first key, length.
    fn stretches(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let stretches = [(0, 0, self.shared), (self.shared, self.own.start, self.own.len())];
        stretches.into_iter().filter(|&(_, _, len)| len > 0)
    }

    /// The two stretches that a query sees, among the tile's keys.
    fn seen(&self, sight: &Sight) -> [Range<usize>; 2] {
        let place = |key: usize| {
            if key < self.own.start { key.min(self.shared) } else { key - self.own.start + self.shared }
        };
        sight.ranges().map(|range| place(range.start)..place(range.end))
    }
}

impl Scratch {
    /// Attention of a tile to one key head, in `mixed`.
    #[inline(always)]
    fn attend(&mut self, sizes: Sizes, [q, k, v]: [&[f32]; 3], head: usize, tile: &Tile) {
        vectorized(
            #[inline(always)]
            || self.weigh(sizes, q, k, head, tile),
        );
        self.mix(sizes, v, head, tile);
    }

    /// Softmax of the scaled products of a tile's queries and keys.
    #[inline(always)]
    fn weigh(&mut self, sizes: Sizes, q: &[f32], k: &[f32], head: usize, tile: &Tile) {
        let (rows, keys) = (sizes.group() * tile.sights.len(), tile.keys());
        sizes.gather(q, head, tile, sizes.scale(), &mut self.q);
        self.weights.resize(rows * keys, 0.0);
        self.products(sizes, k, head, tile);
        for (row, sight) in self.weights.chunks_exact_mut(keys).zip(tile.sights.iter().cycle()) {
            softmax(row, tile.seen(sight));
        }
    }

    /// `weights = q kᵀ`
    fn products(&mut self, sizes: Sizes, k: &[f32], head: usize, tile: &Tile) {
        let (rows, keys) = (sizes.group() * tile.sights.len(), tile.keys());
        let target = Target::new(self.weights.as_mut_ptr(), keys);
        let q = Matrix::rows(&self.q, sizes.d_head);
        for (at, first, len) in tile.stretches() {
            let k = sizes.head(k, head, first).transposed();
            // SAFETY: the weights are `[rows, keys]`, and these are columns of theirs.
            unsafe { multiply(target.from(at), [rows, sizes.d_head, len], q, k, false) };
        }
    }

    /// `mixed = weights v`
    fn mix(&mut self, sizes: Sizes, v: &[f32], head: usize, tile: &Tile) {
        let (rows, keys) = (sizes.group() * tile.sights.len(), tile.keys());
        self.mixed.clear();
        self.mixed.resize(rows * sizes.d_head, 0.0);
        let target = Target::new(self.mixed.as_mut_ptr(), sizes.d_head);
        for (at, first, len) in tile.stretches() {
            let (weights, v) = (Matrix::rows(&self.weights[at..], keys), sizes.head(v, head, first));
            // SAFETY: `mixed` is `[rows, d_head]`.
            unsafe { multiply(target, [rows, len, sizes.d_head], weights, v, true) };
        }
    }
}

/// Softmax over two stretches of a row; the rest becomes 0.
#[inline(always)]
fn softmax(row: &mut [f32], seen: [Range<usize>; 2]) {
    let max = largest(&row[seen[0].clone()]).max(largest(&row[seen[1].clone()]));
    let mut total = 0.0;
    for range in seen.clone() {
        for value in &mut row[range.clone()] {
            *value = exp(*value - max);
        }
        total += sum(&row[range]);
    }
    let share = total.recip();
    for range in seen.clone() {
        for value in &mut row[range] {
            *value *= share;
        }
    }
    let [first, second] = seen;
    row[first.end..second.start].fill(0.0);
    row[second.end..].fill(0.0);
}

impl HostOp<3> for HostAttention {
    type Saved = [Primitive; 3];

    fn forward(&self, inputs: [Primitive; 3]) -> (Primitive, Self::Saved) {
        let [q, k, v] = inputs.map(|input| input.to_contiguous());
        let sizes = Sizes::of(&q, &k);
        let tiles = Tile::all(&self.sights);
        let mut out = vec![0.0; slice(&q).len()];
        let target = Target::new(out.as_mut_ptr(), 0);
        let numbers = [&q, &k, &v].map(slice);
        let attention = sizes.of_all(self.sights.len(), numbers[1].len() / sizes.strides().1);
        let put = |part: usize, mixed: &[f32]| {
            let (n, head) = attention.place(part);
            // SAFETY: these are rows of this tile and of heads that no other part has, and none is done twice.
            unsafe { scatter(mixed, target, sizes, head, &tiles[n], 1.0) };
        };
        let work = |scratch: &mut Scratch, part: usize| {
            let (n, head) = attention.place(part);
            scratch.attend(sizes, numbers, head, &tiles[n]);
            put(part, &scratch.mixed);
        };
        let task = Task::Attention(attention.clone());
        let mut scratch = Scratch::default();
        let mut own = |part| work(&mut scratch, part);
        if !team::share(&task, || words(numbers, &self.sights), &mut own, &mut { put }) {
            each(task.parts(), Scratch::default, work);
        }
        (tensor(out, q.layout().shape().to_vec()), [q, k, v])
    }

    #[cfg(feature = "train")]
    fn backward(&self, [q, k, v]: Self::Saved, gradient: Primitive) -> [Primitive; 3] {
        let gradient = gradient.to_contiguous();
        let sizes = Sizes::of(&q, &k);
        let tiles = Tile::all(&self.sights);
        let zeros = |like: &Primitive| vec![0.0; slice(like).len()];
        let (mut dq, mut dk, mut dv) = (zeros(&q), zeros(&k), zeros(&v));
        let stride = sizes.strides().1;
        let (dq_to, dk_to, dv_to) = (
            Target::new(dq.as_mut_ptr(), 0),
            Target::new(dk.as_mut_ptr(), stride),
            Target::new(dv.as_mut_ptr(), stride),
        );
        // One key head after another adds to its keys; heads share nothing.
        let work = |(scratch, back): &mut (Scratch, Scratch), head: usize| {
            for tile in &tiles {
                let (rows, keys) = (sizes.group() * tile.sights.len(), tile.keys());
                vectorized(
                    #[inline(always)]
                    || {
                        scratch.weigh(sizes, slice(&q), slice(&k), head, tile);
                        // `back.q` holds the output's gradient, `back.weights` then that of the weights.
                        sizes.gather(slice(&gradient), head, tile, 1.0, &mut back.q);
                        back.weights.resize(rows * keys, 0.0);
                        back.products(sizes, slice(&v), head, tile);
                    },
                );
                let d_head = sizes.d_head;
                let (weights, output) = (Matrix::rows(&scratch.weights, keys), Matrix::rows(&back.q, d_head));
                // SAFETY: keys of this head, which no other work has.
                unsafe { add_to_keys(dv_to, sizes, head, tile, weights, output) };
                vectorized(
                    #[inline(always)]
                    || softmax_back(&scratch.weights, &mut back.weights, keys),
                );
                let (scores, q) = (Matrix::rows(&back.weights, keys), Matrix::rows(&scratch.q, d_head));
                // SAFETY: as above; the queries are scaled already.
                unsafe { add_to_keys(dk_to, sizes, head, tile, scores, q) };
                back.mix(sizes, slice(&k), head, tile);
                // SAFETY: rows of this tile and of heads that no other work has.
                unsafe { scatter(&back.mixed, dq_to, sizes, head, tile, sizes.scale()) };
            }
        };
        each(sizes.n_kv_heads, Default::default, work);
        let shape = |like: &Primitive| like.layout().shape().to_vec();
        [tensor(dq, shape(&q)), tensor(dk, shape(&k)), tensor(dv, shape(&v))]
    }
}

/// Queries, keys, values and sights in words.
fn words(numbers: [&[f32]; 3], sights: &[Sight]) -> Vec<u32> {
    let sights = sights.iter().flat_map(|sight| [sight.shared, sight.own, sight.here].map(|key| key as u32));
    let mut words = numbers.map(bytemuck::cast_slice).concat();
    words.extend(sights);
    words
}

/// One that does parts of attention for others.
#[derive(Default)]
pub(crate) struct AttentionHelp {
    scratch: Scratch,
}

impl AttentionHelp {
    /// Numbers `[group * queries, d_head]` of a part; nothing if the inputs are not what the task says.
    pub fn part(&mut self, task: &Attention, inputs: &[u32], part: usize) -> Option<&[f32]> {
        let Attention { queries, keys, n_heads, n_kv_heads, d_head } = *task;
        let sizes = Sizes { n_heads, n_kv_heads, d_head };
        let (to_q, to_k) = sizes.strides();
        let (q, others) = inputs.split_at_checked(queries * to_q)?;
        let (k, others) = others.split_at_checked(keys * to_k)?;
        let (v, sights) = others.split_at_checked(keys * to_k)?;
        let sights = sights.as_chunks().0;
        if inputs.len() != queries * to_q + 2 * keys * to_k + 3 * queries {
            return None;
        }
        let [q, k, v]: [&[f32]; 3] = [q, k, v].map(bytemuck::cast_slice);
        let (n, head) = task.place(part);
        let sights: Vec<Sight> = sights.chunks(QUERIES).nth(n)?.iter().map(sight).collect();
        let tile = Tile::of(n * QUERIES, &sights);
        if tile.own.end > keys {
            return None;
        }
        self.scratch.attend(sizes, [q, k, v], head, &tile);
        Some(&self.scratch.mixed)
    }
}

fn sight(&[shared, own, here]: &[u32; 3]) -> Sight {
    Sight { shared: shared as usize, own: own as usize, here: here as usize }
}

/// Writes `[group * queries, d_head]`, times `scale`, to the query heads of one key head.
///
/// # Safety
/// The target is an array of all queries and heads, and nobody else uses these rows meanwhile.
unsafe fn scatter(mixed: &[f32], target: Target, sizes: Sizes, head: usize, tile: &Tile, scale: f32) {
    let d_head = sizes.d_head;
    for (row, mixed) in mixed.chunks_exact(d_head).enumerate() {
        let (n, query) = (row / tile.sights.len(), tile.first + row % tile.sights.len());
        let at = (query * sizes.n_heads + head * sizes.group() + n) * d_head;
        // SAFETY: a row of the target, by the caller's promise.
        let out = unsafe { target.from(at).slice(d_head) };
        out.iter_mut().zip(mixed).for_each(|(out, mixed)| *out = mixed * scale);
    }
}

/// `target += weightsᵀ rows` for the keys of a tile.
///
/// # Safety
/// The target is an array of all keys, and nobody else uses this head of theirs meanwhile.
#[cfg(feature = "train")]
unsafe fn add_to_keys(target: Target, sizes: Sizes, head: usize, tile: &Tile, weights: Matrix, rows: Matrix) {
    let count = sizes.group() * tile.sights.len();
    for (at, first, len) in tile.stretches() {
        let weights = Matrix { numbers: &weights.numbers[at..], ..weights }.transposed();
        let target = target.from(first * sizes.strides().1 + head * sizes.d_head);
        // SAFETY: these keys' rows, by the caller's promise.
        unsafe { multiply(target, [len, count, sizes.d_head], weights, rows, true) };
    }
}

/// From the gradient of weights to that of scores: `w (g - Σ w g)`.
#[cfg(feature = "train")]
#[inline(always)]
fn softmax_back(weights: &[f32], gradient: &mut [f32], keys: usize) {
    for (gradient, weights) in gradient.chunks_exact_mut(keys).zip(weights.chunks_exact(keys)) {
        let mean = crate::lanes::dot(gradient, weights);
        gradient.iter_mut().zip(weights).for_each(|(g, w)| *g = w * (*g - mean));
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use burn::tensor::{Bool, TensorData, activation::softmax};

    use super::{
        super::sight::{Branch, Layout},
        *,
    };

    /// Mixes the values by what each query sees, in Burn's operations.
    ///
    /// # Shapes
    /// - q, output: `[queries, n_heads, d_head]`
    /// - k, v: `[keys, n_kv_heads, d_head]`
    fn chain(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, sights: &[Sight]) -> Tensor<3> {
        let ([queries, n_heads, d_head], [keys, n_kv, _]) = (q.dims(), k.dims());
        let group = n_heads / n_kv;
        let k = k.permute([1, 2, 0]); // [n_kv, d_head, keys]
        let v = v.permute([1, 0, 2]); // [n_kv, keys, d_head]
        // Query heads that share a key head are stacked, so that one product serves the group.
        let rows = group * queries;
        let q = q.reshape([queries, n_kv, group, d_head]).permute([1, 2, 0, 3]).reshape([n_kv, rows, d_head]);
        let mut hidden = vec![true; queries * keys];
        for (row, sight) in hidden.chunks_exact_mut(keys).zip(sights) {
            sight.ranges().into_iter().for_each(|range| row[range].fill(false));
        }
        let hidden = Tensor::<3, Bool>::from_data(TensorData::new(hidden, [1, queries, keys]), &q.device());
        let scores = (q.matmul(k) / (d_head as f32).sqrt()).reshape([n_heads, queries, keys]);
        let weights = softmax(scores.mask_fill(hidden, f32::NEG_INFINITY), 2).reshape([n_kv, rows, keys]);
        weights
            .matmul(v) // [n_kv, group * queries, d_head]
            .reshape([n_kv, group, queries, d_head])
            .permute([2, 0, 1, 3])
            .reshape([queries, n_heads, d_head])
    }

    #[test]
    fn tiles_equal_the_chain_and_so_do_their_gradients() {
        let branch = |seen, length| Branch { seen, ids: vec![0; length] };
        let layouts = [
            Layout::new(vec![0; 3], vec![branch(3, 2), branch(1, 1)]),
            // Tiles within the prefix, within a branch, over several, and with a gap between what is seen.
            Layout::new(vec![0; 130], vec![branch(130, 70), branch(7, 1), branch(100, 140), branch(0, 5)]),
            Layout::prompt(&[0; 66]),
        ];
        for layout in layouts {
            let (mut sights, keys) = (layout.sights(), layout.tokens());
            for known in [0, layout.prefix().len() / 2] {
                sights.drain(..known);
                let queries = sights.len();
                // Gradients that nearly cancel: sums are made in another order.
                crate::host::tests::same_within(
                    5e-5,
                    [[queries, 4, 6], [keys, 2, 6], [keys, 2, 6]],
                    |[q, k, v]| attention(q, k, v, &sights),
                    |[q, k, v]| chain(q, k, v, &sights),
                );
            }
        }
    }
}
