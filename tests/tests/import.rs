//! `llamarec model import` on a tiny checkpoint in the form of Llama 2: parts, an untied head, a tokenizer in the
//! manner of `SentencePiece`, a token before every prompt.

use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::Device;
use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use shared::{llama::Layout, ranker::Ranker};
use tempfile::TempDir;
use tests::{documented::as_documented, llamarec, refused};

const D_MODEL: usize = 64;
const D_FF: usize = 96;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const D_HEAD: usize = 16;
const N_VOCAB: usize = 320;

/// Logits of tokens 100 to 119 behind [`ids`] by an independent forward pass in plain Python, 64-bit floats, written
/// from the equations with halves rotated against each other.
const GOLDEN: [f32; 20] = [
    -0.261_804, -0.167_198, 0.592_595, 0.191_895, 1.122_283, -0.335_229, -0.186_15, 0.906_672, 0.493_792,
    -0.442_215, -0.724_185, -0.587_748, -0.525_152, -0.529_477, 0.494_565, 0.314_367, -0.617_74, -0.503_537,
    0.144_95, 0.464_521,
];

fn ids() -> Vec<u32> {
    [1].into_iter().chain((0..24).map(|n| (n * 37 + 5) % 300)).collect()
}

/// Numbers that f16 and bf16 hold exactly; norms are one more.
fn weights(index: usize, shape: &[usize]) -> Vec<f32> {
    let norm = if shape.len() == 1 { 1.0 } else { 0.0 };
    let code = |n: usize| (n * n * 31 + n * 7919 + index * 104_729) % 257;
    (0..shape.iter().product()).map(|n| norm + (code(n) as f32 - 128.0) / 1024.0).collect()
}

fn tensors() -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let (queries, keys) = (HEADS * D_HEAD, KV_HEADS * D_HEAD);
    let mut shapes = vec![
        ("model.embed_tokens.weight".to_owned(), vec![N_VOCAB, D_MODEL]),
        ("lm_head.weight".to_owned(), vec![N_VOCAB, D_MODEL]),
        ("model.norm.weight".to_owned(), vec![D_MODEL]),
    ];
    for n in 0..2 {
        let block = [
            ("input_layernorm", vec![D_MODEL]),
            ("self_attn.q_proj", vec![queries, D_MODEL]),
            ("self_attn.k_proj", vec![keys, D_MODEL]),
            ("self_attn.v_proj", vec![keys, D_MODEL]),
            ("self_attn.o_proj", vec![D_MODEL, queries]),
            ("post_attention_layernorm", vec![D_MODEL]),
            ("mlp.gate_proj", vec![D_FF, D_MODEL]),
            ("mlp.up_proj", vec![D_FF, D_MODEL]),
            ("mlp.down_proj", vec![D_MODEL, D_FF]),
        ];
        shapes.extend(block.map(|(name, shape)| (format!("model.layers.{n}.{name}.weight"), shape)));
    }
    let fill = |(index, (name, shape)): (usize, (String, Vec<usize>))| {
        let values = weights(index, &shape);
        (name, shape, values)
    };
    shapes.into_iter().enumerate().map(fill).collect()
}

/// A checkpoint in two parts; the first holds bf16 matrices and f32 norms, the second f16.
fn checkpoint(folder: &Path) {
    let mut map = BTreeMap::new();
    let all = tensors();
    let (first, second) = all.split_at(all.len() / 2);
    for (part, (tensors, half)) in [(first, Dtype::BF16), (second, Dtype::F16)].into_iter().enumerate() {
        let file = format!("model-0000{}-of-00002.safetensors", part + 1);
        let stored: Vec<(&String, &Vec<usize>, Dtype, Vec<u8>)> = tensors
            .iter()
            .map(|(name, shape, values)| {
                let dtype = if shape.len() == 1 { Dtype::F32 } else { half };
                let bytes = values.iter().flat_map(|&value| match dtype {
                    Dtype::F32 => value.to_le_bytes().to_vec(),
                    Dtype::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
                    _ => bf16::from_f32(value).to_le_bytes().to_vec(),
                });
                (name, shape, dtype, bytes.collect())
            })
            .collect();
        let views = stored.iter().map(|(name, shape, dtype, bytes)| {
            ((*name).clone(), TensorView::new(*dtype, (*shape).clone(), bytes).unwrap())
        });
        fs::write(folder.join(&file), safetensors::serialize(views, None).unwrap()).unwrap();
        map.extend(tensors.iter().map(|(name, ..)| (name.clone(), file.clone())));
    }
    let index = json!({ "metadata": {}, "weight_map": map });
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    fs::write(folder.join("config.json"), config().to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer().to_string()).unwrap();
}

