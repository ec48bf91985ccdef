//! A tiny Llama with seeded weights as a GGUF file: fast enough for every run, real in every part.
//!
//! Its tokenizer knows the 256 bytes and a few merges, its matrices are `Q4_1`, its embedding `Q8_0`.

use half::f16;

/// Width of the residual stream.
pub const D_MODEL: usize = 64;
/// Inner width of the MLP.
pub const D_FF: usize = 96;
/// Blocks.
pub const LAYERS: usize = 2;
/// Query heads, of [`D_HEAD`] each.
pub const HEADS: usize = 4;
/// Key and value heads.
pub const KV_HEADS: usize = 2;
/// Width of a head.
pub const D_HEAD: usize = 16;
/// Longest prompt.
pub const MAX_LEN: usize = 4096;

const BLOCK: usize = 32;
const ALIGNMENT: usize = 32;

/// One tensor of the tiny model.
pub struct TinyTensor {
    /// GGUF name.
    pub name: String,
    /// `[rows, cols]`; a vector has one row.
    pub shape: [usize; 2],
    /// ggml type number.
    pub kind: u32,
    /// Stored bytes.
    pub bytes: Vec<u8>,
}

/// The tensors of the tiny model for a seed.
pub fn tensors(seed: u64, n_vocab: usize) -> Vec<TinyTensor> {
    let mut random = SplitMix(seed);
    let mut all = vec![
        q8_0("token_embd.weight".to_owned(), [n_vocab, D_MODEL], &mut random),
        gain("output_norm.weight".to_owned(), &mut random),
    ];
    for n in 0..LAYERS {
        let matrices = [
            ("attn_q", [HEADS * D_HEAD, D_MODEL]),
            ("attn_k", [KV_HEADS * D_HEAD, D_MODEL]),
            ("attn_v", [KV_HEADS * D_HEAD, D_MODEL]),
            ("attn_output", [D_MODEL, HEADS * D_HEAD]),
            ("ffn_gate", [D_FF, D_MODEL]),
            ("ffn_up", [D_FF, D_MODEL]),
            ("ffn_down", [D_MODEL, D_FF]),
        ];
        for (name, shape) in matrices {
            all.push(q4_1(format!("blk.{n}.{name}.weight"), shape, &mut random));
        }
        all.push(gain(format!("blk.{n}.attn_norm.weight"), &mut random));
        all.push(gain(format!("blk.{n}.ffn_norm.weight"), &mut random));
    }
    all
}

/// The whole file.
pub fn gguf(seed: u64) -> Vec<u8> {
    gguf_with(seed, &[])
}

