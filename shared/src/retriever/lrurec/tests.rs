//! The golden vectors of the reference behaviour, the three forms of the recurrence, the weight file.

use burn::module::ModuleVisitor;
use burn::tensor::activation::log_softmax;

use super::super::{
    Architecture, Retriever,
    golden::{assert_close, model, rows, vec},
};
use super::*;

fn golden() -> Retriever {
    model(Architecture::LruRec, &Device::flex())
}

fn lrurec(model: &Retriever) -> &LruRec {
    model.as_lrurec().expect("that is what it is")
}

fn config(num_items: usize) -> RetrieverConfig {
    RetrieverConfig::new(Architecture::LruRec, num_items)
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
        for scan in [Scan::Sequential, Scan::Parallel, Scan::Fastest] {
            let hidden = lrurec(&model).forward(&rows(&[row]), scan).narrow(1, row.len() - 1, 1);
            assert_close(&vec(model.scores(hidden.squeeze_dim::<2>(1))), &expected, 1e-5);
        }
    }
}

#[test]
fn golden_scores_of_the_streaming_form() {
    let model = golden();
    for (row, expected) in GOLDEN_SCORES {
        let mut state = lrurec(&model).stream();
        let mut hidden = None;
        for &id in row.iter().filter(|&&id| id != 0) {
            hidden = Some(lrurec(&model).push(ItemId(id as u32), &mut state).expect("a known item"));
        }
        let scores = model.scores(hidden.expect("one item at least"));
        assert_close(&vec(scores), &expected, 1e-5);
    }
}

#[test]
fn golden_cross_entropies_of_the_training_example() {
    let model = golden();
    let hidden = model.forward(&rows(&[&[0, 0, 3, 1, 5]])).squeeze_dim::<2>(0);
    let labels = Tensor::<1, Int>::from_ints([0, 3, 1, 5, 2], &Device::flex()).unsqueeze_dim::<2>(1);
    let losses = vec(log_softmax(model.scores(hidden), 1).gather(1, labels).neg());
    assert_close(&losses[1..], &[1.483_358, 2.353_311, 3.228_203, 1.708_807], 1e-5);
}

/// Pseudo-random rows with paddings at the left and in the middle.
fn random(batch: usize, length: usize, num_items: usize) -> Vec<Vec<i32>> {
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
fn all_forms_agree_at_every_length_and_padding() {
    let model = Retriever::new(RetrieverConfig { d_model: 16, ..config(50) }, 5, &Device::flex())
        .expect("valid config");
    for length in [1, 2, 3, 7, 16, 33, 100] {
        let rows = random(3, length, 50);
        let rows = Rows::new(rows.concat(), length);
        let of = |scan| vec(lrurec(&model).forward(&rows, scan));
        let sequential = of(Scan::Sequential);
        assert_close(&of(Scan::Parallel), &sequential, 2e-4);
        assert_close(&of(Scan::Fastest), &sequential, 2e-4);
    }
}

#[cfg(feature = "train")]
#[test]
fn all_forms_have_the_same_gradients() {
    let device = Device::flex().autodiff();
    let config = RetrieverConfig { d_model: 8, dropout: 0.0, attn_dropout: 0.0, ..config(50) };
    let model = Retriever::new(config, 5, &device).expect("valid config");
    let model = lrurec(&model);
    let gradients = |scan| {
        let hidden = model.forward(&Rows::new(random(3, 21, 50).concat(), 21), scan);
        // Weights that differ between places, so that no gradient cancels.
        let weights = Tensor::<1, Int>::arange(0..3 * 21 * 8, &device).float().sin().reshape([3, 21, 8]);
        let gradients = (hidden * weights).sum().backward();
        let embedding = vec(model.embedding.val().grad(&gradients).expect("the embedding is trained"));
        let rings = model.blocks.iter().flat_map(|block| block.lru.ring_gradients(&gradients));
        embedding.into_iter().chain(rings.flat_map(vec)).collect::<Vec<f32>>()
    };
    let sequential = gradients(Scan::Sequential);
    let largest = sequential.iter().fold(0.0, |max: f32, value| max.max(value.abs()));
    assert_close(&gradients(Scan::Parallel), &sequential, 1e-3 * largest);
    assert_close(&gradients(Scan::Fastest), &sequential, 1e-4 * largest);
}

#[test]
fn streaming_agrees_with_the_whole_sequence() {
    let model = golden();
    let history = [3, 1, 5, 7, 2, 2, 6, 4, 1, 3];
    let whole = vec(model.forward(&rows(&[&history])));
    let mut state = lrurec(&model).stream();
    for (t, &id) in history.iter().enumerate() {
        let hidden = vec(lrurec(&model).push(ItemId(id as u32), &mut state).expect("a known item"));
        assert_close(&hidden, &whole[4 * t..4 * t + 4], 1e-5);
    }
}

#[test]
fn a_padding_between_two_sequences_separates_them() {
    let model = golden();
    let packed = vec(model.forward(&rows(&[&[6, 2, 4, 0, 0, 3, 1, 5]])));
    let alone = vec(model.forward(&rows(&[&[0, 3, 1, 5]])));
    // The second padding and all that follows know nothing of what came before the first.
    assert_close(&packed[4 * 4..], &alone, 1e-5);
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