fn config() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "vocab_size": N_VOCAB, "hidden_size": D_MODEL, "intermediate_size": D_FF, "num_hidden_layers": 2,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5, "rope_scaling": null, "tie_word_embeddings": false,
    })
}

/// As that of Llama 2: a blank before every text, `▁` for blanks, bytes for what is not known, `<s>` in front.
fn tokenizer() -> Value {
    let letters = || ('A'..='T').map(String::from);
    let mut vocabulary = vec!["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()];
    vocabulary.extend((0..256).map(|byte| format!("<0x{byte:02X}>")));
    vocabulary.push("▁".to_owned());
    vocabulary.extend(letters());
    vocabulary.extend(letters().map(|letter| format!("▁{letter}")));
    vocabulary.extend(["y", "e", "s", "n", "o", "▁y", "▁ye", "▁yes", "▁n", "▁no"].map(String::from));
    vocabulary.extend("atirldhucm".chars().map(String::from));
    assert_eq!(vocabulary.len(), N_VOCAB);
    let mut merges: Vec<String> = letters().map(|letter| format!("▁ {letter}")).collect();
    merges.extend(["▁ y", "▁y e", "▁ye s", "▁ n", "▁n o"].map(String::from));
    let vocabulary: BTreeMap<String, usize> =
        vocabulary.into_iter().enumerate().map(|(id, token)| (token, id)).collect();
    let special = |id: usize, content: &str| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true })
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "Prepend", "prepend": "▁" },
            { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
        ]},
        "pre_tokenizer": null,
        "post_processor": { "type": "TemplateProcessing",
            "single": [
                { "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
            ],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] } } },
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" }, { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ]},
        "model": { "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true,
            "vocab": vocabulary, "merges": merges },
    })
}

fn import(folder: &TempDir, format: &str) -> Vec<u8> {
    let out = folder.path().join(format!("made/{format}.gguf"));
    let source = folder.path().to_str().unwrap();
    let args = ["model", "import", source, "--out", out.to_str().unwrap(), "--format", format, "--json"];
    let output = llamarec().args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    as_documented("model import", &output.stdout);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let bytes = fs::read(&out).unwrap();
    assert_eq!((said["tensors"].as_u64(), said["bytes"].as_u64()), (Some(21), Some(bytes.len() as u64)));
    bytes
}

fn made() -> TempDir {
    let folder = TempDir::new().unwrap();
    checkpoint(folder.path());
    folder
}

fn logits(ranker: &Ranker) -> Vec<f32> {
    let hidden = ranker.llama().hidden(&[Layout::prompt(&ids())], None);
    ranker.llama().head().logits(&hidden.into_data().try_to_vec::<f32>().unwrap(), 100..120)
}

