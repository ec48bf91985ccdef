//! The ranker: tokenizer, Llama and verbalizer behind one forward pass (paper section 3.2).

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use thiserror::Error;

use crate::{
    llama::{Layout, Llama, LlamaConfig, Memory},
    pieces::Pause,
    quant::is_cpu,
    ranking,
    scoring::{Mode, Question},
    self_test::SelfTest,
    tokens::{END_OF_TEXT, Encoded, Tokens, TokensError},
    trace::VocabularyEntry,
    tuned::{Tuned, TunedError, TunedFor},
    verbalizer::{Verbalizer, VerbalizerError},
    weights::{File, WeightError, gguf::Gguf},
};

/// What the prompt ends with; the label token is what follows it.
const RESPONSE: &str = "\n\n### Response:\n";

/// A base model that ranks.
pub struct Ranker {
    name: String,
    llama: Llama,
    tokens: Tokens,
    /// The token by which the model ends a text.
    end: Option<u32>,
    verbalizer: Verbalizer,
    /// At most one adapter for each way of asking; the first decides.
    tuned: Vec<Tuned>,
    /// What the base model without an adapter read last.
    memory: Memory,
    /// For a device that is not the CPU.
    self_test: Option<SelfTest>,
    pause: Option<Pause>,
}

/// Why a ranker cannot be loaded or run.
#[derive(Debug, Error)]
pub enum RankerError {
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The tokenizer cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The index letters are not twenty distinct tokens.
    #[error(transparent)]
    Verbalizer(#[from] VerbalizerError),
    /// Nothing to read.
    #[error("the text is empty: there is no position to read logits at")]
    Empty,
    /// More tokens than the model can read.
    #[error("the text has {tokens} tokens, the model reads at most {limit}; shorten it")]
    TooLong {
        /// Tokens of the text.
        tokens: usize,
        /// Context length.
        limit: usize,
    },
    /// The device does not fail, and yet.
    #[error(
        "the device computes wrong numbers: the model's first blocks are off by {percent:.0} % in its self-test"
    )]
    WrongNumbers {
        /// Largest distance from the CPU's numbers, of the largest of them.
        percent: f32,
    },
    /// Whoever waited did not want to any longer ([`Ranker::pause_between_pieces`]).
    #[error("the pass was stopped; what was read is kept")]
    Stopped,
    /// The device failed.
    #[error("the device could not finish the forward pass: {0}")]
    Device(String),
}

/// One forward pass over any text.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Tokens of the text and their bytes.
    pub encoded: Encoded,
    /// Logits of the twenty index letters at the last position.
    pub letter_logits: Vec<f32>,
    /// Largest logits of the vocabulary, best first; empty unless asked for.
    pub top: Vec<VocabularyEntry>,
    /// Share of the vocabulary's probability on the twenty letters; only with `top`.
    pub letter_mass: Option<f32>,
    /// Tokens at the beginning that were known from the text before and not read again.
    pub reused: usize,
}

/// What a tuned ranker says about candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Tokens read, those of history and all candidates.
    pub tokens: usize,
    /// Those of them that were known from the question before and not read again.
    pub reused: usize,
    /// One score a candidate.
    pub scores: Vec<f32>,
}

impl Ranker {
    /// Loads a GGUF file's bytes onto a device.
    pub fn from_gguf(bytes: Vec<u8>, device: &Device) -> Result<Self, RankerError> {
        Self::from_file(Box::new(Arc::new(bytes)), device)
    }

    /// Loads a GGUF file of which a tensor at a time is read.
    ///
    /// # Errors
    /// A file that is no such model, or cannot be read.
    pub fn from_file(file: Box<dyn File>, device: &Device) -> Result<Self, RankerError> {
        let gguf = Gguf::open(file)?;
        let tokens = Tokens::from_gguf(&gguf)?;
        let verbalizer = verbalizer(&tokens, |encode| Verbalizer::derive(RESPONSE, encode))?;
        let config = LlamaConfig::from_gguf(&gguf)?;
        if tokens.count() > config.n_vocab {
            let (tokens, rows) = (tokens.count(), config.n_vocab);
            let message = format!("the tokenizer has {tokens} tokens, the model embeds {rows}");
            return Err(WeightError::Format(message).into());
        }
        let name = gguf.text("general.name").unwrap_or("unnamed").to_owned();
        let self_test = (!is_cpu(device)).then(|| SelfTest::prepare(&config, &gguf)).transpose()?;
        let end = gguf.int(END_OF_TEXT).ok().map(|id| id as u32);
        let llama = Llama::load(config, &gguf, device)?;
        Ok(Self {
            name,
            llama,
            tokens,
            end,
            verbalizer,
            tuned: Vec::new(),
            memory: Memory::default(),
            self_test,
            pause: None,
        })
    }

