//! Golden vectors: small models filled by a formula, their scores frozen from independent implementations.
//!
//! LRURec's numbers are the reference behaviour's. The others were made with PyTorch 1.13 in float64, twice:
//! run by run and query by query without masks, and with `F.multi_head_attention_forward` and `nn.GRU`
//! over whole rows; both agree to 4e-16, their gradients to 8e-16 and with central differences to 4e-9.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};

use super::{Architecture, Retriever, RetrieverConfig, Rows};

/// 7 items, width 4, 2 blocks, 2 heads, histories of 5 (and a mask), no dropout.
pub(super) fn config(architecture: Architecture) -> RetrieverConfig {
    let max_len = 5 + usize::from(architecture.is_masked());
    let small = RetrieverConfig { d_model: 4, max_len, ..RetrieverConfig::new(architecture, 7) };
    RetrieverConfig { dropout: 0.0, attn_dropout: 0.0, ..small }
}

/// Names of the tensors in the order in which the golden model numbers them. Matrices of linear layers are
/// `[out, in]` there and marked with `T`.
fn order(architecture: Architecture) -> Vec<String> {
    let attention = "attention.query.weight T, attention.query.bias, attention.key.weight T, \
                     attention.key.bias, attention.value.weight T, attention.value.bias, \
                     attention.output.weight T, attention.output.bias";
    let feed_forward = |path: &str| {
        format!("{path}inner.weight T, {path}inner.bias, {path}outer.weight T, {path}outer.bias")
    };
    let norm = |path: &str| format!("{path}norm.gamma, {path}norm.beta");
    let (head, block, tail) = match architecture {
        Architecture::LruRec => (
            format!("embedding, {}, score_bias", norm("")),
            format!(
                "lru.log_nu, lru.in_re.weight T, lru.in_im.weight T, lru.in_re.bias, lru.in_im.bias, \
                 lru.out_re.weight T, lru.out_im.weight T, lru.out_re.bias, {}, {}, {}",
                norm("lru."),
                feed_forward("feed_forward."),
                norm("feed_forward.")
            ),
            String::new(),
        ),
        Architecture::SasRec => (
            "embedding.table, positions.table".to_owned(),
            format!("{}, {attention}, {}, {}", norm("attention_"), norm("feed_forward_"), feed_forward("")),
            norm(""),
        ),
        Architecture::ESasRec => (
            "embedding.table, positions.table".to_owned(),
            format!(
                "{}, {attention}, attention_gate.weight T, attention_gate.bias, {}, gate.weight T, \
                 up.weight T, down.weight T, feed_forward_gate.weight T, feed_forward_gate.bias",
                norm("attention_"),
                norm("feed_forward_")
            ),
            norm(""),
        ),
        Architecture::Bert4Rec => (
            format!("embedding.table, positions.table, score_bias, {}", norm("")),
            format!(
                "{attention}, {}, {}, {}",
                norm(""),
                feed_forward("feed_forward."),
                norm("feed_forward.")
            ),
            "head.weight T, head.bias".to_owned(),
        ),
        Architecture::Narm => (
            "embedding.table, from_input.weight T, from_input.bias, from_state.weight T, from_state.bias, \
             attend_last.weight T, attend_each.weight T, attend_sum, decoder.weight T"
                .to_owned(),
            String::new(),
            String::new(),
        ),
    };
    let blocks = (0..2).flat_map(|n| block.split(", ").map(move |name| format!("blocks.{n}.{name}")));
    let blocks: Vec<String> = if block.is_empty() { Vec::new() } else { blocks.collect() };
    let head = head.split(", ").map(str::to_owned);
    head.chain(blocks).chain(tail.split(", ").filter(|name| !name.is_empty()).map(str::to_owned)).collect()
}

/// Tensor number k is 0.3 sin(1 + n + 10 k) over its row-major index n; gains are 1 + that.
struct Fill {
    order: Vec<String>,
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
        let name = self.path[2..].join(".");
        let shape: [usize; D] = param.lazy_shape().dims();
        // LRURec's golden model holds the three rings as the rows of one 3 x 8 matrix.
        let (ring, name) = match name.rsplit_once('.') {
            Some((head, "log_nu")) => (Some((0, -1.5)), format!("{head}.log_nu")),
            Some((head, "log_theta")) => (Some((1, 0.5)), format!("{head}.log_nu")),
            Some((head, "log_gamma")) => (Some((2, -1.0)), format!("{head}.log_nu")),
            _ => (None, name),
        };
        let number = |name: &str| self.order.iter().position(|entry| entry == name);
        let transposed = number(&format!("{name} T"));
        let k = transposed.or_else(|| number(&name)).expect("every parameter has a number");
        let value = |n: usize| 0.3 * (1.0 + n as f64 + 10.0 * k as f64).sin();
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|place| {
                let n = match (ring, transposed) {
                    (Some((row, _)), _) => row * count + place,
                    (None, Some(_)) => (place % shape[1]) * shape[0] + place / shape[1],
                    (None, None) => place,
                };
                let offset = ring.map_or(f64::from(u8::from(name.ends_with("gamma"))), |(_, offset)| offset);
                (value(n) + offset) as f32
            })
            .collect();
        self.filled += 1;
        Param::from_data(TensorData::new(values, shape), &param.lazy_device())
    }
}

