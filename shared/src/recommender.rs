//! The two stages joined: history in, [`Trace`] out (paper section 3).

use thiserror::Error;

use crate::{
    CANDIDATES, PROMPT_HISTORY, TITLE_TOKENS,
    catalog::{Catalog, ItemId},
    prompt::Prompt,
    ranker::{PointwiseScores, Ranker, RankerError},
    ranking::{self, Ordering, Ranked},
    retriever::{self, Retriever},
    tokens::TokensError,
    trace::{Candidate, HistoryItem, PointwiseTrace, Provenance, RankerTrace, TRACE_VERSION, Timings, Trace},
    tuned::Tuned,
    verbalizer::{letter, softmax},
};

/// A catalogue with its retriever and, once loaded, a ranker.
pub struct Recommender {
    bundle: String,
    catalog: Catalog,
    retriever: Retriever,
    ranker: Option<LoadedRanker>,
}

struct LoadedRanker {
    ranker: Ranker,
    device: String,
}

/// What one recommendation should do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Run the ranker, if one is loaded.
    pub rank: bool,
    /// How many of the vocabulary's largest logits to keep in the Trace.
    pub top: usize,
}

/// Why there is no recommendation.
#[derive(Debug, Error)]
pub enum RecommendError {
    /// Nothing to go by.
    #[error("the history is empty: name at least one title")]
    EmptyHistory,
    /// An id outside the catalogue.
    #[error("item {id} is not in the catalogue of {len} items")]
    UnknownItem {
        /// The id.
        id: u32,
        /// Items there are.
        len: usize,
    },
    /// The retriever could not run.
    #[error("the retriever failed: {0}")]
    Retriever(String),
    /// The ranker could not run.
    #[error(transparent)]
    Ranker(#[from] RankerError),
}

impl From<TokensError> for RecommendError {
    fn from(error: TokensError) -> Self {
        Self::Ranker(error.into())
    }
}

impl Recommender {
    /// A recommender without a ranker; `bundle` is the name for Traces.
    pub fn new(bundle: String, catalog: Catalog, retriever: Retriever) -> Self {
        Self { bundle, catalog, retriever, ranker: None }
    }

    /// Adds, replaces or removes the ranker; `device` is the name for Traces.
    pub fn set_ranker(&mut self, ranker: Option<Ranker>, device: String) {
        self.ranker = ranker.map(|ranker| LoadedRanker { ranker, device });
    }

    /// The catalogue.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The ranker, if one is loaded.
    pub fn ranker(&self) -> Option<&Ranker> {
        self.ranker.as_ref().map(|loaded| &loaded.ranker)
    }

    /// Recommends for a history, oldest first. `clock` gives milliseconds since any moment.
    pub async fn recommend(
        &self,
        history: &[ItemId],
        options: &Options,
        clock: &dyn Fn() -> f64,
    ) -> Result<Trace, RecommendError> {
        if history.is_empty() {
            return Err(RecommendError::EmptyHistory);
        }
        if let Some(&ItemId(id)) = history.iter().find(|&&item| self.catalog.get(item).is_none()) {
            return Err(RecommendError::UnknownItem { id, len: self.catalog.len() });
        }
        let start = clock();
        let candidates = self.propose(history).await?;
        let retrieved = clock();
        let mut trace = self.retrieved(history, candidates);
        trace.timings.retrieve_ms = retrieved - start;

        if let (true, Some(loaded)) = (options.rank, &self.ranker) {
            trace.provenance.base = Some(loaded.ranker.name().to_owned());
            trace.provenance.device.clone_from(&loaded.device);
            if let Some(tuned) = loaded.ranker.tuned() {
                trace.provenance.adapter = Some(tuned.tuned_for.name());
                self.fuse(&mut trace, &loaded.ranker, tuned).await?;
                trace.timings.forward_ms = clock() - retrieved;
                return Ok(trace);
            }
            let prompt = self.prompt(history, &trace.candidates, &loaded.ranker)?;
            let prompted = clock();
            let ranked = rank(&loaded.ranker, prompt, trace.candidates.len(), options.top).await?;
            trace.timings.prompt_ms = prompted - retrieved;
            trace.timings.forward_ms = clock() - prompted;
            note_ranks(&mut trace.ranking, &ranked);
            trace.ranker = Some(ranked);
        }
        Ok(trace)
    }

    async fn propose(&self, history: &[ItemId]) -> Result<Vec<Candidate>, RecommendError> {
        let scores = self
            .retriever
            .score_history(history)
            .await
            .map_err(|error| RecommendError::Retriever(error.to_string()))?;
        let proposals = retriever::propose(&scores, history, CANDIDATES);
        Ok(proposals
            .into_iter()
            .enumerate()
            .map(|(n, (item, score))| Candidate {
                item,
                title: self.catalog.title(item).to_owned(),
                letter: letter(n),
                score,
            })
            .collect())
    }

