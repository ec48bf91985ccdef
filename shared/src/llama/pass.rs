//! One forward pass over several layouts packed behind one another: linear layers see all rows at once,
//! attention stays within a layout. The first rows of a lone layout can be left out if their keys and values are known.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};

#[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
use super::attention_dense::Dense;
use super::{
    beside,
    config::LlamaConfig,
    rope::Rope,
    sight::{Layout, Sight},
};

/// Which rows ask in a block, and what they see.
pub(super) struct Pass {
    /// Rotary tables of all rows.
    pub rope: Rope,
    /// Rows that ask and their rotary tables; `None` if all rows do.
    pub asking: Option<(Tensor<1, Int>, Rope)>,
    /// The layouts in their order.
    pub parts: Vec<Part>,
    /// For a GPU, four numbers a query: first key and length of the stretch it shares with others, first key and
    /// length of its own.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub sights: Option<Tensor<1, Int>>,
    /// The same for attention as products of whole matrices, made when the first block asks.
    #[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
    dense: std::cell::OnceCell<Dense>,
}

/// One layout's rows.
pub(super) struct Part {
    /// Its rows among all keys, known ones included.
    pub keys: Range<usize>,
    /// Its rows among those that ask.
    pub queries: Range<usize>,
    /// What each of those sees; keys count from the layout's first row.
    pub sights: Vec<Sight>,
}

impl Pass {
    /// The passes of all blocks but the last, where every row asks, and of the last, where only the rows
    /// do whose states are read. Keys and values of the first `known` rows come from elsewhere.
    ///
    /// # Panics
    /// If rows are known and there is not one layout that reads only later ones.
    pub fn new(config: &LlamaConfig, layouts: &[Layout], known: usize, device: &Device) -> (Self, Self) {
        assert!(known == 0 || layouts.len() == 1, "known rows belong to one layout");
        let rope = Rope::new(config, layouts.iter().flat_map(Layout::positions).skip(known), device);
        let (mut all, mut last) = (Vec::new(), Vec::new());
        let (mut rows, mut reads, mut asking) = (0, 0, Vec::new());
        for layout in layouts {
            let mut sights = layout.sights();
            let keys = rows..rows + sights.len();
            let read_at = layout.read_at();
            asking.extend(read_at.iter().map(|&at| (rows + at - known) as i32));
            let queries = reads..reads + read_at.len();
            let read = read_at.into_iter().map(|at| sights[at]).collect();
            last.push(Part { keys: keys.clone(), queries: queries.clone(), sights: read });
            let queries_of_all = rows..keys.end - known;
            (rows, reads) = (queries_of_all.end, queries.end);
            sights.drain(..known);
            all.push(Part { keys, queries: queries_of_all, sights });
        }
        let count = asking.len();
        let asking = Tensor::from_data(TensorData::new(asking, [count]), device);
        let asking = Some((asking.clone(), rope.select(&asking)));
        (Self::over(rope.clone(), None, all, device), Self::over(rope, asking, last, device))
    }

    #[cfg_attr(not(any(feature = "wgpu", feature = "cuda")), expect(unused_variables))]
    fn over(rope: Rope, asking: Option<(Tensor<1, Int>, Rope)>, parts: Vec<Part>, device: &Device) -> Self {
        Self {
            rope,
            asking,
            #[cfg(any(feature = "wgpu", feature = "cuda"))]
            sights: (!crate::quant::is_cpu(device)).then(|| upload(&parts, device)),
            #[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
            dense: std::cell::OnceCell::new(),
            parts,
        }
    }

    /// What attention as products of whole matrices needs to know.
    #[cfg(all(any(feature = "wgpu", feature = "cuda"), not(target_arch = "wasm32")))]
    pub fn dense(&self, n_heads: usize, n_kv: usize, device: &Device) -> Dense {
        self.dense.get_or_init(|| Dense::new(&self.parts, n_heads, n_kv, device)).clone()
    }

    /// The rows of `x` that ask.
    pub fn ask(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.asking {
            Some((rows, _)) => {
                let rows = beside(&x, rows);
                x.select(0, rows)
            }
            None => x,
        }
    }
}

/// What the queries see, in rows of the whole pass.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn upload(parts: &[Part], device: &Device) -> Tensor<1, Int> {
    let of = |part: &Part| {
        part.sights.iter().flat_map(|sight| sight.stretches(part.keys.start)).collect::<Vec<u32>>()
    };
    crate::gpu::numbers(parts.iter().flat_map(of).collect(), device)
}
