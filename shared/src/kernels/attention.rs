//! Causal grouped-query attention in one pass over the keys (online softmax, as in FlashAttention, Dao et
//! al., arXiv 2205.14135): no score matrix, no masked half, no subgroups.

use cubecl::prelude::*;

/// Numbers in a vector load.
pub const LANES: usize = 4;

/// One unit a query and head: `q` and `out` `[queries, n_heads, d_head]`, `k` and `v`
/// `[tokens, n_kv_heads, d_head]`; query 0 stands at position `first`.
#[cube(launch_unchecked)]
pub fn attend<N: Size>(
    q: &Tensor<Vector<f32, N>>,
    k: &Tensor<Vector<f32, N>>,
    v: &Tensor<Vector<f32, N>>,
    out: &mut Tensor<Vector<f32, N>>,
    queries: u32,
    first: u32,
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

    for token in 0..first as usize + query + 1 {
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
