//! Grouped-query attention in one pass over the keys (online softmax, as in FlashAttention, Dao et
//! al., arXiv 2205.14135): no score matrix, nothing that is not seen, no subgroups.

use cubecl::prelude::*;

/// Numbers in a vector load.
pub const LANES: usize = 4;

/// One unit a query and head: `q` and `out` `[queries, n_heads, d_head]`, `k` and `v`
/// `[tokens, n_kv_heads, d_head]`; `sights [queries, 4]`: the first key of the stretch that a query shares
/// with others, its length, the first key of the query's own stretch, its length.
#[cube(launch_unchecked)]
pub fn attend<N: Size>(
    q: &Tensor<Vector<f32, N>>,
    k: &Tensor<Vector<f32, N>>,
    v: &Tensor<Vector<f32, N>>,
    sights: &Tensor<u32>,
    out: &mut Tensor<Vector<f32, N>>,
    queries: u32,
    scale: f32,
    #[comptime] n_heads: usize,
    #[comptime] group: usize,
    #[comptime] vectors: usize,
) {
    let query = ABSOLUTE_POS / n_heads;
    let head = ABSOLUTE_POS % n_heads;
    if query >= queries as usize {
        terminate!();
    }
    let n_kv_heads = comptime![n_heads / group];
    let kv_head = head / group;
    let own = (query * n_heads + head) * vectors;

    let mut asked = Array::<Vector<f32, N>>::new(vectors);
    let mut mixed = Array::<Vector<f32, N>>::new(vectors);
    #[unroll]
    for i in 0..vectors {
        asked[i] = q[own + i] * Vector::new(scale);
        mixed[i] = Vector::new(0.0f32);
    }
    let mut largest = f32::new(-1.0e30);
    let mut total = f32::new(0.0);

    let shared_first = sights[query * 4] as usize;
    let shared = sights[query * 4 + 1] as usize;
    let own_first = sights[query * 4 + 2] as usize;
    let seen = shared + sights[query * 4 + 3] as usize;
    for n in 0..seen {
        let mut token = shared_first + n;
        if n >= shared {
            token = own_first + n - shared;
        }
        let at = (token * n_kv_heads + kv_head) * vectors;
        let mut products = asked[0] * k[at];
        #[unroll]
        for i in 1..vectors {
            products += asked[i] * k[at + i];
        }
        let score = products.extract(0usize)
            + products.extract(1usize)
            + products.extract(2usize)
            + products.extract(3usize);

        // Rescale what was summed under a smaller maximum.
        let bigger = max(largest, score);
        let fade = (largest - bigger).exp();
        let weight = (score - bigger).exp();
        largest = bigger;
        total = total * fade + weight;
        let fade = Vector::new(fade);
        let weight = Vector::new(weight);
        #[unroll]
        for i in 0..vectors {
            mixed[i] = mixed[i] * fade + v[at + i] * weight;
        }
    }

    let share = Vector::new(1.0f32 / total);
    #[unroll]
    for i in 0..vectors {
        out[own + i] = mixed[i] * share;
    }
}
