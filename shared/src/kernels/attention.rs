//! Grouped-query attention in one pass over the keys (online softmax, as in FlashAttention, Dao et
//! al., arXiv 2205.14135): no score matrix, nothing that is not seen, no subgroups.

use cubecl::prelude::*;

use super::rms_norm::lanes_sum;

/// One query and head in every column of a cube's units, whose rows share the keys among them: `q` and `out`
/// `[queries, n_heads, d_head]`, `k` and `v` `[tokens, n_kv_heads, d_head]`; `sights [queries, 4]`: the first key of the stretch
/// that a query shares with others, its length, the first key of the query's own stretch, its length. A cube is
/// `columns` × `shares` units.
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
    #[comptime] columns: usize,
    #[comptime] shares: usize,
) {
    let column = UNIT_POS_X as usize;
    let share = UNIT_POS_Y as usize;
    let all = queries as usize * n_heads;
    let place = CUBE_POS * columns + column;
    // Units beyond the last query do as it does and write nothing: all must come to where the shares meet.
    let own = min(place, all - 1);
    let query = own / n_heads;
    let kv_head = own % n_heads / group;
    let n_kv_heads = comptime![n_heads / group];
    let own = own * vectors;

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
    let mut n = share;
    while n < seen {
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
        let score = lanes_sum::<N>(products);

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
        n += shares;
    }

    // The shares of a query meet in the first one's registers.
    if comptime![shares > 1] {
        let mut mixes = Shared::<[Vector<f32, N>]>::new_slice(comptime![vectors * columns]);
        let mut sums = Shared::<[f32]>::new_slice(comptime![2 * columns]);
        #[unroll]
        for other in 1..shares {
            if share == other {
                sums[column] = largest;
                sums[columns + column] = total;
                #[unroll]
                for i in 0..vectors {
                    mixes[i * columns + column] = mixed[i];
                }
            }
            sync_cube();
            if share == 0 {
                let bigger = max(largest, sums[column]);
                let mine = (largest - bigger).exp();
                let theirs = (sums[column] - bigger).exp();
                largest = bigger;
                total = total * mine + sums[columns + column] * theirs;
                let mine = Vector::new(mine);
                let theirs = Vector::new(theirs);
                #[unroll]
                for i in 0..vectors {
                    mixed[i] = mixed[i] * mine + mixes[i * columns + column] * theirs;
                }
            }
            sync_cube();
        }
    }

    if share == 0 && place < all {
        let portion = Vector::new(1.0f32 / total);
        #[unroll]
        for i in 0..vectors {
            out[own + i] = mixed[i] * portion;
        }
    }
}