    /// A Trace that ends with the retriever's order.
    fn retrieved(&self, history: &[ItemId], candidates: Vec<Candidate>) -> Trace {
        let ranking = candidates
            .iter()
            .enumerate()
            .map(|(n, candidate)| Ranked {
                item: candidate.item,
                title: candidate.title.clone(),
                rank: n + 1,
                retriever_rank: n + 1,
                ranker_rank: None,
                probability: None,
            })
            .collect();
        Trace {
            version: TRACE_VERSION,
            history: history
                .iter()
                .map(|&item| HistoryItem { item, title: self.catalog.title(item).to_owned() })
                .collect(),
            candidates,
            ranker: None,
            pointwise: None,
            ordering: Ordering::Retriever,
            ranking,
            timings: Timings::default(),
            provenance: Provenance {
                llamarec: env!("CARGO_PKG_VERSION").to_owned(),
                bundle: self.bundle.clone(),
                ..Provenance::default()
            },
        }
    }

    /// Scores every candidate and orders them by both stages together.
    async fn fuse(&self, trace: &mut Trace, ranker: &Ranker, tuned: &Tuned) -> Result<(), RecommendError> {
        let shown = tuned.tuned_for.pointwise.history;
        let history: Vec<&str> = trace.history.iter().map(|item| item.title.as_str()).collect();
        let history = &history[history.len().saturating_sub(shown)..];
        let titles: Vec<&str> = trace.candidates.iter().map(|candidate| candidate.title.as_str()).collect();
        let PointwiseScores { tokens, scores } = ranker.score(tuned, history, &titles).await?;
        let fusion = tuned.tuned_for.fusion;
        let retriever: Vec<f32> = trace.candidates.iter().map(|candidate| candidate.score).collect();
        let fused = fusion.scores(&retriever, &scores);
        let (ranks, fused_probabilities) = (ranking::ranks(&scores), softmax(&fused, 1.0));
        let before = std::mem::take(&mut trace.ranking);
        trace.ranking = ranking::order(&fused)
            .into_iter()
            .enumerate()
            .map(|(place, n)| Ranked {
                rank: place + 1,
                ranker_rank: Some(ranks[n]),
                probability: Some(fused_probabilities[n]),
                ..before[n].clone()
            })
            .collect();
        trace.ordering = Ordering::Fused;
        trace.pointwise = Some(PointwiseTrace {
            history: history.iter().map(|&title| title.to_owned()).collect(),
            tokens,
            probabilities: softmax(&scores, 1.0),
            scores,
            fusion,
            fused_probabilities,
        });
        Ok(())
    }

    /// The prompt for the newest [`PROMPT_HISTORY`] items, every title cut to [`TITLE_TOKENS`].
    fn prompt(
        &self,
        history: &[ItemId],
        candidates: &[Candidate],
        ranker: &Ranker,
    ) -> Result<Prompt, TokensError> {
        let cut = |title: &str| ranker.tokens().cut(title, TITLE_TOKENS);
        let shown = &history[history.len().saturating_sub(PROMPT_HISTORY)..];
        let history: Result<Vec<String>, _> =
            shown.iter().map(|&item| cut(self.catalog.title(item))).collect();
        let pool: Result<Vec<String>, _> = candidates.iter().map(|candidate| cut(&candidate.title)).collect();
        Ok(Prompt::render(&history?, &pool?))
    }
}

/// One forward pass over the prompt, read for the first `n` letters.
async fn rank(ranker: &Ranker, prompt: Prompt, n: usize, top: usize) -> Result<RankerTrace, RankerError> {
    let explanation = ranker.explain(&prompt.text, top).await?;
    let mut letter_logits = explanation.letter_logits;
    letter_logits.truncate(n);
    Ok(RankerTrace {
        prompt,
        token_ids: explanation.encoded.ids,
        token_offsets: explanation.encoded.offsets,
        label_ids: ranker.verbalizer().label_ids()[..n].to_vec(),
        probabilities: softmax(&letter_logits, 1.0),
        letter_logits,
        top: explanation.top,
        letter_mass: explanation.letter_mass,
    })
}

/// Writes the ranker's places and probabilities beside the retriever's order. The order itself stays the
/// retriever's as long as the ranker is an untuned base model, which is at chance.
fn note_ranks(ranking: &mut [Ranked], ranked: &RankerTrace) {
    let ranks = ranking::ranks(&ranked.letter_logits);
    for (line, (&rank, &probability)) in ranking.iter_mut().zip(ranks.iter().zip(&ranked.probabilities)) {
        line.ranker_rank = Some(rank);
        line.probability = Some(probability);
    }
}