    /// Uses the adapter in this file from now on, in place of one that was tuned to be asked in the same way; the first of
    /// several decides. The base model's own file has this SHA-256.
    ///
    /// # Errors
    /// A file that is no adapter, or one of another base model; nothing is changed then.
    pub fn tune(&mut self, adapter: &[u8], base_sha256: &str) -> Result<&TunedFor, TunedError> {
        let tuned = Tuned::load(adapter, self, base_sha256)?;
        let mode = tuned.tuned_for.scoring.mode;
        let place = self.tuned.iter().position(|other| other.tuned_for.scoring.mode == mode);
        let place = place.unwrap_or(self.tuned.len());
        self.tuned.splice(place..self.tuned.len().min(place + 1), [tuned]);
        Ok(&self.tuned[place].tuned_for)
    }

    /// Reads the letters' logits where the reference does, from now on and for adapters that come later.
    ///
    /// # Errors
    /// A tokenizer that fails.
    pub fn read_like_the_reference(&mut self) -> Result<(), RankerError> {
        self.verbalizer = verbalizer(&self.tokens, |encode| Verbalizer::of_the_reference(encode))?;
        Ok(())
    }

    /// The adapter that decides.
    pub fn tuned(&self) -> Option<&Tuned> {
        self.tuned.first()
    }

    /// The adapter that was tuned to be asked in this way.
    pub fn tuned_by(&self, mode: Mode) -> Option<&Tuned> {
        self.tuned.iter().find(|tuned| tuned.tuned_for.scoring.mode == mode)
    }

    /// The model's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tokenizer.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The token by which the model ends a text, if its file names one.
    pub fn end(&self) -> Option<u32> {
        self.end
    }

    /// The label ids.
    pub fn verbalizer(&self) -> &Verbalizer {
        &self.verbalizer
    }

    /// The model.
    pub fn llama(&self) -> &Llama {
        &self.llama
    }

    /// Reads long texts in pieces from now on, and calls this before each; see [`crate::pieces`].
    pub fn pause_between_pieces(&mut self, pause: Pause) {
        self.pause = Some(pause);
    }

    pub(crate) fn pause(&self) -> Option<&Pause> {
        self.pause.as_ref()
    }

    /// Forgets what was read, so that the next pass computes every token.
    pub fn forget(&self) {
        self.memory.forget();
        self.tuned.iter().for_each(|tuned| tuned.memory.forget());
    }

    /// One forward pass over `text`: letter logits, and the `top` largest logits of the vocabulary. An adapter takes part
    /// if it was tuned to answer by letters. What the text begins with in common with the one before is not read again.
    pub async fn explain(&self, text: &str, top: usize) -> Result<Explanation, RankerError> {
        self.explain_with(text, top, true).await
    }

    /// As [`Self::explain`]; without `adapted` no adapter takes part.
    pub async fn explain_with(
        &self,
        text: &str,
        top: usize,
        adapted: bool,
    ) -> Result<Explanation, RankerError> {
        let encoded = self.tokens.encode(text)?;
        let (hidden, reused) = self.hidden(std::slice::from_ref(&encoded.ids), adapted).await?;
        let head = self.llama.head();
        let letter_logits = head.logits(&hidden, self.verbalizer.label_ids().iter().copied());
        let (top, letter_mass) = if top == 0 {
            (Vec::new(), None)
        } else {
            let logits = head.logits(&hidden, 0..head.n_vocab() as u32);
            (self.largest(&logits, top)?, Some(mass(&letter_logits, &logits)))
        };
        Ok(Explanation { encoded, letter_logits, top, letter_mass, reused })
    }

