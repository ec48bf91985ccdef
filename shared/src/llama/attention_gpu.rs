//! Attention on a GPU: launches the kernel.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are checked before")]

use burn::tensor::{Int, Tensor};
use burn_cubecl::CubeBackend;
use cubecl::prelude::{CubeCount, CubeDim};

use crate::{
    gpu::{computes_widely, contiguous, cube_numbers, room},
    kernels::{LANES, attention::attend},
};

/// Rows of a cube's units where a GPU computes many at once: a pass over one prompt has too few queries to fill it.
const SHARES: usize = 8;
/// Vectors of workgroup memory in which shares meet: 8 KiB.
const MEETING: usize = 512;

/// Attends from `q [queries, n_heads, d_head]` to what each query sees of `k` and `v`
/// `[tokens, n_kv_heads, d_head]`; gives `[queries, n_heads * d_head]`. `sights`: see [`super::pass::Pass`].
///
/// # Panics
/// Panics if `d_head` is no multiple of 4.
pub(super) fn seen_attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, sights: &Tensor<1, Int>) -> Tensor<2> {
    let [queries, n_heads, d_head] = q.dims();
    let n_kv_heads = k.dims()[1];
    assert_eq!(d_head % LANES, 0, "d_head {d_head} must be a multiple of {LANES}");

    let [q, k, v] = [q, k, v].map(contiguous);
    let out = room(&q, [queries, n_heads * d_head]);
    let vectors = d_head / LANES;
    let (columns, shares) =
        if computes_widely(&q) { ((MEETING / vectors).clamp(1, 32), SHARES) } else { (64, 1) };
    // The shapes above are those the kernel indexes.
    unsafe {
        attend::launch_unchecked(
            &out.client,
            CubeCount::new_1d((queries * n_heads).div_ceil(columns) as u32),
            CubeDim::new_2d(columns as u32, shares as u32),
            LANES,
            q.clone().into_tensor_arg(),
            k.into_tensor_arg(),
            v.into_tensor_arg(),
            cube_numbers(sights).into_tensor_arg(),
            out.clone().into_tensor_arg(),
            queries as u32,
            (d_head as f32).sqrt().recip(),
            n_heads,
            n_heads / n_kv_heads,
            vectors,
            columns,
            shares,
        );
    }
    Tensor::from_primitive::<CubeBackend>(out)
}
