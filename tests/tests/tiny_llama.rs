//! The tiny seeded Llama: devices agree, rotary conventions agree, bad input is refused.

use burn::tensor::Device;
use shared::{
    llama::{Layout, Llama, LlamaConfig, RopePairs},
    prompt::{Prompt, SpanKind},
    ranker::{Ranker, RankerError},
    scoring::{Question, Scorer, ScoringConfig},
    weights::{
        TensorBytes, TensorSource, WeightError,
        gguf::Gguf,
        names::{GGUF, HUGGING_FACE, Names},
        safetensors::Checkpoint,
    },
};
use tests::{gpu, tiny_llama};

const TEXT: &str = "(A) Heat (1995) \n (B) Toy Story (1995)\n\n### Response:\n";

fn hidden(llama: &Llama, ids: &[u32]) -> Vec<f32> {
    llama.hidden(&[Layout::prompt(ids)], None).into_data().try_to_vec().unwrap()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn cpu_and_wgpu_agree() {
    let cpu = Ranker::from_gguf(tiny_llama::gguf(7), &Device::flex()).unwrap();
    let Some(device) = gpu() else { return };
    let gpu = Ranker::from_gguf(tiny_llama::gguf(7), &device).unwrap();
    // Lengths around the kernels' tiles.
    for repeats in [1, 2, 7] {
        let text = TEXT.repeat(repeats);
        let on_cpu = pollster::block_on(cpu.explain(&text, 20)).unwrap();
        let on_gpu = pollster::block_on(gpu.explain(&text, 20)).unwrap();
        assert_eq!(on_cpu.encoded, on_gpu.encoded);
        let worst = distance(&on_cpu.letter_logits, &on_gpu.letter_logits);
        assert!(worst < 1e-3, "{} tokens: {worst}", on_cpu.encoded.ids.len());
        let spread = on_cpu.letter_logits.iter().fold(0.0f32, |s, x| s.max(x.abs()));
        assert!(spread > 0.5, "the tiny model says nothing: {spread}");
    }
}

#[test]
fn the_last_state_depends_on_every_token() {
    let ranker = Ranker::from_gguf(tiny_llama::gguf(7), &Device::flex()).unwrap();
    let ids = ranker.tokens().ids(TEXT).unwrap();
    let whole = hidden(ranker.llama(), &ids);
    for position in [0, ids.len() / 2, ids.len() - 1] {
        let mut changed = ids.clone();
        changed[position] = (changed[position] + 1) % 200;
        assert!(distance(&whole, &hidden(ranker.llama(), &changed)) > 1e-4, "token {position} is not read");
    }
}

#[test]
fn prompts_that_share_a_start_score_as_each_alone() {
    let ranker = Ranker::from_gguf(tiny_llama::gguf(7), &Device::flex()).unwrap();
    let config = ScoringConfig { history: 2, ..ScoringConfig::letters() };
    let scorer = Scorer::new(ranker.tokens(), ranker.verbalizer(), config).unwrap();
    let history = ["Heat (1995)", "Toy Story (1995)", "Fargo (1996)", "Alien (1979)"];
    let pools: [&[&str]; 3] =
        [&["Up (2009)", "Big (1988)"], &["Big (1988)", "Up (2009)", "Cars (2006)"], &["Jaws (1975)"]];
    let questions: Vec<Question> = [2, 4, 4]
        .into_iter()
        .zip(pools)
        .map(|(length, pool)| Question { length, candidates: pool.to_vec() })
        .collect();
    let asked = scorer.ask(ranker.tokens(), &history, &questions).unwrap();
    assert_eq!(asked.candidates, [2, 3, 1]);
    let scores: Vec<f32> =
        scorer.pass(ranker.llama(), std::slice::from_ref(&asked), None).into_data().try_to_vec().unwrap();
    let (mut alone, mut tokens) = (Vec::new(), 0);
    for Question { length, candidates } in &questions {
        // The two newest items of the shortest part are shown, and all that come later.
        let prompt = Prompt::render(&history[..*length], candidates);
        let explanation = pollster::block_on(ranker.explain(&prompt.text, 0)).unwrap();
        tokens += explanation.encoded.ids.len();
        alone.extend_from_slice(&explanation.letter_logits[..candidates.len()]);
    }
    // One row alone is rounded to 16-bit whole numbers, three are not.
    assert!(distance(&scores, &alone) < 1e-3, "{scores:?} {alone:?}");
    assert!(asked.layout.tokens() < tokens * 3 / 4, "{} of {tokens} tokens", asked.layout.tokens());
}

#[test]
fn running_answers_are_those_of_prompts_that_end_there() {
    let ranker = Ranker::from_gguf(tiny_llama::gguf(7), &Device::flex()).unwrap();
    let scorer = Scorer::new(ranker.tokens(), ranker.verbalizer(), ScoringConfig::letters()).unwrap();
    let history = ["Heat (1995)", "Toy Story (1995)", "Fargo (1996)"];
    let pools: [&[&str]; 3] =
        [&["Up (2009)", "Big (1988)"], &["Big (1988)", "Jaws (1975)", "Cars (2006)"], &["Jaws (1975)"]];
    let questions: Vec<Question> = [2, 3, 3]
        .into_iter()
        .zip(pools)
        .map(|(length, pool)| Question { length, candidates: pool.to_vec() })
        .collect();
    let scores = |questions: &[Question]| -> (Vec<usize>, Vec<f32>) {
        let asked = scorer.ask_running(ranker.tokens(), &history, questions).unwrap();
        let scores = scorer.pass(ranker.llama(), std::slice::from_ref(&asked), None);
        (asked.candidates, scores.into_data().try_to_vec().unwrap())
    };
    let (counts, together) = scores(&questions);
    assert_eq!(counts, [2, 2, 3, 1]);

    let prompt = Prompt::render(&history, pools[1]);
    let encoded = ranker.tokens().encode(&prompt.text).unwrap();
    let second = prompt.spans.iter().find(|span| span.kind == SpanKind::Candidate { n: 1 }).unwrap();
    let behind = encoded.offsets.iter().position(|offset| offset.1 > second.end).unwrap();
    let logits = |last: usize, count: usize| {
        let state = hidden(ranker.llama(), &encoded.ids[..=last]);
        ranker.llama().head().logits(&state, ranker.verbalizer().label_ids()[..count].iter().copied())
    };
    let expected = [logits(behind, 2), logits(encoded.ids.len() - 1, 3)].concat();
    assert!(distance(&together[2..7], &expected) < 1e-3, "{together:?} {expected:?}");
    // Alone it is one prompt, without branches.
    let (counts, alone) = scores(&questions[1..2]);
    assert_eq!(counts, [2, 3]);
    assert!(distance(&alone, &expected) < 1e-3, "{alone:?} {expected:?}");
}

/// The tiny model in numbers instead of blocks, with names and Q and K rows as in files of this convention: that of GGUF, or of
/// Hugging Face.
fn numbers_file(gguf: &Gguf, pairs: RopePairs) -> Vec<u8> {
    let names = if pairs == RopePairs::HalfSplit { &HUGGING_FACE } else { &GGUF };
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    let mut add = |name: String, tensor: &TensorBytes, heads: Option<usize>| {
        let heads = heads.filter(|_| pairs == RopePairs::HalfSplit);
        let values = heads.map_or_else(|| tensor.to_f32(), |heads| unpermuted(tensor, heads));
        let shape = if tensor.shape[0] == 1 { vec![tensor.shape[1]] } else { tensor.shape.to_vec() };
        tensors.push((name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    };
    let take = |name: &str| gguf.tensor(name).unwrap();
    add(names.embedding.to_owned(), &take(GGUF.embedding), None);
    add(names.norm.to_owned(), &take(GGUF.norm), None);
    for n in 0..tiny_llama::LAYERS {
        let roles: [(fn(&Names) -> &'static str, Option<usize>); 9] = [
            (|names| names.attn_norm, None),
            (|names| names.q, Some(tiny_llama::HEADS)),
            (|names| names.k, Some(tiny_llama::KV_HEADS)),
            (|names| names.v, None),
            (|names| names.o, None),
            (|names| names.mlp_norm, None),
            (|names| names.gate, None),
            (|names| names.up, None),
            (|names| names.down, None),
        ];
        for (role, heads) in roles {
            let tensor = take(&GGUF.in_block(n, role(&GGUF)));
            add(names.in_block(n, role(names)), &tensor, heads);
        }
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap();
        (name.clone(), view)
    });
    safetensors::serialize(views, None).unwrap()
}

/// Undoes the converter's permutation: GGUF row 2i + s of a head is row s * half + i.
fn unpermuted(tensor: &TensorBytes, heads: usize) -> Vec<f32> {
    let [rows, cols] = tensor.shape;
    let (d_head, values) = (rows / heads, tensor.to_f32());
    let half = d_head / 2;
    let source = |row: usize| {
        let (head, within) = (row / d_head, row % d_head);
        head * d_head + 2 * (within % half) + within / half
    };
    (0..rows).flat_map(|row| values[source(row) * cols..][..cols].to_vec()).collect()
}

#[test]
fn both_rotary_conventions_give_the_same_state() {
    let device = Device::flex();
    let gguf = Gguf::parse(tiny_llama::gguf(3)).unwrap();
    let config = LlamaConfig::from_gguf(&gguf).unwrap();
    let ids: Vec<u32> = (0..60).map(|i| (i * 37) % 250).collect();
    let blocks = hidden(&Llama::load(config.clone(), &gguf, &device).unwrap(), &ids);
    let [interleaved, half_split] = [RopePairs::Interleaved, RopePairs::HalfSplit].map(|rope_pairs| {
        let checkpoint = Checkpoint::parse(numbers_file(&gguf, rope_pairs)).unwrap();
        let config = LlamaConfig { rope_pairs, ..config.clone() };
        hidden(&Llama::load(config, &checkpoint, &device).unwrap(), &ids)
    });
    assert!(distance(&interleaved, &half_split) < 1e-5);
    // Products with blocks round their inputs to 16 bits.
    assert!(distance(&blocks, &half_split) < 1e-4);
}

#[test]
fn bad_models_and_texts_are_refused() {
    let device = Device::flex();
    let whole = tiny_llama::gguf(7);
    let cut = whole[..whole.len() - 100].to_vec();
    let error = Ranker::from_gguf(cut, &device).err().unwrap();
    assert!(matches!(error, RankerError::Weights(WeightError::Truncated { .. })));
    assert!(error.to_string().contains("truncated"), "{error}");

    let error = Ranker::from_gguf(b"GIF89a".to_vec(), &device).err().unwrap();
    assert!(error.to_string().contains("not a GGUF file"), "{error}");

    for (key, value, said) in [
        ("llama.rope.scaling.factor", 8, "rotary scaling"),
        ("llama.rope.dimension_count", 8, "8 of 16"),
        ("general.alignment", 0, "general.alignment"),
    ] {
        let error = Ranker::from_gguf(tiny_llama::gguf_with(7, &[(key, value)]), &device).err().unwrap();
        assert!(error.to_string().contains(said), "{key}: {error}");
    }

    let ranker = Ranker::from_gguf(whole, &device).unwrap();
    let empty = pollster::block_on(ranker.explain("", 0));
    assert!(matches!(empty, Err(RankerError::Empty)));
    let long = pollster::block_on(ranker.explain(&"x".repeat(tiny_llama::MAX_LEN + 1), 0));
    assert!(matches!(long, Err(RankerError::TooLong { tokens: 4097, limit: 4096 })));
}
