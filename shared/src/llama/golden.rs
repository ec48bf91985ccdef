//! Golden numbers of LoRA fine-tuning on a tiny Llama: scores, losses, every gradient, ten steps of AdamW.
//!
//! Made with PyTorch 1.13 in float64, independently: branches once under a block mask and once each as a
//! plain causal sequence (equal to 1e-12), gradients checked by central differences (1e-8), the optimizer by
//! its formulas. Tensor number k is filled with 0.3 sin(1 + n + 10 k), gains are 1 more; LoRA tensors follow
//! the model's; scale 3, rank 2, blocks 1 and 2 of 3.

use std::sync::Arc;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Gradients, Int, Tensor, TensorData, activation::log_softmax},
};
use serde::Deserialize;

use super::{Adapter, AdapterConfig, Layout, Llama, LlamaConfig, RopePairs};
use crate::{
    quant::Format,
    weights::{
        TensorBytes, TensorSource, WeightError,
        names::{GGUF, Names},
    },
};

const YES_NO: [u32; 2] = [6, 9];

#[derive(Deserialize)]
struct Golden {
    frozen_scores: Vec<Vec<f32>>,
    scores: Vec<Vec<f32>>,
    loss: f32,
    gradients: std::collections::BTreeMap<String, Vec<f32>>,
    letter_logits: Vec<f32>,
    letter_loss: f32,
    letter_gradient_norms: std::collections::BTreeMap<String, f32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/lora.json")).expect("the file is whole")
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
struct Formula;

impl TensorSource for Formula {
    fn tensor(&self, name: &str) -> Result<TensorBytes, WeightError> {
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
        let mut all = std::iter::once((embedding.to_owned(), [13, 16]))
            .chain(blocks)
            .chain([(norm.to_owned(), [1, 16])]);
        let (number, (_, shape)) = all
            .by_ref()
            .enumerate()
            .find(|(_, (other, _))| other == name)
            .ok_or_else(|| WeightError::Missing(name.to_owned()))?;
        let gain = if name.contains("norm") { 1.0 } else { 0.0 };
        let bytes: Vec<u8> =
            (0..shape[0] * shape[1]).flat_map(|n| (gain + wave(number, n)).to_le_bytes()).collect();
        let range = 0..bytes.len();
        Ok(TensorBytes::new(Arc::new(bytes), range, Format::F32, shape))
    }
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
    Llama::load(config(), &Formula, &Device::flex()).expect("all tensors are there")
}

fn adapter(device: &Device) -> Adapter {
    let config = AdapterConfig::new(&config(), 2, 2, 6.0, 0.0);
    Adapter::new(config, 1, device).expect("possible").map(&mut Fill(FROZEN))
}

fn layouts() -> [Layout; 2] {
    [
        Layout::new(vec![1, 2, 3, 4, 5], vec![vec![6, 7], vec![8], vec![9, 10, 11], vec![2, 12]]),
        Layout::new(vec![3, 1], vec![vec![5], vec![7, 7, 1]]),
    ]
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
    let found: Vec<f32> = found.into_data().try_into_vec().expect("f32");
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < within, "{what}: {a} is not {b}");
    }
}

/// The gradients by the names of the goldens.
fn gradients(adapter: &Adapter, gradients: &Gradients) -> Vec<(String, Tensor<1>)> {
    let mut found = Vec::new();
    for n in [1, 2] {
        let block = adapter.block(n).expect("adapted");
        for (name, lora) in [("q", &block.q), ("v", &block.v)] {
            for (part, param) in [("a", &lora.a), ("b", &lora.b)] {
                let gradient = param.val().grad(gradients).expect("every tensor has a gradient");
                found.push((format!("{n}.{name}.{part}"), gradient.flatten::<1>(0, 1)));
            }
        }
    }
    found
}

