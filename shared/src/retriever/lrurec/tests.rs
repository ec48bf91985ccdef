//! The golden vectors of the reference behaviour, the three forms of the recurrence, the weight file.

use burn::module::{ModuleMapper, ModuleVisitor};
use burn::tensor::activation::log_softmax;

use super::*;

const GOLDEN: LruRecConfig =
    LruRecConfig { num_items: 7, d_model: 4, n_blocks: 2, max_len: 8, dropout: 0.2, attn_dropout: 0.2 };

/// Order in which the reference's golden model is filled, with `[out, in]` for its matrices.
fn fill_order() -> Vec<(String, bool)> {
    let mut names: Vec<(String, bool)> =
        ["embedding", "norm.gamma", "norm.beta", "score_bias"].map(|name| (name.to_owned(), false)).to_vec();
    for block in 0..2 {
        let parts = [
            ("lru.log_nu", false),
            ("lru.in_re.weight", true),
            ("lru.in_im.weight", true),
            ("lru.in_re.bias", false),
            ("lru.in_im.bias", false),
            ("lru.out_re.weight", true),
            ("lru.out_im.weight", true),
            ("lru.out_re.bias", false),
            ("lru.norm.gamma", false),
            ("lru.norm.beta", false),
            ("feed_forward.inner.weight", true),
            ("feed_forward.inner.bias", false),
            ("feed_forward.outer.weight", true),
            ("feed_forward.outer.bias", false),
            ("feed_forward.norm.gamma", false),
            ("feed_forward.norm.beta", false),
        ];
        names.extend(parts.map(|(name, transposed)| (format!("blocks.{block}.{name}"), transposed)));
    }
    names
}

/// Tensor number k is 0.3 sin(1 + n + 10 k) over its row-major index n.
struct Fill {
    path: Vec<String>,
    filled: usize,
}

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let shape: [usize; D] = param.lazy_shape().dims();
        // The reference holds the three rings as the rows of one 3 x 8 matrix.
        let (ring, name) = match name.rsplit_once('.') {
            Some((head, "log_nu")) => (Some((0, -1.5)), format!("{head}.log_nu")),
            Some((head, "log_theta")) => (Some((1, 0.5)), format!("{head}.log_nu")),
            Some((head, "log_gamma")) => (Some((2, -1.0)), format!("{head}.log_nu")),
            _ => (None, name),
        };
        let (k, transposed) = fill_order()
            .into_iter()
            .enumerate()
            .find_map(|(k, (entry, transposed))| (entry == name).then_some((k, transposed)))
            .expect("every parameter has a place in the fill order");
        let value = |n: usize| 0.3 * (1.0 + n as f64 + 10.0 * k as f64).sin();
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|place| {
                let n = match (ring, transposed) {
                    (Some((row, _)), _) => row * count + place,
                    (None, true) => (place % shape[1]) * shape[0] + place / shape[1],
                    (None, false) => place,
                };
                let offset = ring.map_or(f64::from(u8::from(name.ends_with("gamma"))), |(_, offset)| offset);
                (value(n) + offset) as f32
            })
            .collect();
        self.filled += 1;
        Param::from_data(TensorData::new(values, shape), &param.lazy_device())
    }
}

fn golden() -> LruRec {
    let mut fill = Fill { path: Vec::new(), filled: 0 };
    let model = LruRec::new(GOLDEN, 1, &Device::flex()).expect("valid config").map(&mut fill);
    assert_eq!(fill.filled, 4 + 2 * 18);
    model
}

fn ids(rows: &[&[i32]]) -> Tensor<2, Int> {
    let shape = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(rows.concat(), shape), &Device::flex())
}

fn vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32 values")
}

#[track_caller]
fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= tolerance, "{actual:?}\n{expected:?}");
    }
}

const GOLDEN_SCORES: [(&[i32], [f32; 8]); 3] = [
    (
        &[0, 0, 3, 1, 5],
        [0.559_445, -0.492_683, 0.479_657, 0.581_938, -0.861_400, 0.237_422, -0.159_458, -0.489_975],
    ),
    (
        &[2, 7, 3, 1, 5],
        [0.540_578, -0.478_904, 0.480_511, 0.567_042, -0.842_780, 0.227_978, -0.165_730, -0.472_331],
    ),
    (&[4], [-0.918_843, 0.971_579, 0.043_734, -0.312_448, 0.743_742, -0.966_573, -0.190_632, 0.754_774]),
];

