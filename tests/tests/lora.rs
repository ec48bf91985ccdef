//! Golden numbers of LoRA fine-tuning on a tiny Llama: scores, losses, every gradient, ten steps of AdamW.
//!
//! Made with PyTorch 1.13 in float64, independently: branches once under a block mask and once each as a
//! plain causal sequence (equal to 1e-12), gradients checked by central differences (1e-8), the optimizer by
//! its formulas. Tensor number k is filled with 0.3 sin(1 + n + 10 k), gains are 1 more; LoRA tensors follow
//! the model's; scale 3, rank 2, blocks 1 and 2 of 3.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Gradients, Int, Tensor, TensorData, activation::log_softmax},
};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::Value;
use shared::{
    llama::{Adapter, AdapterConfig, Branch, Layout, Llama, LlamaConfig, RopePairs},
    weights::{
        gguf::Gguf,
        names::{GGUF, Names},
        safetensors::Checkpoint,
    },
};
use tests::{gpu, tiny_llama};
use trainer::train::AdamW;

const YES_NO: [u32; 2] = [6, 9];

/// Numbers of an entry of the goldens, all in a row.
fn golden(key: &str) -> Vec<f32> {
    fn numbers(value: &Value) -> Vec<f32> {
        match value {
            Value::Array(values) => values.iter().flat_map(numbers).collect(),
            other => vec![other.as_f64().expect("a number") as f32],
        }
    }
    let all: Value = serde_json::from_str(include_str!("../golden/lora.json")).unwrap();
    let entry = key.split('/').fold(&all, |value, key| &value[key]);
    numbers(entry)
}

fn config() -> LlamaConfig {
    LlamaConfig {
        n_vocab: 13,
        d_model: 16,
        n_layers: 3,
        n_heads: 4,
        n_kv_heads: 2,
        d_head: 4,
        d_ff: 24,
        max_len: 64,
        rope_theta: 10_000.0,
        rope_pairs: RopePairs::Interleaved,
        norm_eps: 1e-5,
    }
}

/// Tensors before the LoRA ones.
const FROZEN: usize = 29;

fn wave(k: usize, n: usize) -> f32 {
    (0.3 * (1.0 + n as f64 + 10.0 * k as f64).sin()) as f32
}

/// The formula as a file.
fn checkpoint() -> Checkpoint {
    let Names { embedding, norm, attn_norm, q, k, v, o, mlp_norm, gate, up, down, .. } = GGUF;
    let inner = [
        (attn_norm, [1, 16]),
        (q, [16, 16]),
        (k, [8, 16]),
        (v, [8, 16]),
        (o, [16, 16]),
        (mlp_norm, [1, 16]),
        (gate, [24, 16]),
        (up, [24, 16]),
        (down, [16, 24]),
    ];
    let blocks = (0..3).flat_map(|n| inner.map(|(name, shape)| (GGUF.in_block(n, name), shape)));
    let all = [(embedding.to_owned(), [13, 16])].into_iter().chain(blocks);
    let all: Vec<(String, [usize; 2], Vec<u8>)> = all
        .chain([(norm.to_owned(), [1, 16])])
        .enumerate()
        .map(|(number, (name, shape))| {
            let gain = if name.contains("norm") { 1.0 } else { 0.0 };
            let values = (0..shape[0] * shape[1]).map(|n| gain + wave(number, n));
            (name, shape, values.flat_map(f32::to_le_bytes).collect())
        })
        .collect();
    assert_eq!(all.len(), FROZEN);
    let views = all
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    Checkpoint::parse(safetensors::serialize(views, None).unwrap()).unwrap()
}

/// Fills the adapter's tensors in their order.
struct Fill(usize);

impl ModuleMapper for Fill {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        let values = (0..shape.num_elements()).map(|n| wave(self.0, n)).collect();
        self.0 += 1;
        Param::from_data(TensorData::new::<f32, _>(values, shape), &param.lazy_device())
    }
}

fn llama() -> Llama {
    Llama::load(config(), &checkpoint(), &Device::flex()).unwrap()
}

fn adapter(device: &Device) -> Adapter {
    let config = AdapterConfig::new(&config(), 2, 2, 6.0, 0.0);
    Adapter::new(config, 1, device).unwrap().map(&mut Fill(FROZEN))
}

fn layouts() -> [Layout; 2] {
    [layout(&[1, 2, 3, 4, 5], &[&[6, 7], &[8], &[9, 10, 11], &[2, 12]]), layout(&[3, 1], &[&[5], &[7, 7, 1]])]
}

/// Branches behind the whole prefix.
fn layout(prefix: &[u32], branches: &[&[u32]]) -> Layout {
    let branch = |ids: &&[u32]| Branch { seen: prefix.len(), ids: ids.to_vec() };
    Layout::new(prefix.to_vec(), branches.iter().map(branch).collect())
}

