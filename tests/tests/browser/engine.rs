//! The engine worker itself, asked without the page: its numbers are those of the native build.

use burn::tensor::Device;
use serde_json::{Value, json};
use shared::{
    CANDIDATES,
    catalog::ItemId,
    protocol::MemoryUse,
    ranker::Ranker,
    recommender::{Options, Recommender},
    trace::{Asking, Trace},
};
use tests::{tiny_llama, tuned};

use super::{
    ask_engine, ask_engine_of,
    driver::{Settings, Visitor},
    site::Served,
};

/// Sends requests one after the other; gives the last event of each answer.
pub const CONVERSATION: &str = "
    const [url, script, requests] = args;
    const worker = new Worker(new URL(script, url), { type: 'module' });
    const events = [];
    let wake = () => {};
    worker.onmessage = event => { events.push(JSON.parse(event.data)); wake(); };
    worker.onerror = event => { events.push({ seq: 0, body: { type: 'failed', message: event.message } }); wake(); };
    const next = async () => {
      while (events.length === 0) await new Promise(resolve => { wake = resolve; });
      return events.shift();
    };
    const answers = [];
    await next();
    let seq = 0;
    for (const body of requests) {
      seq += 1;
      const start = performance.now();
      worker.postMessage(JSON.stringify({ seq, body }));
      for (;;) {
        const event = await next();
        if (event.body.type === 'loading' || event.body.type === 'reading') continue;
        // The retriever's part comes first, then the whole.
        const ranked = trace => trace.ranker || trace.pointwise;
        if (event.body.type === 'recommended' && body.rank && !ranked(event.body.trace)) continue;
        answers.push({ ...event.body, took_ms: performance.now() - start });
        break;
      }
    }
    worker.terminate();
    return answers;
";

/// Loads the ranker, stops the download once more than a chunk has arrived, and loads it again.
const INTERRUPTED: &str = "
    const [url, bundle, chunk] = args;
    const worker = new Worker(new URL('engine_loader.js', url), { type: 'module' });
    const answer = (seq, body, onLoading) => new Promise(resolve => {
      worker.onmessage = message => {
        const event = JSON.parse(message.data);
        if (event.seq !== seq) return;
        if (event.body.type === 'loading') onLoading(event.body); else resolve(event.body);
      };
      worker.postMessage(JSON.stringify({ seq, body }));
    });
    await new Promise(resolve => { worker.onmessage = resolve; });
    await answer(1, { type: 'load_retriever', bundle }, () => {});
    const stop = ({ done }) => { if (done > chunk) worker.postMessage(JSON.stringify({ seq: 3, body: { type: 'cancel_download' } })); };
    const first = await answer(2, { type: 'load_ranker', device: 'cpu' }, stop);
    const steps = [];
    const second = await answer(4, { type: 'load_ranker', device: 'cpu' }, step => steps.push(step));
    worker.terminate();
    return { first, second, resumed_at: steps[0].done, phases: [...new Set(steps.map(step => step.phase))] };
";

/// What a broken adapter is like: its name is a GPU's, its shaders compile, and `Q4_1` codes lose a bit.
const BROKEN: &str = "
    for (const key of ['vendor', 'architecture', 'device', 'description'])
      Object.defineProperty(GPUAdapterInfo.prototype, key, { get: () => key === 'vendor' ? 'acme' : '' });
    Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', { get: () => false });
    const create = GPUDevice.prototype.createShaderModule;
    GPUDevice.prototype.createShaderModule = function (shader) {
      return create.call(this, { ...shader, code: shader.code.replaceAll(BREAK[0], BREAK[1]) });
    };
    await import('./engine_loader.js');
";