#[test]
fn golden_scores_of_the_sequential_and_the_parallel_form() {
    let model = golden();
    for (row, expected) in GOLDEN_SCORES {
        for scan in [Scan::Sequential, Scan::Parallel] {
            let hidden = model.forward_with(ids(&[row]), scan).narrow(1, row.len() - 1, 1);
            assert_close(&vec(model.scores(hidden.squeeze_dim::<2>(1))), &expected, 1e-5);
        }
    }
}

#[test]
fn golden_scores_of_the_streaming_form() {
    let model = golden();
    for (row, expected) in GOLDEN_SCORES {
        let mut state = model.stream();
        let mut hidden = None;
        for &id in row.iter().filter(|&&id| id != 0) {
            hidden = Some(model.push(ItemId(id as u32), &mut state).expect("a known item"));
        }
        let scores = model.scores(hidden.expect("one item at least"));
        assert_close(&vec(scores), &expected, 1e-5);
    }
}

#[test]
fn golden_cross_entropies_of_the_training_example() {
    let model = golden();
    let hidden = model.forward(ids(&[&[0, 0, 3, 1, 5]])).squeeze_dim::<2>(0);
    let labels = Tensor::<1, Int>::from_ints([0, 3, 1, 5, 2], &Device::flex()).unsqueeze_dim::<2>(1);
    let losses = vec(log_softmax(model.scores(hidden), 1).gather(1, labels).neg());
    assert_close(&losses[1..], &[1.483_358, 2.353_311, 3.228_203, 1.708_807], 1e-5);
}

/// Pseudo-random rows with paddings at the left and in the middle.
fn rows(batch: usize, length: usize, num_items: usize) -> Vec<Vec<i32>> {
    let mut rng = crate::metrics::SplitMix64::new(9);
    (0..batch)
        .map(|row| {
            (0..length)
                .map(|t| {
                    let id = rng.below(num_items) as i32 + 1;
                    if t < 3 * row || rng.below(9) == 0 { 0 } else { id }
                })
                .collect()
        })
        .collect()
}

#[test]
fn sequential_and_parallel_agree_at_every_length_and_padding() {
    let model = LruRec::new(LruRecConfig { d_model: 16, ..LruRecConfig::new(50) }, 5, &Device::flex())
        .expect("valid config");
    for length in [1, 2, 3, 7, 16, 33, 100] {
        let rows = rows(3, length, 50);
        let rows: Vec<&[i32]> = rows.iter().map(Vec::as_slice).collect();
        let sequential = vec(model.forward_with(ids(&rows), Scan::Sequential));
        let parallel = vec(model.forward_with(ids(&rows), Scan::Parallel));
        assert_close(&parallel, &sequential, 2e-4);
    }
}

#[cfg(feature = "train")]
#[test]
fn sequential_and_parallel_have_the_same_gradients() {
    let device = Device::flex().autodiff();
    let config = LruRecConfig { d_model: 8, dropout: 0.0, attn_dropout: 0.0, ..LruRecConfig::new(50) };
    let model = LruRec::new(config, 5, &device).expect("valid config");
    let gradients = |scan| {
        let ids = Tensor::from_data(TensorData::new(rows(3, 21, 50).concat(), [3, 21]), &device);
        let hidden = model.forward_with(ids, scan);
        // Weights that differ between places, so that no gradient cancels.
        let weights = Tensor::<1, Int>::arange(0..3 * 21 * 8, &device).float().sin().reshape([3, 21, 8]);
        let gradients = (hidden * weights).sum().backward();
        let embedding = vec(model.embedding.val().grad(&gradients).expect("the embedding is trained"));
        let rings = model.blocks.iter().flat_map(|block| block.lru.ring_gradients(&gradients));
        embedding.into_iter().chain(rings.flat_map(vec)).collect::<Vec<f32>>()
    };
    let (sequential, parallel) = (gradients(Scan::Sequential), gradients(Scan::Parallel));
    let largest = sequential.iter().fold(0.0, |max: f32, value| max.max(value.abs()));
    assert_close(&parallel, &sequential, 1e-3 * largest);
}