/// Logits of these tokens at each read: `[reads, ids]`.
fn logits(llama: &Llama, layouts: &[Layout], ids: &[u32], adapter: Option<&Adapter>) -> Tensor<2> {
    let hidden = llama.hidden(layouts, adapter);
    let rows = llama.head().lookup(ids, &hidden.device());
    hidden.matmul(rows.transpose())
}

/// Yes against no: `[reads]`.
fn scores(llama: &Llama, adapter: Option<&Adapter>) -> Tensor<1> {
    let logits = logits(llama, &layouts(), &YES_NO, adapter);
    (logits.clone().narrow(1, 0, 1) - logits.narrow(1, 1, 1)).squeeze_dim(1)
}

fn cross_entropy(logits: Tensor<1>, target: usize) -> Tensor<1> {
    log_softmax(logits, 0).narrow(0, target, 1).neg()
}

fn close(found: Tensor<1>, expected: &[f32], within: f32, what: &str) {
    let found: Vec<f32> = found.into_data().try_into_vec().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < within, "{what}: {a} is not {b}");
    }
}

/// The gradients by the names of the goldens.
fn gradients(adapter: &Adapter, gradients: &Gradients) -> BTreeMap<String, Tensor<1>> {
    struct Collect<'a> {
        gradients: &'a Gradients,
        path: Vec<String>,
        found: BTreeMap<String, Tensor<1>>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.gradients).expect("every tensor has a gradient");
            let count = gradient.shape().num_elements();
            // `blocks.0` is block 1 of the model.
            let name = self.path[1..].join(".").replace("1.", "2.").replace("0.", "1.");
            self.found.insert(name, gradient.reshape([count]));
        }
    }
    let mut collect = Collect { gradients, path: Vec::new(), found: BTreeMap::new() };
    adapter.visit(&mut collect);
    collect.found
}

/// Mean cross entropy of both layouts.
fn loss(llama: &Llama, adapter: &Adapter) -> Tensor<1> {
    let scores = scores(llama, Some(adapter));
    let first = cross_entropy(scores.clone().narrow(0, 0, 4), 2);
    (first + cross_entropy(scores.narrow(0, 4, 2), 0)) / 2.0
}

#[test]
fn scores_of_branches_with_and_without_an_adapter() {
    let llama = llama();
    close(scores(&llama, None), &golden("frozen_scores"), 2e-5, "frozen");
    close(scores(&llama, Some(&adapter(&Device::flex()))), &golden("scores"), 2e-5, "adapted");
    assert!(adapter(&Device::flex()).block(0).is_none());
}

#[test]
fn every_gradient_of_the_loss_over_branches() {
    let llama = llama();
    let adapter = adapter(&Device::flex().autodiff());
    let loss = loss(&llama, &adapter);
    close(loss.clone().inner(), &golden("loss"), 2e-5, "loss");
    let found = gradients(&adapter, &loss.backward());
    assert_eq!(found.len(), 8);
    for (name, gradient) in found {
        close(gradient, &golden(&format!("gradients/{name}")), 1e-4, &name);
    }
}

#[test]
fn ten_steps_of_the_optimizer() {
    let llama = llama();
    let mut adapter = adapter(&Device::flex().autodiff());
    let mut adam = AdamW::new(0.01, 0.0, 1.0).with_epsilon(1e-8);
    for (step, expected) in golden("losses").into_iter().enumerate() {
        let loss = loss(&llama, &adapter);
        close(loss.clone().inner(), &[expected], 1e-4, &format!("loss before step {step}"));
        let gradients = GradientsParams::from_grads(loss.backward(), &adapter);
        adapter = adam.step(adapter, gradients);
    }
    close(scores(&llama, Some(&adapter)).inner(), &golden("final_scores"), 1e-4, "after ten steps");
}

#[test]
fn letters_read_at_the_end_of_a_prompt() {
    let llama = llama();
    let adapter = adapter(&Device::flex().autodiff());
    let prompt = [Layout::prompt(&[1, 2, 3, 4, 5, 6, 7])];
    let logits = logits(&llama, &prompt, &[8, 9, 10, 11], Some(&adapter)).squeeze_dim::<1>(0);
    close(logits.clone().inner(), &golden("letter_logits"), 1e-5, "letters");
    let loss = cross_entropy(logits, 1);
    close(loss.clone().inner(), &golden("letter_loss"), 1e-5, "loss");
    for (name, gradient) in gradients(&adapter, &loss.backward()) {
        let norm = gradient.square().sum().sqrt();
        close(norm, &golden(&format!("letter_gradient_norms/{name}")), 1e-5, &name);
    }
}

