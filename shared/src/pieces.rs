//! A long text read in pieces: between two of them whoever waits hears how far the pass is, and may stop it. What was
//! read is kept, so the next pass over the same beginning goes on from there.

use std::pin::Pin;

use crate::{
    llama::{Adapter, Layout, Memory},
    ranker::{Ranker, RankerError, read},
};

/// Most tokens that are read without a pause; branches behind a prefix come in one piece, however many they are.
pub const PIECE: usize = 128;

/// Called before every piece with the tokens that are known and those of the whole text; `false` stops the pass.
pub type Pause = Box<dyn Fn(usize, usize) -> Pin<Box<dyn Future<Output = bool>>> + Send + Sync>;

impl Ranker {
    /// Reads the beginning of `layout` into the memory, piece by piece, until what is left is one piece. Gives the number of
    /// tokens that were known before. Without a [`Pause`] nothing is read here.
    ///
    /// # Errors
    /// [`RankerError::Stopped`], or a device that fails.
    pub(crate) async fn approach(
        &self,
        memory: &Memory,
        layout: &Layout,
        adapter: Option<&Adapter>,
    ) -> Result<usize, RankerError> {
        let before = memory.known(layout);
        let Some(pause) = self.pause() else { return Ok(before) };
        let (prefix, tokens) = (layout.prefix(), layout.tokens());
        let mut known = before;
        while pause(known, tokens).await {
            if tokens - known <= PIECE || known == prefix.len() {
                return Ok(before);
            }
            known = prefix.len().min(known + PIECE);
            let piece = Layout::prompt(&prefix[..known]);
            // Reading the state waits for the device, so that a stop is heard in time.
            let pass = async |cache: &mut _| read(self.llama().hidden_after(cache, &piece, adapter)).await;
            memory.during(&piece, pass).await?;
        }
        Err(RankerError::Stopped)
    }
}