/// The whole file with more entries of metadata, each a whole number.
pub fn gguf_with(seed: u64, more: &[(&str, u32)]) -> Vec<u8> {
    let vocabulary = vocabulary();
    let merges: Vec<String> = MERGES.iter().map(|(a, b)| format!("{a} {b}")).collect();
    let tensors = tensors(seed, vocabulary.len());
    let size = |n: usize| n as u32;

    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    let mut metadata = Vec::new();
    let mut count = 0u64;
    let mut add = |key: &str, value: Vec<u8>| {
        text(&mut metadata, key);
        metadata.extend(value);
        count += 1;
    };
    add("general.architecture", text_value("llama"));
    add("general.name", text_value("tiny seeded Llama"));
    add("llama.block_count", int_value(size(LAYERS)));
    add("llama.embedding_length", int_value(size(D_MODEL)));
    add("llama.feed_forward_length", int_value(size(D_FF)));
    add("llama.attention.head_count", int_value(size(HEADS)));
    add("llama.attention.head_count_kv", int_value(size(KV_HEADS)));
    add("llama.context_length", int_value(size(MAX_LEN)));
    add("llama.rope.freq_base", float_value(10_000.0));
    add("llama.attention.layer_norm_rms_epsilon", float_value(1e-5));
    add("tokenizer.ggml.model", text_value("gpt2"));
    add("tokenizer.ggml.pre", text_value("smollm"));
    add("tokenizer.ggml.tokens", texts_value(&vocabulary));
    add("tokenizer.ggml.merges", texts_value(&merges));
    for &(key, value) in more {
        add(key, int_value(value));
    }
    out.extend(count.to_le_bytes());
    out.extend(metadata);

    let mut data = Vec::new();
    for tensor in &tensors {
        text(&mut out, &tensor.name);
        let [rows, cols] = tensor.shape;
        let dims: &[usize] = if rows == 1 { &[cols] } else { &[cols, rows] };
        out.extend((dims.len() as u32).to_le_bytes());
        for &dim in dims {
            out.extend((dim as u64).to_le_bytes());
        }
        out.extend(tensor.kind.to_le_bytes());
        out.extend((data.len() as u64).to_le_bytes());
        data.extend(&tensor.bytes);
        data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
    out.extend(data);
    out
}

/// Merges in the byte-level alphabet, where `Ġ` is a blank and `Ċ` a newline.
const MERGES: [(&str, &str); 10] = [
    ("Ġ", "("),
    ("#", "#"),
    ("##", "#"),
    ("Ġ", "t"),
    ("o", "n"),
    ("Ġ", "n"),
    ("Ġn", "o"),
    ("Ġ", "y"),
    ("Ġy", "e"),
    ("Ġye", "s"),
];

fn vocabulary() -> Vec<String> {
    // GPT-2's printable stand-ins for the 256 bytes.
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut next = 256;
    let bytes = (0..256u32).map(|byte| {
        let code = if printable(byte) {
            byte
        } else {
            next += 1;
            next - 1
        };
        char::from_u32(code).map(String::from).unwrap_or_default()
    });
    bytes.chain(MERGES.iter().map(|(a, b)| format!("{a}{b}"))).collect()
}

fn q4_1(name: String, shape: [usize; 2], random: &mut SplitMix) -> TinyTensor {
    let blocks = shape[0] * shape[1] / BLOCK;
    let mut bytes = Vec::with_capacity(blocks * 20);
    for _ in 0..blocks {
        let scale = 0.01 + 0.03 * random.unit();
        bytes.extend(f16::from_f32(scale).to_le_bytes());
        bytes.extend(f16::from_f32(-7.5 * scale).to_le_bytes());
        bytes.extend((0..16).map(|_| (random.next() >> 40) as u8));
    }
    TinyTensor { name, shape, kind: 3, bytes }
}

fn q8_0(name: String, shape: [usize; 2], random: &mut SplitMix) -> TinyTensor {
    let blocks = shape[0] * shape[1] / BLOCK;
    let mut bytes = Vec::with_capacity(blocks * 34);
    for _ in 0..blocks {
        bytes.extend(f16::from_f32(0.01 + 0.01 * random.unit()).to_le_bytes());
        bytes.extend((0..32).map(|_| (random.next() >> 40) as u8));
    }
    TinyTensor { name, shape, kind: 8, bytes }
}

fn gain(name: String, random: &mut SplitMix) -> TinyTensor {
    let bytes = (0..D_MODEL).flat_map(|_| (0.5 + random.unit()).to_le_bytes()).collect();
    TinyTensor { name, shape: [1, D_MODEL], kind: 0, bytes }
}

/// `SplitMix64`: a few lines that give the same numbers on every machine.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 24) as f32
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn text_value(value: &str) -> Vec<u8> {
    let mut out = 8u32.to_le_bytes().to_vec();
    text(&mut out, value);
    out
}

fn int_value(value: u32) -> Vec<u8> {
    [4u32.to_le_bytes(), value.to_le_bytes()].concat()
}

fn float_value(value: f32) -> Vec<u8> {
    [6u32.to_le_bytes(), value.to_le_bytes()].concat()
}

fn texts_value(values: &[String]) -> Vec<u8> {
    let mut out = 9u32.to_le_bytes().to_vec();
    out.extend(8u32.to_le_bytes());
    out.extend((values.len() as u64).to_le_bytes());
    for value in values {
        text(&mut out, value);
    }
    out
}