#[test]
fn a_gpu_gives_the_same_states() {
    let Some(gpu) = gpu() else { return };
    let gguf = Gguf::parse(tiny_llama::gguf(3)).unwrap();
    let config = LlamaConfig::from_gguf(&gguf).unwrap();
    let sizes = AdapterConfig::new(&config, 2, 4, 8.0, 0.0);
    let layouts = [layouts().to_vec(), vec![Layout::prompt(&[7, 8, 9, 10])]].concat();
    let run = |device: &Device, tuned: bool| -> Vec<f32> {
        let llama = Llama::load(config.clone(), &gguf, device).unwrap();
        let adapter = Adapter::new(sizes, 5, device).unwrap().map(&mut Fill(0));
        let hidden = llama.hidden(&layouts, tuned.then_some(&adapter));
        hidden.into_data().try_into_vec().unwrap()
    };
    let [plain, tuned] = [false, true].map(|tuned| run(&Device::flex(), tuned));
    let furthest = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest(&plain, &tuned) > 0.1, "the adapter says nothing");
    assert!(furthest(&plain, &run(&gpu, false)) < 1e-3);
    assert!(furthest(&tuned, &run(&gpu, true)) < 1e-3);
}

#[test]
fn a_gpu_gives_the_same_gradients() {
    let Some(gpu) = gpu() else { return };
    // Blocks of 4 bits, as kernels read them.
    let gguf = Gguf::parse(tiny_llama::gguf(3)).unwrap();
    let config = LlamaConfig::from_gguf(&gguf).unwrap();
    let sizes = AdapterConfig::new(&config, 1, 4, 8.0, 0.0);
    let run = |device: &Device| {
        let llama = Llama::load(config.clone(), &gguf, device).unwrap();
        let adapter = Adapter::new(sizes, 5, &device.clone().autodiff()).unwrap();
        let hidden = llama.hidden(&layouts(), Some(&adapter));
        let gradients = gradients(&adapter, &(hidden.clone() * hidden).sum().backward());
        let values = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap();
        gradients.into_iter().map(|(name, gradient)| (name, values(gradient))).collect::<Vec<_>>()
    };
    let mut largest = 0.0_f32;
    for ((name, cpu), (_, gpu)) in run(&Device::flex()).into_iter().zip(run(&gpu)) {
        for (a, b) in cpu.iter().zip(&gpu) {
            assert!((a - b).abs() < 1e-3 * (1.0 + a.abs()), "{name}: {a} on the CPU, {b} on the GPU");
            largest = largest.max(a.abs());
        }
    }
    assert!(largest > 0.01, "the gradients say nothing");
}

#[test]
fn the_order_of_branches_changes_nothing() {
    let (llama, adapter) = (llama(), adapter(&Device::flex()));
    let branches: [&[u32]; 4] = [&[6, 7], &[8], &[9, 10, 11], &[2, 12]];
    let read =
        |order: [usize; 4]| llama.hidden(&[layout(&[1, 2, 3], &order.map(|n| branches[n]))], Some(&adapter));
    let order = [3, 0, 2, 1];
    let indices = Tensor::<1, Int>::from_ints(order.map(|n| i32::try_from(n).unwrap()), &Device::flex());
    let expected: Vec<f32> = read([0, 1, 2, 3]).select(0, indices).into_data().try_into_vec().unwrap();
    close(read(order).flatten(0, 1), &expected, 1e-5, "states");
}

#[test]
fn a_branch_equals_a_prompt_of_its_own() {
    let (llama, adapter) = (llama(), adapter(&Device::flex()));
    let layout = Layout::new(
        vec![1, 2, 3, 4],
        vec![Branch { seen: 2, ids: vec![6, 7] }, Branch { seen: 4, ids: vec![8] }],
    );
    let alone = [Layout::prompt(&[1, 2, 6, 7]), Layout::prompt(&[1, 2, 3, 4, 8])];
    let expected: Vec<f32> = llama.hidden(&alone, Some(&adapter)).into_data().try_into_vec().unwrap();
    close(llama.hidden(&[layout], Some(&adapter)).flatten(0, 1), &expected, 1e-5, "states");
}

#[test]
fn an_adapter_survives_its_file_and_other_models_refuse_it() {
    let device = Device::flex();
    let adapter = adapter(&device);
    let bytes = adapter.to_safetensors(&[("made", "here".to_owned())].into()).unwrap();
    let again = Adapter::from_safetensors(&bytes, &device).unwrap();
    assert_eq!(again.to_safetensors(&[("made", "here".to_owned())].into()).unwrap(), bytes);
    assert_eq!(again.check(&config()), Ok(()));
    let other = LlamaConfig { n_layers: 4, ..config() };
    assert!(again.check(&other).unwrap_err().to_string().contains("this one has 4 blocks"));
    let fresh = Adapter::new(*again.config(), 7, &device).unwrap();
    close(scores(&llama(), Some(&fresh)), &golden("frozen_scores"), 2e-5, "a fresh adapter");
    for (top, rank) in [(0, 2), (4, 2), (2, 0), (2, 99)] {
        assert!(Adapter::new(AdapterConfig::new(&config(), top, rank, 6.0, 0.0), 1, &device).is_err());
    }
    assert!(Adapter::from_safetensors(&bytes[..bytes.len() - 1], &device).is_err());
}
