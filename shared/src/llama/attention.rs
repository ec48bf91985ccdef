//! Grouped-query attention (Ainslie et al., arXiv 2305.13245) within each layout of a pass.

use std::ops::Range;

use burn::tensor::{Bool, Device, Tensor, TensorData, activation::softmax};
use tracing::trace_span;

use super::{
    attention_cpu::attention, config::LlamaConfig, kv_cache::Known, lora::BlockAdapter, pass::Pass,
    sight::Sight,
};
use crate::{
    quant::{Linear, is_cpu},
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

    /// Attends from the asking rows of `x` `[tokens, d_model]` to what they see, `known` keys included; gives
    /// `[asking, d_model]`.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        pass: &Pass,
        lora: Option<&BlockAdapter>,
        known: Option<Known<'_>>,
    ) -> Tensor<2> {
        let (tokens, n_kv, d_head) = (x.dims()[0], self.n_kv_heads, self.d_head);
        let asking = pass.ask(x.clone());
        let mut q = self.q.forward(asking.clone());
        let k = self.k.forward(x.clone());
        let mut v = self.v.forward(x.clone());
        if let Some(lora) = lora {
            q = q + lora.q.forward(asking);
            v = v + lora.v.forward(x);
        }

        let queries = q.dims()[0];
        let rope = pass.asking.as_ref().map_or(&pass.rope, |(_, rope)| rope);
        let q = rope.apply(q.reshape([queries, n_kv * self.group, d_head]));
        let k = pass.rope.apply(k.reshape([tokens, n_kv, d_head]));
        let v = v.reshape([tokens, n_kv, d_head]);
        let (k, v) = match known {
            Some(known) => known.extend(k, v),
            None => (k, v),
        };

        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        if let Some(sights) = pass.sights.as_ref().filter(|_| !q.device().is_autodiff()) {
            return self.o.forward(super::attention_gpu::seen_attention(q, k, v, sights));
        }
        let of = |x: &Tensor<3>, rows: &Range<usize>| x.clone().narrow(0, rows.start, rows.len());
        let mixed = trace_span!("attention").in_scope(|| {
            let parts = pass.parts.iter().map(|part| {
                let (q, k, v) = (of(&q, &part.queries), of(&k, &part.keys), of(&v, &part.keys));
                if is_cpu(&q.device()) {
                    attention(q, k, v, &part.sights)
                } else {
                    chain(q, k, v, &part.sights)
                }
            });
            Tensor::cat(parts.collect(), 0)
        });
        self.o.forward(mixed.reshape([queries, n_kv * self.group * d_head]))
    }
}

/// Mixes the values by what each query sees, in Burn's operations.
///
/// # Shapes
/// - q, output: `[queries, n_heads, d_head]`
/// - k, v: `[keys, n_kv_heads, d_head]`
pub(super) fn chain(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, sights: &[Sight]) -> Tensor<3> {
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