/// The golden model of an architecture.
pub(super) fn model(architecture: Architecture, device: &Device) -> Retriever {
    let mut fill = Fill { order: order(architecture), path: Vec::new(), filled: 0 };
    let model = Retriever::new(config(architecture), 1, device).expect("valid config").map(&mut fill);
    // The two other rings of each block are parts of a numbered tensor.
    let parts = if architecture == Architecture::LruRec { 4 } else { 0 };
    assert_eq!(fill.filled, fill.order.len() + parts);
    model
}

pub(super) fn rows(rows: &[&[i32]]) -> Rows {
    Rows::left_padded(rows.iter().copied())
}

pub(super) fn vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("f32 values")
}

#[track_caller]
pub(super) fn assert_close(actual: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(actual.len(), expected.len());
    for (a, e) in actual.iter().zip(expected) {
        assert!((a - e).abs() <= tolerance, "{actual:?}\n{expected:?}");
    }
}

/// Frozen numbers of one architecture.
struct Golden {
    architecture: Architecture,
    /// Scores at the last place of [`HISTORIES`].
    scores: [[f32; 8]; 3],
    /// Scores at places 2 and 7 of two histories packed in one row.
    packed: [[f32; 8]; 2],
    /// Cross entropy of the labels of a training row.
    cross_entropies: &'static [f32],
    /// Norms of the mean loss' gradient: of the embedding and of one matrix of the first block.
    gradients: (f32, &'static str, f32),
}

const HISTORIES: [&[i32]; 3] = [&[0, 0, 3, 1, 5], &[2, 7, 3, 1, 5], &[4]];

impl Golden {
    fn check(&self) {
        let model = model(self.architecture, &Device::flex());
        let masked = model.mask();
        for (history, expected) in HISTORIES.iter().zip(&self.scores) {
            let row: Vec<i32> = history.iter().copied().chain(masked).collect();
            assert_close(&vec(model.last_scores(&rows(&[&row]))), expected, 1e-5);
        }
        let packed = if masked.is_some() { [0, 3, 8, 0, 0, 5, 2, 8] } else { [0, 3, 1, 0, 0, 5, 2, 7] };
        let hidden = model.forward(&rows(&[&packed])).squeeze_dim::<2>(0);
        for (place, expected) in [2, 7].into_iter().zip(&self.packed) {
            assert_close(&vec(model.scores(hidden.clone().narrow(0, place, 1))), expected, 1e-5);
        }
        self.check_loss();
    }

    #[cfg(not(feature = "train"))]
    fn check_loss(&self) {
        let model = model(self.architecture, &Device::flex());
        assert_close(&vec(Self::losses(&model)), self.cross_entropies, 1e-5);
    }

    #[cfg(feature = "train")]
    fn check_loss(&self) {
        let model = model(self.architecture, &Device::flex().autodiff());
        let losses = Self::losses(&model);
        assert_close(&vec(losses.clone()), self.cross_entropies, 1e-5);
        let gradients = losses.mean().backward();
        let gradients = burn::optim::GradientsParams::from_grads(gradients, &model);
        let (embedding, name, norm) = self.gradients;
        for (name, norm) in [("embedding.table", embedding), (name, norm)] {
            let mut found = GradientNorm { name, gradients: &gradients, path: Vec::new(), norm: None };
            model.visit(&mut found);
            let found = found.norm.expect("a trained tensor");
            assert!((found - norm).abs() < 1e-3 * norm, "{name}: {found} {norm}");
        }
    }

    fn losses(model: &Retriever) -> Tensor<1> {
        let (row, places, labels): ([i32; 5], &[i32], &[i32]) = match model.mask() {
            None => ([0, 0, 3, 1, 5], &[1, 2, 3, 4], &[3, 1, 5, 2]),
            Some(mask) => ([3, mask, 5, 2, mask], &[1, 4], &[1, 7]),
        };
        let device = model.device();
        let ints = |values: &[i32]| Tensor::<1, Int>::from_ints(values, &device);
        let hidden = model.forward(&rows(&[&row])).squeeze_dim::<2>(0).select(0, ints(places));
        let labels = ints(labels).unsqueeze_dim::<2>(1);
        log_softmax(model.scores(hidden), 1).gather(1, labels).squeeze_dim::<1>(1).neg()
    }
}

/// Finds the norm of one parameter's gradient.
#[cfg(feature = "train")]
struct GradientNorm<'a> {
    name: &'a str,
    gradients: &'a burn::optim::GradientsParams,
    path: Vec<String>,
    norm: Option<f32>,
}