const HISTORY: [u32; 5] = [3, 17, 40, 111, 256];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browsers_trace_is_the_native_one() {
    let Some(visitor) = Visitor::start(Settings { webgpu: true, ..Settings::default() }).await else {
        return;
    };
    let gguf = tiny_llama::gguf(11);
    let adapter = tuned::adapter(&gguf);
    let site = Served::with_tuned(&gguf, &adapter);
    visitor.open(&site.url).await;

    let mut native: Recommender = trainer::bundle::load(None).unwrap().recommender;
    let mut ranker = Ranker::from_gguf(gguf.clone(), &Device::flex()).unwrap();
    ranker.tune(&adapter, &trainer::fetch::sha256(&gguf[..], |_| ()).unwrap()).unwrap();
    native.set_ranker(Some(ranker), "cpu".to_owned());
    let history = HISTORY.map(ItemId);
    let mut expected = Vec::new();
    for letters in [false, true] {
        let asking = Asking { letters, ..Asking::default() };
        let options = Options { rank: true, asking, top: 20 };
        expected.push(native.recommend(&history, &options, &|| 0.0).await.unwrap());
    }

    for device in ["cpu", "web_gpu"] {
        let requests = [
            json!({ "type": "load_retriever", "bundle": format!("{}/models/movielens/", site.url) }),
            json!({ "type": "load_ranker", "device": device }),
            json!({ "type": "recommend", "history": history, "rank": true, "asking": {} }),
            json!({ "type": "recommend", "history": history, "rank": true, "asking": { "letters": true } }),
        ];
        let answers = ask_engine(&visitor, &site.url, &requests).await;
        assert_eq!(answers[0]["type"], "retriever_ready", "{}", answers[0]);
        assert_eq!(answers[1]["type"], "ranker_ready", "{}", answers[1]);
        for (answer, expected) in answers[2..].iter().zip(&expected) {
            let trace: Trace = serde_json::from_value(answer["trace"].clone()).unwrap();
            // A CPU rounds inputs to 16 bits, a GPU does not.
            compare(&trace, expected, 5e-3);
        }
    }
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_download_goes_on_where_it_stopped() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    // Large enough to be stopped on its way, and no model.
    let site = Served::with_base(&vec![0; 64 << 20]);
    visitor.open(&site.url).await;
    let bundle = format!("{}/models/movielens/", site.url);
    let chunk = web::stored::CHUNK;
    let told = visitor.resolve(INTERRUPTED, vec![json!(site.url), json!(bundle), json!(chunk)]).await;
    assert_eq!(told["first"], json!({ "type": "cancelled" }), "{told}");
    assert!(told["resumed_at"].as_u64().is_some_and(|done| done >= chunk), "{told}");
    assert_eq!(told["phases"], json!(["download", "verify", "upload"]));
    assert_eq!(
        (&told["second"]["type"], &told["second"]["code"]),
        (&json!("failed"), &json!("format")),
        "{told}"
    );
    visitor.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gpu_that_computes_nonsense_is_not_used() {
    let Some(visitor) = Visitor::start(Settings { webgpu: true, ..Settings::default() }).await else {
        return;
    };
    let script = |to: &str| format!("const BREAK = ['u32(15)', '{to}'];{BROKEN}");
    let scripts = [("whole.js", script("u32(15)")), ("broken.js", script("u32(7)"))];
    let site = Served::with_files(&tiny_llama::gguf(11), &scripts);
    visitor.open(&site.url).await;
    let load = async |script: &str, device: &str| {
        let requests = [
            json!({ "type": "load_retriever", "bundle": format!("{}/models/movielens/", site.url) }),
            json!({ "type": "load_ranker", "device": device }),
            json!({ "type": "explain", "text": "(A) Heat (1995)\n" }),
        ];
        ask_engine_of(&visitor, &site.url, script, &requests).await
    };
    let whole = load("whole.js", "auto").await;
    assert_eq!(whole[1]["device"]["backend"], "webgpu", "{}", whole[1]);

    let broken = load("broken.js", "auto").await;
    assert_eq!(broken[1]["device"]["backend"], "cpu", "{}", broken[1]);
    let reason = broken[1]["device"]["reason"].as_str().unwrap();
    assert!(reason.contains("acme") && reason.contains("wrong numbers"), "{reason}");
    let logits =
        |answer: &Value| -> Vec<f32> { serde_json::from_value(answer["letter_logits"].clone()).unwrap() };
    close(&logits(&broken[2]), &logits(&whole[2]), 1e-3);

    // Asked for by name, it is refused rather than replaced.
    let refused = load("broken.js", "web_gpu").await;
    assert_eq!(
        (&refused[1]["type"], &refused[1]["code"]),
        (&json!("failed"), &json!("device")),
        "{}",
        refused[1]
    );
    assert!(refused[1]["message"].as_str().unwrap().contains("wrong numbers"), "{}", refused[1]);
    visitor.leave().await;
}

/// A helper that listens and takes parts, and then does with them what `DOES` says.
const OTHER_HELPER: &str = "
    addEventListener('message', ({ data: { memory } }) => {
      const control = new Int32Array(memory, 0, 64);
      const [number, next, done, ready] = [0, 1, 2, 3];
      Atomics.add(control, ready, 1);
      for (let last = 0; ; last = Atomics.load(control, number)) {
        Atomics.wait(control, number, last);
        Atomics.add(control, next, 1);
        DOES;
      }
    }, { once: true });
";

/// Helpers change nothing but the time, and nothing depends on them: not on their starting, nor on their going on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn helpers_multiply_and_nothing_depends_on_them() {
    let Some(visitor) = Visitor::start(Settings::default()).await else { return };
    let gguf = tiny_llama::gguf(11);
    let text = "Heat (1995), Toy Story (1995), Casino (1995), Fargo (1996), Jumanji (1995)\n".repeat(4);
    let load = async |site: &Served| {
        visitor.open(&site.url).await;
        let answers =
            explain(&visitor, site, "cpu", ENGINE, &[text.clone(), format!("{text}and others\n")]).await;
        assert_eq!(answers[1]["type"], "ranker_ready", "{}", answers[1]);
        let logits = answers[2..].iter().map(|answer| answer["letter_logits"].to_string());
        (answers[1]["device"]["threads"].as_u64().unwrap(), logits.collect::<Vec<_>>())
    };
    let with = async |does: Option<&str>| {
        let helper = does.map_or_else(String::new, |does| OTHER_HELPER.replace("DOES", does));
        load(&Served::with_files(&gguf, &[("helper.js", helper)])).await
    };
    let (threads, alone) = with(None).await;
    assert_eq!(threads, 1, "a helper that never starts is none");

    let (threads, helped) = load(&Served::with_base(&gguf)).await;
    let cores = visitor.value("navigator.hardwareConcurrency").await.as_u64().unwrap().min(8);
    assert_eq!(threads, cores);
    assert_eq!(helped, alone);
    if cores == 1 {
        return println!("skipped: with one core nobody helps");
    }
    // Parts that are handed in unread, and wrong: so they are used.
    let (threads, wrong) = with(Some("Atomics.add(control, done, 1); Atomics.notify(control, done)")).await;
    assert_eq!(threads, cores);
    assert_ne!(wrong, alone);
    // Parts that are taken and never handed in.
    let (_, left) = with(Some("return")).await;
    assert_eq!(left, alone);
    visitor.leave().await;
}

