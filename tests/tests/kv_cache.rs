//! What was read before is not read again, and changes nothing, on every device there is.

use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use shared::{
    llama::{Adapter, AdapterConfig, Branch, KvCache, Layout, Memory},
    pieces::{PIECE, Pause},
    ranker::{Ranker, RankerError},
};
use tests::{gpu, tiny_llama, tuned};
use trainer::fetch::sha256;

/// Largest distance of a state: sums may be made in another order.
const TOLERANCE: f32 = 2e-3;

fn devices() -> Vec<Device> {
    [Device::flex()].into_iter().chain(gpu()).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Tokens that differ from position to position.
fn ids(len: u32) -> Vec<u32> {
    (0..len).map(|n| n * 7 % 200).collect()
}

#[test]
fn layouts_read_after_one_another_are_as_each_alone() {
    let branch = |seen, ids: &[u32]| Branch { seen, ids: ids.to_vec() };
    let other_end = |len: u32| [ids(len - 1), vec![201]].concat();
    // Each layout and how many of its tokens are known from those before.
    let steps = [
        (Layout::prompt(&[150, 151]), 0),
        (Layout::prompt(&ids(40)), 0), // Another beginning, and more than there is room for.
        (Layout::prompt(&ids(40)), 39), // The last one is read anew.
        (Layout::prompt(&ids(41)), 40),
        (Layout::prompt(&ids(30)), 29),  // Shorter.
        (Layout::prompt(&ids(300)), 30), // Beyond the room there is.
        (Layout::prompt(&ids(301)), 300),
        (Layout::prompt(&other_end(20)), 19), // Another end.
        (Layout::new(ids(20), vec![branch(20, &[9, 8]), branch(7, &[5])]), 19), // Branches leave it.
        (Layout::new(ids(20), vec![branch(20, &[3])]), 20), // Other branches, all is known.
        (Layout::new(ids(25), vec![branch(25, &[3]), branch(2, &[1, 4, 5])]), 20),
        (Layout::prompt(&[150, 151]), 0), // Another beginning.
    ];
    for device in devices() {
        let ranker = Ranker::from_gguf(tiny_llama::gguf(7), &device).unwrap();
        let llama = ranker.llama();
        let config = AdapterConfig::new(llama.config(), 1, 4, 8.0, 0.0);
        let adapter = Adapter::new(config, 5, &device).unwrap();
        for adapter in [None, Some(&adapter)] {
            let mut cache = KvCache::default();
            for (n, (layout, known)) in steps.iter().enumerate() {
                assert_eq!(cache.known(layout), *known, "step {n}");
                let found: Vec<f32> =
                    llama.hidden_after(&mut cache, layout, adapter).into_data().try_to_vec().unwrap();
                let alone = llama.hidden(std::slice::from_ref(layout), adapter);
                let worst = distance(&found, &alone.into_data().try_to_vec::<f32>().unwrap());
                assert!(worst < TOLERANCE, "{device:?}, step {n}: {worst}");
                assert_eq!(cache.ids(), layout.prefix());
            }
        }
    }
}

#[test]
fn a_ranker_reads_a_common_start_once() {
    let explain = |ranker: &Ranker, text: &str| pollster::block_on(ranker.explain(text, 0)).unwrap();
    let ranker = Ranker::from_gguf(tiny_llama::gguf(7), &Device::flex()).unwrap();
    let (one, other) = ("(A) Heat (1995) (B) Alien (1979)", "(A) Heat (1995) (B) Up (2009)");
    let first = explain(&ranker, one);
    assert_eq!(first.reused, 0);
    let second = explain(&ranker, other);
    assert!(second.reused > 10, "{}", second.reused);
    ranker.forget();
    let anew = explain(&ranker, other);
    assert_eq!(anew.reused, 0);
    assert!(distance(&second.letter_logits, &anew.letter_logits) < TOLERANCE);
    assert!(distance(&first.letter_logits, &anew.letter_logits) > 10.0 * TOLERANCE);
}

#[test]
fn a_pass_that_fails_leaves_nothing() {
    let (memory, layout) = (Memory::default(), Layout::prompt(&ids(5)));
    let ranker = Ranker::from_gguf(tiny_llama::gguf(7), &Device::flex()).unwrap();
    let read = |fails: bool| {
        pollster::block_on(memory.during(&layout, async |cache| {
            let _ = ranker.llama().hidden_after(cache, &layout, None);
            if fails { Err("no device") } else { Ok(()) }
        }))
    };
    assert_eq!(read(false), Ok(((), 0)));
    assert_eq!(read(false), Ok(((), 4)));
    assert_eq!(read(true), Err("no device"));
    assert_eq!(read(false), Ok(((), 0)));
}

/// Says after how many pieces to stop, and notes what it heard.
fn pause(heard: &Arc<Mutex<Vec<(usize, usize)>>>, pieces: usize) -> Pause {
    let heard = Arc::clone(heard);
    Box::new(move |read, of| {
        let mut heard = heard.lock().unwrap();
        heard.push((read, of));
        Box::pin(std::future::ready(heard.len() <= pieces))
    })
}

#[test]
fn a_text_in_pieces_is_read_as_in_one() {
    let gguf = tiny_llama::gguf(7);
    let text = "(A) Heat (1995) (B) Alien (1979)\n".repeat(16);
    for device in devices() {
        let mut ranker = Ranker::from_gguf(gguf.clone(), &device).unwrap();
        ranker.tune(&tuned::adapter(&gguf), &sha256(&gguf[..], |_| ()).unwrap()).unwrap();
        let history = vec!["Crouching Tiger, Hidden Dragon (2000)"; 12];
        let explain = |ranker: &Ranker| pollster::block_on(ranker.explain(&text, 0));
        let score = |ranker: &Ranker| {
            let adapter = ranker.tuned().unwrap();
            pollster::block_on(ranker.score(adapter, true, &history, &["Heat (1995)", "Up (2009)"]))
        };
        let (whole, scores) = (explain(&ranker).unwrap(), score(&ranker).unwrap());
        let tokens = whole.encoded.ids.len();
        assert!(tokens > 3 * PIECE && scores.tokens > 2 * PIECE, "{tokens} {}", scores.tokens);

        let heard = Arc::default();
        ranker.pause_between_pieces(pause(&heard, usize::MAX));
        ranker.forget();
        let pieces = explain(&ranker).unwrap();
        assert!(distance(&pieces.letter_logits, &whole.letter_logits) < TOLERANCE);
        assert_eq!(pieces.reused, 0, "what this pass itself has read was not known before");
        let expected: Vec<_> = (0..tokens).step_by(PIECE).map(|read| (read, tokens)).collect();
        assert_eq!(*heard.lock().unwrap(), expected);
        assert!(distance(&score(&ranker).unwrap().scores, &scores.scores) < TOLERANCE);

        // Stopped before its third piece, it knows two and goes on there.
        heard.lock().unwrap().clear();
        ranker.pause_between_pieces(pause(&heard, 2));
        ranker.forget();
        assert!(matches!(explain(&ranker), Err(RankerError::Stopped)));
        assert!(matches!(score(&ranker), Err(RankerError::Stopped)));
        ranker.pause_between_pieces(pause(&heard, usize::MAX));
        let resumed = explain(&ranker).unwrap();
        assert_eq!(resumed.reused, 2 * PIECE);
        assert!(distance(&resumed.letter_logits, &whole.letter_logits) < TOLERANCE);
        assert!(distance(&score(&ranker).unwrap().scores, &scores.scores) < TOLERANCE);
        // Known but for its end, it is read at once.
        heard.lock().unwrap().clear();
        assert_eq!(explain(&ranker).unwrap().reused, tokens - 1);
        assert_eq!(*heard.lock().unwrap(), [(tokens - 1, tokens)]);
    }
}

#[test]
fn generation_writes_what_a_whole_pass_finds_likeliest() {
    let ranker = Ranker::from_gguf(tiny_llama::gguf(7), &Device::flex()).unwrap();
    let (llama, prompt) = (ranker.llama(), "(A) Heat (1995)\n");
    let mut generation = ranker.generate(prompt).unwrap();
    let mut ids = ranker.tokens().ids(prompt).unwrap();
    assert_eq!(generation.prompt_tokens(), ids.len());
    for _ in 0..12 {
        let hidden = llama.hidden(&[Layout::prompt(&ids)], None).into_data().try_to_vec::<f32>().unwrap();
        let logits = llama.head().logits(&hidden, 0..llama.head().n_vocab() as u32);
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        ids.push(best as u32);
        assert_eq!(pollster::block_on(generation.next()).unwrap(), best as u32);
    }
    let written = &ids[generation.prompt_tokens()..];
    assert_eq!(generation.text().unwrap(), ranker.tokens().decode(written).unwrap());
    assert!(ranker.generate("").is_err());
}