#[cfg(feature = "train")]
impl burn::module::ModuleVisitor for GradientNorm<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path[2..].join(".") == self.name {
            let gradient = self.gradients.get::<D>(param.id).expect("a gradient").inner();
            self.norm = Some(gradient.square().sum().sqrt().into_scalar());
        }
    }
}

#[test]
fn sasrec() {
    Golden {
        architecture: Architecture::SasRec,
        scores: [
            [0.678_699, -0.468_446, -0.066_306, 0.555_127, -0.659_404, 0.306_904, 0.258_193, -0.644_436],
            [0.697_142, -0.671_140, 0.180_231, 0.435_527, -0.749_589, 0.544_402, 0.037_900, -0.593_948],
            [-0.535_823, 1.004_454, -0.777_287, 0.011_683, 0.762_014, -1.007_854, 0.555_541, 0.281_602],
        ],
        packed: [
            [-0.888_787, 1.008_355, -0.429_423, -0.446_976, 1.013_749, -0.878_285, 0.134_422, 0.702_557],
            [-0.434_966, 0.931_894, -0.783_286, 0.092_086, 0.662_903, -0.958_691, 0.590_381, 0.186_893],
        ],
        cross_entropies: &[1.825_013, 1.578_691, 3.255_688, 2.260_327],
        gradients: (1.529_58, "blocks.0.attention.query.weight", 6.275_12e-4),
    }
    .check();
}

#[test]
fn esasrec() {
    Golden {
        architecture: Architecture::ESasRec,
        scores: [
            [0.539_809, -0.308_270, -0.136_811, 0.487_122, -0.499_997, 0.166_518, 0.282_311, -0.535_579],
            [0.799_395, -0.957_293, 0.452_062, 0.366_318, -0.930_945, 0.850_694, -0.181_157, -0.613_870],
            [-0.613_521, 0.787_227, -0.415_612, -0.243_904, 0.734_464, -0.716_251, 0.201_883, 0.452_333],
        ],
        packed: [
            [-0.473_621, 0.721_897, -0.470_106, -0.107_333, 0.610_422, -0.690_663, 0.292_474, 0.308_316],
            [-0.428_620, 0.696_446, -0.481_835, -0.066_549, 0.568_834, -0.677_080, 0.316_305, 0.263_579],
        ],
        cross_entropies: &[2.027_635, 1.605_261, 2.915_023, 2.294_301],
        gradients: (0.735_998, "blocks.0.attention.query.weight", 0.014_123_3),
    }
    .check();
}

#[test]
fn bert4rec() {
    Golden {
        architecture: Architecture::Bert4Rec,
        scores: [
            [0.221_540, 0.093_105, -0.349_596, -0.242_287, 0.017_609, 0.124_455, 0.365_965, 0.082_240],
            [0.192_468, 0.072_861, -0.294_058, -0.294_647, 0.030_520, 0.159_937, 0.306_670, 0.124_275],
            [0.249_440, 0.124_013, -0.417_901, -0.183_901, 0.009_586, 0.076_557, 0.436_604, 0.037_792],
        ],
        packed: [
            [0.246_954, 0.120_327, -0.410_598, -0.189_763, 0.009_946, 0.081_949, 0.429_196, 0.042_086],
            [0.219_070, 0.081_019, -0.331_326, -0.254_086, 0.014_762, 0.139_975, 0.348_522, 0.089_522],
        ],
        cross_entropies: &[2.022_832, 2.101_585],
        gradients: (0.399_323, "blocks.0.attention.query.weight", 0.001_451_04),
    }
    .check();
}

#[test]
fn narm() {
    Golden {
        architecture: Architecture::Narm,
        scores: [
            [0.059_605, -0.082_710, 0.048_520, 0.019_280, -0.073_725, 0.077_099, -0.027_066, -0.041_716],
            [0.057_524, -0.088_315, 0.057_928, 0.012_586, -0.074_381, 0.084_652, -0.036_283, -0.037_219],
            [0.034_533, -0.043_223, 0.021_972, 0.014_499, -0.040_927, 0.039_004, -0.010_063, -0.025_849],
        ],
        packed: [
            [0.045_533, -0.059_853, 0.032_712, 0.017_088, -0.055_052, 0.054_880, -0.016_692, -0.033_059],
            [0.060_280, -0.082_930, 0.048_134, 0.020_006, -0.074_287, 0.077_108, -0.026_516, -0.042_444],
        ],
        cross_entropies: &[2.066_949, 2.119_931, 2.023_655, 2.030_013],
        gradients: (0.160_432, "from_state.weight", 0.005_062_1),
    }
    .check();
}