fn compare(trace: &Trace, expected: &Trace, tolerance: f32) {
    let items =
        |trace: &Trace| -> Vec<ItemId> { trace.candidates.iter().map(|candidate| candidate.item).collect() };
    assert_eq!(items(trace), items(expected));
    assert_eq!(trace.ordering, expected.ordering);
    match (&trace.ranker, &expected.ranker) {
        (Some(got), Some(wanted)) => {
            assert_eq!(got.prompt, wanted.prompt);
            assert_eq!(got.token_ids, wanted.token_ids);
            assert_eq!(got.label_ids, wanted.label_ids);
            close(&got.letter_logits, &wanted.letter_logits, tolerance);
        }
        (got, wanted) => assert!(got.is_none() && wanted.is_none(), "{got:?} {wanted:?}"),
    }
    match (&trace.pointwise, &expected.pointwise) {
        (Some(got), Some(wanted)) => {
            assert_eq!(
                (&got.text, &got.questions, got.tokens),
                (&wanted.text, &wanted.questions, wanted.tokens)
            );
            close(&got.scores, &wanted.scores, tolerance);
        }
        (got, wanted) => assert!(got.is_none() && wanted.is_none(), "{got:?} {wanted:?}"),
    }
    match (&trace.fused, &expected.fused) {
        (Some(got), Some(wanted)) => close(&got.probabilities, &wanted.probabilities, tolerance),
        (got, wanted) => assert!(got.is_none() && wanted.is_none(), "{got:?} {wanted:?}"),
    }
}