#[test]
fn scores_of_branches_with_and_without_an_adapter() {
    let (llama, golden) = (llama(), golden());
    close(scores(&llama, None), &golden.frozen_scores.concat(), 2e-5, "frozen");
    close(scores(&llama, Some(&adapter(&Device::flex()))), &golden.scores.concat(), 2e-5, "adapted");
    assert!(adapter(&Device::flex()).block(0).is_none());
}

#[test]
fn every_gradient_of_the_loss_over_branches() {
    let (llama, golden) = (llama(), golden());
    let adapter = adapter(&Device::flex().autodiff());
    let scores = scores(&llama, Some(&adapter));
    let loss =
        (cross_entropy(scores.clone().narrow(0, 0, 4), 2) + cross_entropy(scores.narrow(0, 4, 2), 0)) / 2.0;
    close(loss.clone().inner(), &[golden.loss], 2e-5, "loss");
    let found = gradients(&adapter, &loss.backward());
    assert_eq!(found.len(), golden.gradients.len());
    for (name, gradient) in found {
        close(gradient, &golden.gradients[&name], 1e-4, &name);
    }
}

#[test]
fn letters_read_at_the_end_of_a_prompt() {
    let (llama, golden) = (llama(), golden());
    let adapter = adapter(&Device::flex().autodiff());
    let prompt = [Layout::prompt(&[1, 2, 3, 4, 5, 6, 7])];
    let logits = logits(&llama, &prompt, &[8, 9, 10, 11], Some(&adapter)).squeeze_dim::<1>(0);
    close(logits.clone().inner(), &golden.letter_logits, 1e-5, "letters");
    let loss = cross_entropy(logits, 1);
    close(loss.clone().inner(), &[golden.letter_loss], 1e-5, "loss");
    for (name, gradient) in gradients(&adapter, &loss.backward()) {
        let norm = gradient.square().sum().sqrt();
        close(norm, &[golden.letter_gradient_norms[&name]], 1e-5, &name);
    }
}

#[test]
fn the_order_of_branches_changes_nothing() {
    let (llama, adapter) = (llama(), adapter(&Device::flex()));
    let branches = [vec![6, 7], vec![8], vec![9, 10, 11], vec![2, 12]];
    let read = |order: [usize; 4]| {
        let layout = Layout::new(vec![1, 2, 3], order.map(|n| branches[n].clone()).to_vec());
        llama.hidden(&[layout], Some(&adapter))
    };
    let order = [3, 0, 2, 1];
    let indices = Tensor::<1, Int>::from_ints(order.map(|n| n as i32), &Device::flex());
    let expected: Vec<f32> = read([0, 1, 2, 3]).select(0, indices).into_data().try_into_vec().expect("f32");
    close(read(order).flatten(0, 1), &expected, 1e-5, "states");
}

#[test]
fn an_adapter_survives_its_file_and_other_models_refuse_it() {
    let device = Device::flex();
    let adapter = adapter(&device);
    let bytes = adapter.to_safetensors(&[("made", "here".to_owned())].into()).expect("writable");
    let again = Adapter::from_safetensors(&bytes, &device).expect("whole");
    assert_eq!(again.to_safetensors(&[("made", "here".to_owned())].into()).expect("writable"), bytes);
    assert_eq!(again.check(&config()), Ok(()));
    let other = LlamaConfig { n_layers: 4, ..config() };
    assert!(again.check(&other).unwrap_err().to_string().contains("this one has 4 blocks"));
    let fresh = Adapter::new(*again.config(), 7, &device).expect("possible");
    close(scores(&llama(), Some(&fresh)), &golden().frozen_scores.concat(), 2e-5, "a fresh adapter");
    for (top, rank) in [(0, 2), (4, 2), (2, 0), (2, 99)] {
        assert!(Adapter::new(AdapterConfig::new(&config(), top, rank, 6.0, 0.0), 1, &device).is_err());
    }
    assert!(Adapter::from_safetensors(&bytes[..bytes.len() - 1], &device).is_err());
}