#[test]
fn streaming_agrees_with_the_whole_sequence() {
    let model = golden();
    let history = [3, 1, 5, 7, 2, 2, 6, 4, 1, 3];
    let whole = vec(model.forward(ids(&[&history])));
    let mut state = model.stream();
    for (t, &id) in history.iter().enumerate() {
        let hidden = vec(model.push(ItemId(id as u32), &mut state).expect("a known item"));
        assert_close(&hidden, &whole[4 * t..4 * t + 4], 1e-5);
    }
}

#[test]
fn a_padding_between_two_sequences_separates_them() {
    let model = golden();
    let packed = vec(model.forward(ids(&[&[6, 2, 4, 0, 0, 3, 1, 5]])));
    let alone = vec(model.forward(ids(&[&[0, 3, 1, 5]])));
    // The second padding and all that follows know nothing of what came before the first.
    assert_close(&packed[4 * 4..], &alone, 1e-5);
}

#[test]
fn score_history_reads_the_newest_items() {
    let model = golden();
    let history: Vec<ItemId> = (0..20).map(|n| ItemId(n % 7 + 1)).collect();
    let all = futures_block(model.score_history(&history)).expect("known items");
    let newest = futures_block(model.score_history(&history[12..])).expect("known items");
    assert_eq!(all.len(), 8);
    assert_eq!(all, newest);
    let empty = futures_block(model.score_history(&[])).expect("an empty history is one padding");
    assert_close(&empty, &vec(model.last_scores(ids(&[&[0]]))), 0.0);
}

#[test]
fn unknown_items_are_refused() {
    let model = golden();
    for id in [0, 8, u32::MAX] {
        let error = futures_block(model.score_history(&[ItemId(1), ItemId(id)])).expect_err("no such item");
        assert_eq!(
            error.to_string(),
            format!("item {id} is unknown to this retriever, its items are 1 to 7")
        );
    }
}

#[test]
fn weights_survive_the_file() {
    let model = golden();
    let bytes = model.to_safetensors().expect("f32 weights");
    let loaded = LruRec::from_safetensors(&bytes, &Device::flex()).expect("own file");
    assert_eq!(loaded.config(), model.config());
    let row = ids(&[&[0, 0, 3, 1, 5]]);
    assert_eq!(vec(loaded.last_scores(row.clone())), vec(model.last_scores(row)));
    assert!(loaded.to_safetensors().expect("f32 weights") == bytes, "equal models are equal files");
}

#[test]
fn the_config_counts_its_parameters() {
    let model = golden();
    assert_eq!(Some(model.num_params()), GOLDEN.parameters());
}

#[test]
fn damaged_files_are_refused_with_a_reason() {
    let bytes = golden().to_safetensors().expect("f32 weights");
    let refused =
        |bytes: &[u8]| LruRec::from_safetensors(bytes, &Device::flex()).expect_err("damaged").to_string();
    assert!(refused(&[]).contains("not a readable safetensors file"));
    assert!(refused(&bytes[..bytes.len() - 1]).contains("not a readable safetensors file"));

    let replaced = |from: &str, to: &str| {
        let text = bytes.windows(from.len()).position(|w| w == from.as_bytes()).expect("in the header");
        let mut changed = bytes.clone();
        changed[text..text + from.len()].copy_from_slice(to.as_bytes());
        changed
    };
    assert!(refused(&replaced("lrurec", "sasrec")).contains("the model is \"sasrec\""));
    assert!(refused(&replaced("num_items\\\":7", "num_items\\\":9")).contains("the config needs"));
    assert!(refused(&replaced("score_bias", "score_bios")).contains("tensor score_bias is missing"));

    let mut broken = bytes.clone();
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(refused(&broken).contains("holds NaN"));
}

#[test]
fn biases_and_norms_have_names_that_say_so() {
    /// Paths of all parameters.
    struct Paths(Vec<String>, Vec<String>);
    impl ModuleVisitor for Paths {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.1.push(self.0.join("."));
        }
    }
    let mut paths = Paths(Vec::new(), Vec::new());
    golden().visit(&mut paths);
    let undecayed = paths.1.iter().filter(|path| path.contains("bias") || path.contains("norm")).count();
    // Embedding norm 2, score bias 1; a block: input biases 2, output bias 1, norms 4, feed-forward biases 2.
    assert_eq!(undecayed, 3 + 2 * 9);
    assert_eq!(paths.1.len() - undecayed, 1 + 2 * 9);
}

/// Flex answers at once, so one poll is enough.
fn futures_block<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the CPU backend answers at once"),
    }
}
