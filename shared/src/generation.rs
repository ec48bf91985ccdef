//! What the verbalizer spares: writing the ranking out, token by token, each the likeliest one (greedy decoding). The same
//! model, the same kernels, keys and values kept; for comparison only (paper section 4.3, Figure 3).

use crate::{
    llama::{Layout, Memory},
    ranker::{Ranker, RankerError, read},
    ranking::top_k,
};

/// A text that grows behind a prompt. The base model writes, without its adapter.
pub struct Generation<'a> {
    ranker: &'a Ranker,
    ids: Vec<u32>,
    prompt: usize,
    memory: Memory,
}

impl Ranker {
    /// Prepares to write on behind `prompt`; nothing is computed yet.
    ///
    /// # Errors
    /// An empty prompt.
    pub fn generate(&self, prompt: &str) -> Result<Generation<'_>, RankerError> {
        let ids = self.tokens().ids(prompt)?;
        if ids.is_empty() {
            return Err(RankerError::Empty);
        }
        Ok(Generation { ranker: self, prompt: ids.len(), ids, memory: Memory::default() })
    }
}

impl Generation<'_> {
    /// Writes the likeliest next token. The first call reads the prompt.
    ///
    /// # Errors
    /// A text that fills the model's context, a device that fails, or a stop while the prompt is read.
    pub async fn next(&mut self) -> Result<u32, RankerError> {
        let llama = self.ranker.llama();
        let (tokens, limit) = (self.ids.len(), llama.config().max_len);
        if tokens > limit {
            return Err(RankerError::TooLong { tokens, limit });
        }
        let layout = Layout::prompt(&self.ids);
        if tokens == self.prompt {
            self.ranker.approach(&self.memory, &layout, None).await?;
        }
        let pass = async |cache: &mut _| read(llama.hidden_after(cache, &layout, None)).await;
        let (hidden, _) = self.memory.during(&layout, pass).await?;
        let head = llama.head();
        let logits = head.logits(&hidden, 0..head.n_vocab() as u32);
        let best = top_k(&logits, 1, |_| false).first().map_or(0, |&(id, _)| id as u32);
        self.ids.push(best);
        Ok(best)
    }

    /// Tokens of the prompt.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt
    }

    /// What was written so far.
    ///
    /// # Errors
    /// A tokenizer that fails.
    pub fn text(&self) -> Result<String, RankerError> {
        Ok(self.ranker.tokens().decode(&self.ids[self.prompt..])?)
    }
}
