//! Text to token ids and back, with the tokenizer that comes inside the GGUF file.

use ahash::AHashMap;
use thiserror::Error;
use tokenizers::{
    AddedToken, Tokenizer,
    models::bpe::BPE,
    pre_tokenizers::{byte_level::ByteLevel, digits::Digits, sequence::Sequence},
};

use crate::weights::{WeightError, gguf::Gguf};

/// Type number of control tokens in `tokenizer.ggml.token_type`.
const CONTROL: i64 = 3;

/// Metadata key of a whole `tokenizer.json` in a GGUF file (ggml `docs/gguf.md`).
pub const TOKENIZER_JSON: &str = "tokenizer.huggingface.json";
/// Metadata key of the token that ends a text.
pub const END_OF_TEXT: &str = "tokenizer.ggml.eos_token_id";

/// A tokenizer and how a prompt begins.
pub struct Tokens {
    tokenizer: Tokenizer,
    /// Tokens before every prompt; Llama 2 has one.
    first: Vec<u32>,
    /// Tokens of a newline, if texts that go on must be read behind one: `SentencePiece` puts a blank that is not
    /// there before a text alone.
    newline: Option<usize>,
}

/// Token ids and the bytes of the text that each covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u32>,
    /// Byte range in the text of each token.
    pub offsets: Vec<(usize, usize)>,
}

/// Why a tokenizer cannot be built or used.
#[derive(Debug, Error)]
pub enum TokensError {
    /// The file's vocabulary is missing or malformed.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// The file's tokenizer is of another kind.
    #[error("tokenizer {model}/{pre} is not supported; supported is gpt2 with pre-tokenizer smollm or gpt-2")]
    Unsupported {
        /// `tokenizer.ggml.model`.
        model: String,
        /// `tokenizer.ggml.pre`.
        pre: String,
    },
    /// The tokenizer wants a token behind the prompt, where the answer stands.
    #[error("the tokenizer adds tokens behind a text, where the ranker answers")]
    Ends,
    /// The tokenizer library refused.
    #[error("tokenizer: {0}")]
    Library(String),
}

impl From<tokenizers::Error> for TokensError {
    fn from(error: tokenizers::Error) -> Self {
        Self::Library(error.to_string())
    }
}

impl Tokens {
    /// Takes the `tokenizer.json` of a GGUF file, or else builds a tokenizer from its vocabulary, merges and token
    /// types.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, TokensError> {
        if let Ok(json) = gguf.text(TOKENIZER_JSON) {
            return Self::from_json(json);
        }
        let first = if gguf.flag("tokenizer.ggml.add_bos_token") {
            vec![gguf.int("tokenizer.ggml.bos_token_id")? as u32]
        } else {
            Vec::new()
        };
        let model = gguf.text("tokenizer.ggml.model")?;
        let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("gpt-2");
        let digits = match (model, pre) {
            ("gpt2", "smollm") => true,
            ("gpt2", "gpt-2") => false,
            _ => return Err(TokensError::Unsupported { model: model.to_owned(), pre: pre.to_owned() }),
        };
        let tokens = gguf.texts("tokenizer.ggml.tokens")?;
        let vocabulary: AHashMap<String, u32> =
            tokens.iter().enumerate().map(|(id, &token)| (token.to_owned(), id as u32)).collect();
        let merges: Option<Vec<(String, String)>> = gguf
            .texts("tokenizer.ggml.merges")?
            .into_iter()
            .map(|merge| merge.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())))
            .collect();
        let merges = merges.ok_or(WeightError::Metadata {
            key: "tokenizer.ggml.merges".to_owned(),
            wanted: "pairs of tokens with one blank between",
        })?;
        let bpe = BPE::builder().vocab_and_merges(vocabulary, merges).build()?;

        let mut tokenizer = Tokenizer::new(bpe);
        let bytes = ByteLevel::new(false, false, true);
        if digits {
            let split = vec![Digits::new(true).into(), bytes.into()];
            tokenizer.with_pre_tokenizer(Some(Sequence::new(split)));
        } else {
            tokenizer.with_pre_tokenizer(Some(bytes));
        }
        tokenizer.with_decoder(Some(bytes));
        let control: Vec<AddedToken> = gguf
            .ints("tokenizer.ggml.token_type")
            .unwrap_or_default()
            .into_iter()
            .zip(&tokens)
            .filter(|&(kind, _)| kind == CONTROL)
            .map(|(_, &token)| AddedToken::from(token, true))
            .collect();
        tokenizer.add_special_tokens(control)?;
        Ok(Self { tokenizer, first, newline: None })
    }

    /// Reads a `tokenizer.json`.
    pub fn from_json(json: &str) -> Result<Self, TokensError> {
        let mut tokenizer = Tokenizer::from_bytes(json)?;
        // How long a prompt may be is the model's business.
        tokenizer.with_padding(None).with_truncation(None)?;
        let (with, without) = (tokenizer.encode("a", true)?, tokenizer.encode("a", false)?);
        let first = with.get_ids().strip_suffix(without.get_ids()).ok_or(TokensError::Ends)?.to_vec();
        let mut tokens = Self { tokenizer, first, newline: None };
        let newline = tokens.alone("\n")?.ids.len();
        if tokens.behind_newline("a", newline)? != tokens.alone("a")?.ids {
            tokens.newline = Some(newline);
        }
        Ok(tokens)
    }

    /// Token ids of a prompt.
    pub fn ids(&self, prompt: &str) -> Result<Vec<u32>, TokensError> {
        Ok(self.encode(prompt)?.ids)
    }

    /// Token ids of a prompt and the bytes they cover; a token that every prompt begins with covers none.
    pub fn encode(&self, prompt: &str) -> Result<Encoded, TokensError> {
        let mut encoded = self.alone(prompt)?;
        encoded.ids.splice(..0, self.first.iter().copied());
        encoded.offsets.splice(..0, self.first.iter().map(|_| (0, 0)));
        Ok(encoded)
    }

    /// How many tokens there are, those added to the vocabulary included.
    pub fn count(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// What every prompt begins with.
    pub fn first(&self) -> &[u32] {
        &self.first
    }

    /// Token ids of a text that goes on behind another.
    pub fn piece(&self, text: &str) -> Result<Vec<u32>, TokensError> {
        match self.newline {
            Some(newline) => self.behind_newline(text, newline),
            None => Ok(self.alone(text)?.ids),
        }
    }

    /// Token ids of a text that stands behind a newline, which has so many.
    fn behind_newline(&self, text: &str, newline: usize) -> Result<Vec<u32>, TokensError> {
        let ids = self.alone(&format!("\n{text}"))?.ids;
        Ok(ids.get(newline..).unwrap_or_default().to_vec())
    }

    fn alone(&self, text: &str) -> Result<Encoded, TokensError> {
        let encoding = self.tokenizer.encode(text, false)?;
        Ok(Encoded { ids: encoding.get_ids().to_vec(), offsets: encoding.get_offsets().to_vec() })
    }

    /// The text of these tokens.
    pub fn decode(&self, ids: &[u32]) -> Result<String, TokensError> {
        Ok(self.tokenizer.decode(ids, false)?)
    }

    /// The title cut to at most `limit` tokens, as the reference does: encode alone, cut, decode.
    pub fn cut(&self, title: &str, limit: usize) -> Result<String, TokensError> {
        let ids = self.alone(title)?.ids;
        if ids.len() <= limit { Ok(title.to_owned()) } else { self.decode(&ids[..limit]) }
    }
}
