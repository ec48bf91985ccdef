//! One forward pass over several layouts packed behind one another: linear layers see all rows at once,
//! attention stays within a layout.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};

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
}

/// One layout's rows.
pub(super) struct Part {
    /// Its rows.
    pub keys: Range<usize>,
    /// Its rows among those that ask.
    pub queries: Range<usize>,
    /// What each of those sees; keys count from the layout's first row.
    pub sights: Vec<Sight>,
    /// Whether it is one causal sequence whose last rows ask.
    #[cfg_attr(not(any(feature = "wgpu", feature = "cuda")), expect(dead_code))]
    pub causal: bool,
}

impl Pass {
    /// The passes of all blocks but the last, where every row asks, and of the last, where only the rows
    /// do whose states are read.
    pub fn new(config: &LlamaConfig, layouts: &[Layout], device: &Device) -> (Self, Self) {
        let rope = Rope::new(config, layouts.iter().flat_map(Layout::positions), device);
        let (mut all, mut last) = (Vec::new(), Vec::new());
        let (mut rows, mut reads, mut asking) = (0, 0, Vec::new());
        for layout in layouts {
            let sights = layout.sights();
            let keys = rows..rows + sights.len();
            let read_at = layout.read_at();
            asking.extend(read_at.iter().map(|&at| (rows + at) as i32));
            let queries = reads..reads + read_at.len();
            (rows, reads) = (keys.end, queries.end);
            let causal = layout.is_prompt();
            let read = read_at.into_iter().map(|at| sights[at]).collect();
            last.push(Part { keys: keys.clone(), queries, sights: read, causal });
            all.push(Part { keys: keys.clone(), queries: keys, sights, causal });
        }
        let count = asking.len();
        let asking = Tensor::from_data(TensorData::new(asking, [count]), device);
        let asking = Some((asking.clone(), rope.select(&asking)));
        (Self { rope: rope.clone(), asking: None, parts: all }, Self { rope, asking, parts: last })
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
