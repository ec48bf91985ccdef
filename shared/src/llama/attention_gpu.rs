//! Attention on a GPU: launches the kernel.
#![allow(unsafe_code, reason = "kernel launches skip bounds checks; the sizes are checked before")]

use burn::tensor::{Int, Tensor};
use burn_cubecl::CubeBackend;
use cubecl::prelude::{CubeCount, CubeDim};

use crate::{
    gpu::{contiguous, room},
    kernels::attention::{LANES, attend},
};

/// Units of a cube along the heads' queries.
const CUBE: u32 = 64;

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
    let sights = sights.clone().try_into_primitive::<CubeBackend>().expect("sights are where the keys are");
    let units = (queries * n_heads) as u32;
    // One unit a query and head; the shapes above are those the kernel indexes.
    unsafe {
        attend::launch_unchecked(
            &out.client,
            CubeCount::new_1d(units.div_ceil(CUBE)),
            CubeDim::new_1d(CUBE),
            LANES,
            q.clone().into_tensor_arg(),
            k.into_tensor_arg(),
            v.into_tensor_arg(),
            sights.into_tensor_arg(),
            out.clone().into_tensor_arg(),
            queries as u32,
            (d_head as f32).sqrt().recip(),
            n_heads,
            n_heads / n_kv_heads,
            d_head / LANES,
        );
    }
    Tensor::from_primitive::<CubeBackend>(out)
}
