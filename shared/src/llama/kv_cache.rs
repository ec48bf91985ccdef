//! Keys and values of a prefix that was read before. A later pass over a layout that begins alike computes only
//! what is new: other candidates behind the same history, one item more at its end, the next token of a text.

use std::sync::{Mutex, PoisonError};

use burn::tensor::Tensor;

use super::sight::Layout;

/// What one model, with one adapter or without, has read last.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    ids: Vec<u32>,
    blocks: Vec<Option<Rows>>,
}

/// Keys and values of one block, each `[rows, n_kv_heads, d_head]`. Rows behind the cached ones are room for more.
#[derive(Clone, Debug)]
struct Rows {
    keys: Tensor<3>,
    values: Tensor<3>,
}

/// One block's place in a cache of which the first `count` rows are known.
pub(super) struct Known<'a> {
    rows: &'a mut Option<Rows>,
    count: usize,
}

impl KvCache {
    /// The tokens whose keys and values it holds.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// How many of the first tokens of `layout` are known.
    pub fn known(&self, layout: &Layout) -> usize {
        let prefix = layout.prefix();
        // What is read must be computed: of a prompt that is the last token.
        let most = if layout.is_prompt() { prefix.len() - 1 } else { prefix.len() };
        self.ids.iter().zip(&prefix[..most]).take_while(|(one, other)| one == other).count()
    }

    /// Prepares for a pass over `layout` and gives the number of its first tokens that are known. Only prefixes are kept:
    /// after the pass the cache holds this one's.
    pub(super) fn start(&mut self, layout: &Layout, blocks: usize) -> usize {
        let known = self.known(layout);
        if known == 0 {
            // Before the pass, whose keys and values then find their room.
            self.blocks.clear();
        }
        self.blocks.resize(blocks, None);
        self.ids = layout.prefix().to_vec();
        known
    }

    /// The place of block `n` in a pass whose first `count` tokens are known.
    pub(super) fn block(&mut self, n: usize, count: usize) -> Known<'_> {
        Known { rows: &mut self.blocks[n], count }
    }
}

/// A cache for passes that share a model: the latest has it.
#[derive(Debug, Default)]
pub struct Memory(Mutex<KvCache>);

impl Memory {
    /// Runs a pass over `layout` with what is known; gives its result and how many tokens were known. A pass that fails
    /// leaves nothing, because nobody knows how far it came; one beside it starts with nothing.
    ///
    /// # Errors
    /// Those of `pass`.
    pub async fn during<T, E>(
        &self,
        layout: &Layout,
        pass: impl AsyncFnOnce(&mut KvCache) -> Result<T, E>,
    ) -> Result<(T, usize), E> {
        let mut cache = self.replace(KvCache::default());
        let known = cache.known(layout);
        let result = pass(&mut cache).await?;
        self.replace(cache);
        Ok((result, known))
    }

    /// How many of the first tokens of `layout` are known.
    pub fn known(&self, layout: &Layout) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known(layout)
    }

    /// Forgets what was read.
    pub fn forget(&self) {
        self.replace(KvCache::default());
    }

    fn replace(&self, cache: KvCache) -> KvCache {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), cache)
    }
}

impl Known<'_> {
    /// Adds what was computed now, each `[tokens, n_kv_heads, d_head]`, and gives all keys and values.
    pub(super) fn extend(self, keys: Tensor<3>, values: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let [tokens, n_kv_heads, d_head] = keys.dims();
        let end = self.count + tokens;
        let place = [self.count..end, 0..n_kv_heads, 0..d_head];
        let write = |room: Tensor<3>, new: Tensor<3>| room.slice_assign(place.clone(), new);
        let Rows { keys, values } = match self.rows.take() {
            Some(old) if self.count > 0 => {
                let old = old.with_room_for(self.count, end);
                Rows { keys: write(old.keys, keys), values: write(old.values, values) }
            }
            _ => Rows { keys, values },
        };
        let all = |rows: &Tensor<3>| rows.clone().narrow(0, 0, end);
        let seen = (all(&keys), all(&values));
        *self.rows = Some(Rows { keys, values });
        seen
    }
}

impl Rows {
    /// The first `count` rows with room up to `end`, and then some if few come: a text that grows token by token is not copied
    /// for each.
    fn with_room_for(self, count: usize, end: usize) -> Self {
        let [room, n_kv_heads, d_head] = self.keys.dims();
        if room >= end {
            return self;
        }
        let room = if end - count < GROWTH { end.next_multiple_of(GROWTH) } else { end };
        let more = room - count;
        let grow = |rows: Tensor<3>| {
            let new = Tensor::zeros([more, n_kv_heads, d_head], &rows.device());
            Tensor::cat(vec![rows.narrow(0, 0, count), new], 0)
        };
        Self { keys: grow(self.keys), values: grow(self.values) }
    }
}

/// Rows by which room grows.
const GROWTH: usize = 256;
