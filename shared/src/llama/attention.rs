//! Grouped-query attention (Ainslie et al., arXiv 2305.13245) within each layout of a pass.

use std::ops::Range;

use burn::tensor::{Device, Tensor};
use tracing::trace_span;

use super::{
    attention_cpu::attention, config::LlamaConfig, kv_cache::Known, lora::BlockAdapter, pass::Pass,
    sum::plus_product,
};
use crate::{
    quant::{Input, Linear},
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
    /// `residual [asking, d_model]` with what they found.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        residual: Tensor<2>,
        pass: &Pass,
        lora: Option<&BlockAdapter>,
        known: Option<Known<'_>>,
    ) -> Tensor<2> {
        let (tokens, n_kv, d_head) = (x.dims()[0], self.n_kv_heads, self.d_head);
        let all = Input::of(x);
        let some = pass.asking.is_some().then(|| Input::of(pass.ask(all.numbers().clone())));
        let asking = some.as_ref().unwrap_or(&all);
        let (mut q, k, mut v) = (self.q.read(asking), self.k.read(&all), self.v.read(&all));
        if let Some(lora) = lora {
            q = lora.q.correct(q, asking.numbers().clone());
            v = lora.v.correct(v, all.numbers().clone());
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
        if let Some(sights) = &pass.sights {
            let mixed = trace_span!("attention").in_scope(|| {
                #[cfg(not(target_arch = "wasm32"))]
                if q.device().is_autodiff() || crate::gpu::matrix_units_pay(&q) {
                    let dense = pass.dense(n_kv * self.group, n_kv, &sights.device());
                    let mixed = crate::gpu::apply(dense, [q, k, v]);
                    return mixed.reshape([queries, n_kv * self.group * d_head]);
                }
                super::attention_gpu::seen_attention(q, k, v, sights)
            });
            return plus_product(residual, &self.o, &Input::of(mixed));
        }
        let of = |x: &Tensor<3>, rows: &Range<usize>| x.clone().narrow(0, rows.start, rows.len());
        let mixed = trace_span!("attention").in_scope(|| {
            let parts = pass.parts.iter().map(|part| {
                attention(of(&q, &part.queries), of(&k, &part.keys), of(&v, &part.keys), &part.sights)
            });
            Tensor::cat(parts.collect(), 0)
        });
        let mixed = mixed.reshape([queries, n_kv * self.group * d_head]);
        plus_product(residual, &self.o, &Input::of(mixed))
    }
}