    /// Letter logits of several texts from one forward pass, in which a common start is read once: the same candidates in
    /// several orders, say.
    ///
    /// # Errors
    /// As [`Self::explain`], and for no text at all.
    pub async fn letter_logits(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, RankerError> {
        let ids: Result<Vec<Vec<u32>>, TokensError> =
            texts.iter().map(|text| self.tokens.ids(text)).collect();
        let (hidden, _) = self.hidden(&ids?, true).await?;
        let letters = |hidden| self.llama.head().logits(hidden, self.verbalizer.label_ids().iter().copied());
        Ok(hidden.chunks_exact(self.llama.config().d_model).map(letters).collect())
    }

    /// Final states of the last tokens of these sequences, one after another, and how many tokens were known. If `adapted`, an
    /// adapter takes part that was tuned to answer by letters.
    async fn hidden(&self, sequences: &[Vec<u32>], adapted: bool) -> Result<(Vec<f32>, usize), RankerError> {
        if sequences.is_empty() || sequences.iter().any(Vec::is_empty) {
            return Err(RankerError::Empty);
        }
        let limit = self.llama.config().max_len;
        if let Some(tokens) = sequences.iter().map(Vec::len).find(|&tokens| tokens > limit) {
            return Err(RankerError::TooLong { tokens, limit });
        }
        let (adapter, memory) = match self.tuned_by(Mode::Letters).filter(|_| adapted) {
            Some(tuned) => (Some(&tuned.adapter), &tuned.memory),
            None => (None, &self.memory),
        };
        let layout = match sequences {
            [only] => Layout::prompt(only),
            several => Layout::sharing(several),
        };
        let reused = self.approach(memory, &layout, adapter).await?;
        let pass = async |cache: &mut _| read(self.llama.hidden_after(cache, &layout, adapter)).await;
        let (hidden, _) = memory.during(&layout, pass).await?;
        Ok((hidden, reused))
    }

    /// What an adapter of this model says about candidates behind a history, titles oldest first; what the base model says to
    /// the same questions if not `adapted`. What the history begins with in common with the one before is not read again.
    ///
    /// # Errors
    /// Texts too long for the model, or a device that fails.
    pub async fn score(
        &self,
        Tuned { adapter, scorer, memory, .. }: &Tuned,
        adapted: bool,
        history: &[&str],
        candidates: &[&str],
    ) -> Result<Scores, RankerError> {
        let question = Question { length: history.len(), candidates: candidates.to_vec() };
        let asked = scorer.ask(&self.tokens, history, &[question])?;
        let limit = self.llama.config().max_len;
        if asked.layout.depth() > limit {
            return Err(RankerError::TooLong { tokens: asked.layout.depth(), limit });
        }
        let (adapter, memory) = if adapted { (Some(adapter), memory) } else { (None, &self.memory) };
        let reused = self.approach(memory, &asked.layout, adapter).await?;
        let pass = async |cache: &mut _| {
            let hidden = self.llama.hidden_after(cache, &asked.layout, adapter);
            let scores = scorer.scores(self.llama.head(), hidden, &asked.candidates);
            read(scores.unsqueeze::<2>()).await
        };
        let (scores, _) = memory.during(&asked.layout, pass).await?;
        Ok(Scores { tokens: asked.layout.tokens(), reused, scores })
    }

    /// Compares the device's numbers with the CPU's, if it is another, and makes short forward passes, so that every kernel
    /// is compiled before the first ranking.
    ///
    /// # Errors
    /// A device that fails or computes wrong numbers.
    pub async fn warm_up(&self) -> Result<(), RankerError> {
        if let Some(test) = &self.self_test {
            test.run(&self.llama).await?;
        }
        let mut numbers = self.explain(RESPONSE, 0).await?.letter_logits;
        for tuned in &self.tuned {
            numbers.extend(self.score(tuned, true, &["A"], &["B"]).await?.scores);
        }
        // What was read here is no visitor's history, and loading needed more than rankings do.
        self.forget();
        if !self.llama.on_cpu() {
            self.llama.device().memory_cleanup();
        }
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(())
        } else {
            Err(RankerError::WrongNumbers { percent: f32::INFINITY })
        }
    }

    fn largest(&self, logits: &[f32], k: usize) -> Result<Vec<VocabularyEntry>, RankerError> {
        ranking::top_k(logits, k, |_| false)
            .into_iter()
            .map(|(id, logit)| {
                let id = id as u32;
                Ok(VocabularyEntry { id, token: self.tokens.decode(&[id])?, logit })
            })
            .collect()
    }
}

/// A verbalizer by one of the rules, with this tokenizer.
fn verbalizer(
    tokens: &Tokens,
    rule: impl FnOnce(&mut dyn FnMut(&str) -> Vec<u32>) -> Result<Verbalizer, VerbalizerError>,
) -> Result<Verbalizer, RankerError> {
    let mut failure = None;
    let verbalizer = rule(&mut |text| {
        tokens.ids(text).unwrap_or_else(|error| {
            failure = Some(error);
            Vec::new()
        })
    });
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(verbalizer?),
    }
}

/// Reads a tensor without blocking, as a browser requires.
pub(crate) async fn read(tensor: Tensor<2>) -> Result<Vec<f32>, RankerError> {
    let data: TensorData =
        tensor.into_data_async().await.map_err(|error| RankerError::Device(format!("{error:?}")))?;
    data.try_to_vec::<f32>().map_err(|error| RankerError::Device(format!("{error:?}")))
}

/// Share of `exp(logits)` that lies on `letters`.
fn mass(letters: &[f32], logits: &[f32]) -> f32 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum = |values: &[f32]| values.iter().map(|&x| f64::from(x - max).exp()).sum::<f64>();
    (sum(letters) / sum(logits)) as f32
}
