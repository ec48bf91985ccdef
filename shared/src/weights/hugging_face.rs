//! A Hugging Face checkpoint of `LlamaForCausalLM` as a GGUF file: which tensor becomes which, in what
//! format, with rows in GGUF's order.

use super::{
    gguf::Value,
    gguf_writer::Entry,
    names::{GGUF, HUGGING_FACE, Names},
};
use crate::{
    llama::LlamaConfig,
    quant::Format,
    tokens::{END_OF_TEXT, TOKENIZER_JSON},
};

/// One tensor's way.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name in the checkpoint.
    pub from: String,
    /// What becomes of it.
    pub to: Entry,
    /// Heads whose rows are put in pairs: rotary pairs are halves apart in a checkpoint, neighbours in GGUF.
    heads: Option<usize>,
}

impl Step {
    /// The tensor's bytes from its numbers, row-major.
    pub fn convert(&self, values: Vec<f32>) -> Vec<u8> {
        let values = match self.heads {
            Some(heads) => in_pairs(&values, self.to.shape, heads),
            None => values,
        };
        let mut out = Vec::new();
        self.to.format.quantize(&values, self.to.shape[1], &mut out);
        out
    }
}

/// Name, shape and heads of a tensor of a block.
type Role = (fn(&Names) -> &'static str, [usize; 2], Option<usize>);

/// All tensors of the file, in its order; a head that is the embedding is not written twice.
///
/// Matrices get `format`, norms stay exact. Embedding and head are read a row at a time and decide what
/// is a token, so 4-bit files keep 8 bits there. A width that is not whole blocks stays at 16 bits.
pub fn plan(config: &LlamaConfig, tied: bool, format: Format) -> Vec<Step> {
    let table = match format {
        Format::Q4_0 | Format::Q4_1 | Format::Nf4 => Format::Q8_0,
        format => format,
    };
    let step = |from: String, to: String, shape: [usize; 2], format: Format, heads| {
        let whole = shape[1].is_multiple_of(format.unit().0);
        let format = if whole { format } else { Format::F16 };
        Step { from, to: Entry { name: to, shape, format }, heads }
    };
    let outside = |role: fn(&Names) -> &'static str, shape, format| {
        step(role(&HUGGING_FACE).to_owned(), role(&GGUF).to_owned(), shape, format, None)
    };
    let d = config.d_model;
    let mut steps = vec![outside(|names| names.embedding, [config.n_vocab, d], table)];
    if !tied {
        steps.push(outside(|names| names.head, [config.n_vocab, d], table));
    }
    steps.push(outside(|names| names.norm, [1, d], Format::F32));
    let (queries, keys) = (config.n_heads * config.d_head, config.n_kv_heads * config.d_head);
    let roles: [Role; 9] = [
        (|names| names.attn_norm, [1, d], None),
        (|names| names.q, [queries, d], Some(config.n_heads)),
        (|names| names.k, [keys, d], Some(config.n_kv_heads)),
        (|names| names.v, [keys, d], None),
        (|names| names.o, [d, queries], None),
        (|names| names.mlp_norm, [1, d], None),
        (|names| names.gate, [config.d_ff, d], None),
        (|names| names.up, [config.d_ff, d], None),
        (|names| names.down, [d, config.d_ff], None),
    ];
    for n in 0..config.n_layers {
        for (role, shape, heads) in roles {
            let format = if shape[0] == 1 { Format::F32 } else { format };
            let (from, to) = (HUGGING_FACE.in_block(n, role(&HUGGING_FACE)), GGUF.in_block(n, role(&GGUF)));
            steps.push(step(from, to, shape, format, heads));
        }
    }
    steps
}

/// The file's metadata; `tokenizer` is the checkpoint's `tokenizer.json`, which is kept whole, `end` the token that ends a
/// text, if it has one.
pub fn metadata(
    config: &LlamaConfig,
    name: &str,
    tokenizer: String,
    end: Option<u32>,
) -> Vec<(&'static str, Value)> {
    let int = |value: usize| Value::Int(value as i64);
    let end = end.map(|id| (END_OF_TEXT, Value::Int(id.into())));
    let mut metadata = vec![
        ("general.architecture", Value::Text("llama".to_owned())),
        ("general.name", Value::Text(name.to_owned())),
        ("llama.vocab_size", int(config.n_vocab)),
        ("llama.context_length", int(config.max_len)),
        ("llama.embedding_length", int(config.d_model)),
        ("llama.block_count", int(config.n_layers)),
        ("llama.feed_forward_length", int(config.d_ff)),
        ("llama.attention.head_count", int(config.n_heads)),
        ("llama.attention.head_count_kv", int(config.n_kv_heads)),
        ("llama.attention.key_length", int(config.d_head)),
        ("llama.attention.value_length", int(config.d_head)),
        ("llama.attention.layer_norm_rms_epsilon", Value::Float(config.norm_eps)),
        ("llama.rope.dimension_count", int(config.d_head)),
        ("llama.rope.freq_base", Value::Float(config.rope_theta)),
        (TOKENIZER_JSON, Value::Text(tokenizer)),
    ];
    metadata.extend(end);
    metadata
}

/// Row `s · d_head/2 + i` of a head becomes its row `2i + s`.
fn in_pairs(values: &[f32], [rows, cols]: [usize; 2], heads: usize) -> Vec<f32> {
    let d_head = rows / heads;
    let source = |row: usize| {
        let (head, within) = (row / d_head, row % d_head);
        head * d_head + within % 2 * (d_head / 2) + within / 2
    };
    (0..rows).flat_map(|row| &values[source(row) * cols..][..cols]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_halves_become_rows_of_pairs() {
        // Two heads of four rows: halves (0, 2), (1, 3).
        let values: Vec<f32> = (0..8).map(|row| row as f32).collect();
        assert_eq!(in_pairs(&values, [8, 1], 2), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }
}