fn distance(got: &[f32], wanted: &[f32]) -> f32 {
    got.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn close(got: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(got.len(), wanted.len());
    let worst = distance(got, wanted);
    assert!(worst <= tolerance, "numbers differ by {worst}, more than {tolerance}");
}

/// Bytes of the matrices of SmolLM2-135M in 4 bits: 30 blocks of 3,538,944 numbers, 20 bytes for 32.
const PACKED: usize = 30 * 3_538_944 / 32 * 20;

/// The real base model over a few words, a short prompt and one as long as the paper's: a minute of software WebGPU.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_base_model_gives_the_native_logits() {
    let Some(base) = tests::skip_without_base_model(trainer::fetch::base_model_path(None)) else { return };
    let Some(visitor) = Visitor::start(Settings { webgpu: true, ..Settings::default() }).await else {
        return;
    };
    let texts = [FEW_WORDS.to_owned(), short_prompt(), long_prompt()];
    let bytes = std::fs::read(&base).unwrap();
    let sha256 = trainer::fetch::sha256(&bytes[..], |_| ()).unwrap();
    let mut native = Ranker::from_gguf(bytes, &Device::flex()).unwrap();
    // As on the page, the adapter for letters takes part.
    for adapter in trainer::bundle::load(None).unwrap().adapters {
        native.tune(&adapter, &sha256).unwrap();
    }
    let mut expected = Vec::new();
    for text in &texts {
        native.forget();
        expected.push(native.explain(text, 0).await.unwrap());
    }
    let lengths: Vec<usize> = expected.iter().map(|expected| expected.encoded.ids.len()).collect();
    println!("prompts of {lengths:?} tokens");
    assert!(lengths[0] < 30 && lengths[1] > 140 && lengths[2] > 500, "{lengths:?}");
    let scripts = [("alone.js", ALONE.to_owned()), ("wide.js", WIDE.to_owned())];
    let site = Served::with_real_base(&base, &scripts);
    visitor.open(&site.url).await;
    for (device, script) in
        [("cpu", "alone.js"), ("cpu", ENGINE), ("web_gpu", ENGINE), ("web_gpu", "wide.js")]
    {
        // A large GPU's kernels are slow in software: the long prompt is left out.
        let texts = if script == "wide.js" { &texts[..2] } else { &texts[..] };
        let answers = explain(&visitor, &site, device, script, texts).await;
        let memory: MemoryUse = serde_json::from_value(answers[1]["memory"].clone()).unwrap();
        let threads = &answers[1]["device"]["threads"];
        println!("{device}, threads: {threads}, {memory:?}");
        assert_eq!(memory.gpu.is_some(), device == "web_gpu");
        if let Some(gpu) = memory.gpu {
            // The file stays with the browser: the engine holds the embedding and what it needs to load.
            assert!(memory.engine < 64 << 20, "{memory:?}");
            assert!(gpu as f64 <= 1.3 * PACKED as f64, "{memory:?}");
        }
        for (answer, expected) in answers[2..].iter().zip(&expected) {
            assert_eq!(answer["type"], "explained", "{answer}");
            let ids: Vec<u32> = serde_json::from_value(answer["token_ids"].clone()).unwrap();
            assert_eq!(ids, expected.encoded.ids);
            let logits: Vec<f32> = serde_json::from_value(answer["letter_logits"].clone()).unwrap();
            let worst = distance(&logits, &expected.letter_logits);
            println!(
                "{device}, {script}: {} tokens, {:.0} ms, logits within {worst:.5}",
                ids.len(),
                answer["took_ms"].as_f64().unwrap()
            );
            close(&logits, &expected.letter_logits, 0.02);
        }
    }
    visitor.leave().await;
}

/// The engine as the page starts it.
const ENGINE: &str = "engine_loader.js";
/// The engine where there is one core only.
const ALONE: &str = "
    Object.defineProperty(WorkerNavigator.prototype, 'hardwareConcurrency', { get: () => 1 });
    await import('./engine_loader.js');
";

/// The engine on an adapter that says its subgroups are as wide as a GPU's: with the kernels that GPUs get.
const WIDE: &str = "
    for (const key of ['subgroupMinSize', 'subgroupMaxSize'])
      Object.defineProperty(GPUAdapterInfo.prototype, key, { get: () => 32 });
    await import('./engine_loader.js');
";

/// The engine's answers to loading the retriever, loading the ranker and explaining these texts.
async fn explain(
    visitor: &Visitor,
    site: &Served,
    device: &str,
    script: &str,
    texts: &[String],
) -> Vec<Value> {
    let mut requests = vec![
        json!({ "type": "load_retriever", "bundle": format!("{}/models/movielens/", site.url) }),
        json!({ "type": "load_ranker", "device": device }),
    ];
    requests.extend(texts.iter().map(|text| json!({ "type": "explain", "text": text })));
    ask_engine_of(visitor, &site.url, script, &requests).await
}

/// A few words.
const FEW_WORDS: &str = "Heat (1995), Toy Story (1995): which of the films comes next, and why?";

/// The paper's prompt: so many films, and as many candidates.
fn long_prompt() -> String {
    let catalog = trainer::data::load(None).unwrap().catalog;
    let titles = |first: u32| -> Vec<&str> {
        (first..first + CANDIDATES as u32).map(|n| catalog.title(ItemId(n))).collect()
    };
    shared::prompt::Prompt::render(&titles(1), &titles(21)).text
}

/// A prompt of two films and eight candidates.
fn short_prompt() -> String {
    let candidates = [
        "Casino (1995)",
        "Jumanji (1995)",
        "Seven (1995)",
        "The Usual Suspects (1995)",
        "Fargo (1996)",
        "Twelve Monkeys (1995)",
        "Braveheart (1995)",
        "Sabrina (1995)",
    ];
    shared::prompt::Prompt::render(&["Heat (1995)", "Toy Story (1995)"], &candidates).text
}