#[test]
fn an_imported_model_computes_what_an_independent_one_does() {
    let folder = made();
    let distance = |bytes: Vec<u8>| {
        let ranker = Ranker::from_gguf(bytes, &Device::flex()).unwrap();
        let found = logits(&ranker);
        found.iter().zip(GOLDEN).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    let whole = import(&folder, "f32");
    let size = whole.len();
    assert!(distance(whole) < 1e-5);
    // These weights lose nothing in 16 bits.
    assert!(distance(import(&folder, "f16")) < 1e-5);
    assert!(distance(import(&folder, "q8_0")) < 0.02);
    for (format, bits) in [("q4_1", 0.6), ("q4_0", 0.6), ("nf4", 0.6)] {
        let bytes = import(&folder, format);
        let share = bytes.len() as f64 / size as f64;
        assert!(share < bits, "{format} takes {share} of the space");
        let off = distance(bytes);
        assert!((1e-4..0.3).contains(&off), "{format}: {off}");
    }
}

#[test]
fn letters_are_read_as_they_follow_the_prompt() {
    let folder = made();
    let mut ranker = Ranker::from_gguf(import(&folder, "q4_1"), &Device::flex()).unwrap();
    let tokens = ranker.tokens();
    assert_eq!(tokens.first(), [1]);
    // <s>, the blank that is not there, a newline as a byte, the letter.
    assert_eq!(tokens.ids("\nA").unwrap(), [1, 259, 13, 260]);
    assert_eq!(tokens.piece(" yes").unwrap(), [307]);
    assert_eq!(tokens.piece(" A").unwrap(), [280]);
    assert_eq!(tokens.cut("A e s", 2).unwrap(), "A ");
    assert_eq!(ranker.verbalizer().label_ids(), (260..280).collect::<Vec<u32>>());
    ranker.read_like_the_reference().unwrap();
    assert_eq!(ranker.verbalizer().label_ids(), (280..300).collect::<Vec<u32>>());
}

#[test]
fn an_imported_model_ranks() {
    let folder = made();
    import(&folder, "q4_1");
    let base = folder.path().join("made/q4_1.gguf");
    let args = ["rank", "--title", "Heat (1995)", "--letters", "--json", "--base", base.to_str().unwrap()];
    let output = llamarec().args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trace: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = trace.to_string();
    assert!(text.contains("\"label_ids\":[260,261,"), "{text}");
    assert!(text.contains("\"token_ids\":[1,259,"), "{text}");
}

#[test]
fn what_cannot_be_imported_is_refused_by_name() {
    let folder = made();
    let source = folder.path();
    let out = source.join("out.gguf");
    let import = ["model", "import", source.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let with = |name: &str, change: &dyn Fn(&mut Vec<u8>), parts: &[&str]| {
        let path = source.join(name);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        refused(&import, 3, parts);
        assert!(!out.exists(), "a file was left");
        fs::write(&path, whole).unwrap();
    };
    let replace = |from: &'static str, to: &'static str| {
        move |bytes: &mut Vec<u8>| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{from}");
            *bytes = text.replace(from, to).into_bytes();
        }
    };
    with("config.json", &replace("\"rope_scaling\":null", "\"rope_scaling\":{}"), &["rope_scaling"]);
    with("config.json", &replace("\"hidden_size\":64", "\"hidden_size\":32"), &["model.embed_tokens", "64"]);
    with("tokenizer.json", &replace("\"BPE\"", "\"XYZ\""), &["tokenizer"]);
    let second = "model-00002-of-00002.safetensors";
    with(second, &|bytes| bytes.truncate(bytes.len() - 1), &[second, "ends at byte"]);
    let first = "model-00001-of-00002.safetensors";
    // The header says 32 bits where 16 lie, in as many letters.
    let widen = |bytes: &mut Vec<u8>| {
        let (from, to) = (b"\"dtype\":\"BF16\"", b"\"dtype\":\"F32\" ");
        while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    };
    with(first, &widen, &[first, "no safetensors"]);
    with("model.safetensors.index.json", &|bytes| *bytes = b"{}".to_vec(), &["index"]);
    fs::rename(source.join("tokenizer.json"), source.join("away")).unwrap();
    refused(&import, 3, &["tokenizer.json", "config.json, tokenizer.json and model.safetensors"]);
    fs::rename(source.join("away"), source.join("tokenizer.json")).unwrap();

    fs::write(&out, "mine").unwrap();
    refused(&import, 2, &["is there already", "--force"]);
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    let rank = ["rank", "--title", "Heat", "--base", source.to_str().unwrap()];
    refused(&rank, 3, &["is not a file", "llamarec model import"]);
    let mixed = ["evaluate", "--stage", "ranker", "--compat", "batch-mean", "--adapter", "none"];
    refused(&mixed, 2, &["about the retriever"]);
    let mixed = ["evaluate", "--retriever", "x", "--compat", "reference-verbalizer"];
    refused(&mixed, 2, &["about the ranker", "--stage ranker"]);
}
