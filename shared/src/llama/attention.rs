//! Causal grouped-query attention (Ainslie et al., arXiv 2305.13245).

use burn::tensor::{Bool, Device, Tensor, activation::softmax};

use super::{config::LlamaConfig, rope::Rope};
use crate::{
    quant::Linear,
    weights::{TensorSource, WeightError, names::Names},
};

/// Query, key, value and output projections of one block.
#[derive(Clone)]
pub struct Attention {
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    n_kv_heads: usize,
    group: usize,
    d_head: usize,
}

impl Attention {
    /// Loads block `n`.
    pub fn load(
        source: &dyn TensorSource,
        names: &Names,
        n: usize,
        config: &LlamaConfig,
        device: &Device,
    ) -> Result<Self, WeightError> {
        let load = |name, d_out, d_in| {
            let tensor = source.shaped(&names.in_block(n, name), [d_out, d_in])?;
            Ok(Linear::load(tensor, device))
        };
        let (d_q, d_kv) = (config.n_heads * config.d_head, config.n_kv_heads * config.d_head);
        Ok(Self {
            q: load(names.q, d_q, config.d_model)?,
            k: load(names.k, d_kv, config.d_model)?,
            v: load(names.v, d_kv, config.d_model)?,
            o: load(names.o, config.d_model, d_q)?,
            n_kv_heads: config.n_kv_heads,
            group: config.group(),
            d_head: config.d_head,
        })
    }

    /// Attends from the last `queries` of the tokens in `x` `[tokens, d_model]` to all tokens before and
    /// at them; gives `[queries, d_model]`.
    pub fn forward(&self, x: Tensor<2>, queries: usize, rope: &Rope) -> Tensor<2> {
        let tokens = x.dims()[0];
        let first = tokens - queries;
        let (n_kv, group, d_head) = (self.n_kv_heads, self.group, self.d_head);

        let q = self.q.forward(x.clone().narrow(0, first, queries));
        let k = self.k.forward(x.clone());
        let v = self.v.forward(x);

        let q = rope.apply(q.reshape([queries, n_kv * group, d_head]), first);
        let k = rope.apply(k.reshape([tokens, n_kv, d_head]), 0);

        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        if !crate::quant::is_cpu(&q.device()) {
            let v = v.reshape([tokens, n_kv, d_head]);
            return self.o.forward(super::attention_gpu::causal_attention(q, k, v));
        }

        // Query heads that share a key head are stacked, so that one product serves the group.
        let q = q.reshape([queries, n_kv, group, d_head]).permute([1, 2, 0, 3]).reshape([
            n_kv,
            group * queries,
            d_head,
        ]);
        let k = k.permute([1, 2, 0]); // [n_kv, d_head, tokens]
        let v = v.reshape([tokens, n_kv, d_head]).permute([1, 0, 2]); // [n_kv, tokens, d_head]

        let scores = q.matmul(k) / (d_head as f64).sqrt(); // [n_kv, group * queries, tokens]
        let scores = scores
            .reshape([n_kv * group, queries, tokens])
            .mask_fill(future(queries, tokens, &v.device()), f32::NEG_INFINITY);
        let weights = softmax(scores, 2).reshape([n_kv, group * queries, tokens]);
        let mixed = weights
            .matmul(v) // [n_kv, group * queries, d_head]
            .reshape([n_kv, group, queries, d_head])
            .permute([2, 0, 1, 3])
            .reshape([queries, n_kv * group * d_head]);
        self.o.forward(mixed)
    }
}

/// True where a key comes after its query: `[1, queries, tokens]` for the last `queries` tokens.
fn future(queries: usize, tokens: usize, device: &Device) -> Tensor<3, Bool> {
    Tensor::<2, Bool>::tril_mask([queries, tokens], (tokens - queries) as i64, device).unsqueeze()
}
