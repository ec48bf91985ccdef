//! How much arithmetic a forward pass is: what a measured time is compared with.

use super::{config::LlamaConfig, sight::Layout};

/// Multiplications and additions of a pass over a layout whose states give `logits` logits each, counted one by one:
/// what is masked, and what of the last block is not read, is not computed and not counted.
pub fn flops(config: &LlamaConfig, layout: &Layout, logits: usize) -> u64 {
    let (d, queries) = (config.d_model as u64, (config.n_heads * config.d_head) as u64);
    let keys = (config.n_kv_heads * config.d_head) as u64;
    // Multiply-adds a row: keys and values; all else; and for each key that is seen.
    let (cached, asked, seen) = (2 * d * keys, 2 * d * queries + 3 * d * config.d_ff as u64, 2 * queries);
    let sights = layout.sights();
    let sees = |at: usize| sights[at].ranges().into_iter().map(|range| range.len() as u64).sum::<u64>();
    let (rows, reads) = (sights.len() as u64, layout.reads() as u64);
    let block = rows * (cached + asked) + seen * (0..sights.len()).map(sees).sum::<u64>();
    let last = rows * cached + reads * asked + seen * layout.read_at().into_iter().map(sees).sum::<u64>();
    2 * ((config.n_layers as u64 - 1) * block + last + reads * logits as u64 * d)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llama::RopePairs;

    #[test]
    fn a_prompt_of_550_tokens_with_the_shape_of_smollm2() {
        let config = LlamaConfig {
            n_vocab: 49_152,
            d_model: 576,
            n_layers: 30,
            n_heads: 9,
            n_kv_heads: 3,
            d_head: 64,
            d_ff: 1536,
            max_len: 8192,
            rope_theta: 10_000.0,
            rope_pairs: RopePairs::Interleaved,
            norm_eps: 1e-5,
        };
        let prompt = Layout::prompt(&vec![0; 550]);
        // 106.2 million weights: 116.8 GFLOP less 29/30 of what the last block does not compute; attention of 29 blocks 10.1.
        let linear = 2 * 550 * 29 * 3_538_944 + 2 * (550 * 221_184 + 3_317_760);
        let attention = 2 * 2 * 576 * (29 * 550 * 551 / 2 + 550);
        assert_eq!(flops(&config, &prompt, 20), linear + attention + 2 * 20 * 576);
        assert_eq!(flops(&config, &prompt, 20) / 1_000_000_000, 123);
    }
}
