//! The two stages joined: history in, [`Trace`] out (paper section 3).

use thiserror::Error;

use crate::{
    CANDIDATES,
    catalog::{Catalog, ItemId},
    fusion::Fusion,
    prompt::{Prompt, pointwise::HEAD},
    ranker::{Ranker, RankerError, Scores},
    ranking::{self, Ordering, Ranked},
    retriever::{self, Retriever, RetrieverError},
    scoring::{Mode, Pointwise, Scorer, ScoringConfig, letters},
    tokens::TokensError,
    trace::{
        Asking, Candidate, FusedTrace, HistoryItem, PointwiseTrace, Provenance, RankerTrace, TRACE_VERSION,
        Timings, Trace,
    },
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Run the ranker, if one is loaded.
    pub rank: bool,
    /// How it is asked.
    pub asking: Asking,
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
    /// A retriever of other items than the catalogue's.
    #[error("the retriever knows {known} items, the catalogue lists {listed}")]
    OtherCatalog {
        /// Items of the retriever.
        known: usize,
        /// Items of the catalogue.
        listed: usize,
    },
    /// An order that does not name every candidate once.
    #[error("the order {order:?} does not name each of the {candidates} candidates, counted from 0, once")]
    Order {
        /// The order.
        order: Vec<usize>,
        /// Candidates there are.
        candidates: usize,
    },
    /// The history holds every item of the catalogue.
    #[error("there is nothing left to recommend: the history holds the whole catalogue")]
    NothingLeft,
    /// Only a ranker can answer this.
    #[error("no ranker is loaded")]
    NoRanker,
    /// The retriever could not run.
    #[error("the retriever failed: {0}")]
    Retriever(String),
    /// The ranker could not run.
    #[error(transparent)]
    Ranker(#[from] RankerError),
}

impl From<RetrieverError> for RecommendError {
    fn from(error: RetrieverError) -> Self {
        Self::Retriever(error.to_string())
    }
}

impl From<TokensError> for RecommendError {
    fn from(error: TokensError) -> Self {
        Self::Ranker(error.into())
    }
}

impl Recommender {
    /// A recommender without a ranker; `bundle` is the name for Traces.
    ///
    /// # Errors
    /// A catalogue of other items than the retriever's.
    pub fn new(bundle: String, catalog: Catalog, retriever: Retriever) -> Result<Self, RecommendError> {
        let (known, listed) = (retriever.config().num_items, catalog.len());
        if known != listed {
            return Err(RecommendError::OtherCatalog { known, listed });
        }
        Ok(Self { bundle, catalog, retriever, ranker: None })
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
        self.check(history)?;
        let start = clock();
        let candidates = self.propose(history).await?;
        let retrieved = clock();
        let mut trace = self.retrieved(history, candidates);
        trace.timings.retrieve_ms = retrieved - start;

        if let (true, Some(loaded)) = (options.rank, &self.ranker) {
            let (scores, weights) = ask(&mut trace, loaded, options, retrieved, clock).await?;
            match weights {
                Some(weights) => fuse(&mut trace, &scores, weights),
                None => note_ranks(&mut trace.ranking, &scores),
            }
        }
        Ok(trace)
    }

    /// What the ranker says of a record's candidates behind the record's history, asked as it was there; empty without a
    /// ranker.
    pub(crate) async fn score_again(&self, trace: &Trace) -> Result<Vec<f32>, RecommendError> {
        let Some(loaded) = &self.ranker else { return Ok(Vec::new()) };
        let options = Options { rank: true, asking: trace.asking.clone(), top: 0 };
        Ok(ask(&mut trace.clone(), loaded, &options, 0.0, &|| 0.0).await?.0)
    }

    /// Refuses a history that nothing can be said about.
    pub(crate) fn check(&self, history: &[ItemId]) -> Result<(), RecommendError> {
        if history.is_empty() {
            return Err(RecommendError::EmptyHistory);
        }
        match history.iter().find(|&&item| self.catalog.get(item).is_none()) {
            Some(&ItemId(id)) => Err(RecommendError::UnknownItem { id, len: self.catalog.len() }),
            None => Ok(()),
        }
    }

    /// The retriever's scores of all items behind a history.
    pub(crate) async fn scores(&self, history: &[ItemId]) -> Result<Vec<f32>, RecommendError> {
        Ok(self.retriever.score_history(history).await?)
    }

    /// The first stage.
    pub(crate) fn retriever(&self) -> &Retriever {
        &self.retriever
    }

    /// The paper's prompt about what the retriever proposes behind a history, as an adapter for letters reads it if there is one;
    /// `None` without a ranker to read it.
    ///
    /// # Errors
    /// As [`Self::recommend`].
    pub async fn prompt(&self, history: &[ItemId]) -> Result<Option<Prompt>, RecommendError> {
        let trace = self.recommend(history, &Options::default(), &|| 0.0).await?;
        let Some(ranker) = self.ranker() else { return Ok(None) };
        let tuned = ranker.tuned_by(Mode::Letters);
        let scoring = tuned.map_or(ScoringConfig::letters(), |tuned| tuned.tuned_for.scoring);
        let (history, candidates) = titles(&trace, scoring);
        Ok(Some(letters::prompt(ranker.tokens(), &history, &candidates, scoring)?))
    }

    async fn propose(&self, history: &[ItemId]) -> Result<Vec<Candidate>, RecommendError> {
        let scores = self.scores(history).await?;
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
            asking: Asking::default(),
            candidates,
            ranker: None,
            pointwise: None,
            fused: None,
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
}

/// Asks the ranker and writes its part down; gives its scores, and the weights of both stages if it is tuned for this.
async fn ask(
    trace: &mut Trace,
    LoadedRanker { ranker, device }: &LoadedRanker,
    options: &Options,
    start: f64,
    clock: &dyn Fn() -> f64,
) -> Result<(Vec<f32>, Option<Fusion>), RecommendError> {
    let Asking { letters, untuned, order } = &options.asking;
    let asked = if *letters { ranker.tuned_by(Mode::Letters) } else { ranker.tuned() };
    let scoring = asked.map_or(ScoringConfig::letters(), |tuned| tuned.tuned_for.scoring);
    let tuned = asked.filter(|_| !untuned);
    trace.asking = options.asking.clone();
    trace.provenance.base = Some(ranker.name().to_owned());
    trace.provenance.adapter = tuned.map(|tuned| tuned.tuned_for.name());
    trace.provenance.device.clone_from(device);
    let pointwise = asked.and_then(|tuned| match &tuned.scorer {
        Scorer::Pointwise(pointwise) => Some((tuned, pointwise)),
        Scorer::Letters(_) => None,
    });
    let (scores, prompted) = if let Some((tuned, pointwise)) = pointwise {
        (judge(trace, ranker, tuned, pointwise, !untuned).await?, start)
    } else {
        let order = places(order, trace.candidates.len())?;
        for (n, &place) in order.iter().enumerate() {
            trace.candidates[place].letter = letter(n);
        }
        let (history, candidates) = titles(trace, scoring);
        let candidates: Vec<&str> = order.iter().map(|&place| candidates[place]).collect();
        let prompt = letters::prompt(ranker.tokens(), &history, &candidates, scoring)?;
        let prompted = clock();
        let (read, scores, reused) = read_letters(ranker, prompt, &order, options.top, !untuned).await?;
        trace.timings.reused_tokens = reused;
        trace.ranker = Some(read);
        (scores, prompted)
    };
    trace.timings.prompt_ms = prompted - start;
    trace.timings.forward_ms = clock() - prompted;
    Ok((scores, tuned.map(|tuned| tuned.tuned_for.fusion)))
}

/// Asks a tuned ranker, with its adapter or without, about every candidate alone; gives the scores.
async fn judge(
    trace: &mut Trace,
    ranker: &Ranker,
    tuned: &Tuned,
    pointwise: &Pointwise,
    adapted: bool,
) -> Result<Vec<f32>, RecommendError> {
    let (history, titles) = titles(trace, tuned.tuned_for.scoring);
    let Scores { tokens, reused, scores } = ranker.score(tuned, adapted, &history, &titles).await?;
    let chosen: Result<String, _> =
        history.iter().map(|title| pointwise.chosen(ranker.tokens(), title)).collect();
    let questions: Result<Vec<String>, _> =
        titles.iter().map(|title| pointwise.question(ranker.tokens(), title)).collect();
    let read = history.len();
    trace.timings.reused_tokens = reused;
    trace.pointwise = Some(PointwiseTrace {
        text: format!("{HEAD}{}", chosen?),
        history: Some(read),
        questions: questions?,
        tokens,
        probabilities: softmax(&scores, 1.0),
        scores: scores.clone(),
    });
    Ok(scores)
}

/// An order of so many candidates; empty is that of the retriever.
fn places(order: &[usize], candidates: usize) -> Result<Vec<usize>, RecommendError> {
    if order.is_empty() {
        return Ok((0..candidates).collect());
    }
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..candidates) {
        Ok(order.to_vec())
    } else {
        Err(RecommendError::Order { order: order.to_vec(), candidates })
    }
}

/// Titles of the history that are shown, oldest first, and of the candidates.
fn titles(trace: &Trace, scoring: ScoringConfig) -> (Vec<&str>, Vec<&str>) {
    let shown = &trace.history[trace.history.len().saturating_sub(scoring.history)..];
    let history = shown.iter().map(|item| item.title.as_str()).collect();
    (history, trace.candidates.iter().map(|candidate| candidate.title.as_str()).collect())
}

/// One forward pass over the prompt, read for the letters of candidates in this order; their logits by place, and how many tokens were known.
async fn read_letters(
    ranker: &Ranker,
    prompt: Prompt,
    order: &[usize],
    top: usize,
    adapted: bool,
) -> Result<(RankerTrace, Vec<f32>, usize), RankerError> {
    let explanation = ranker.explain_with(&prompt.text, top, adapted).await?;
    let mut letter_logits = explanation.letter_logits;
    // Of the candidates' letters, where there are fewer than letters.
    let kept: f32 = softmax(&letter_logits, 1.0).iter().take(order.len()).sum();
    letter_logits.truncate(order.len());
    let mut scores = vec![0.0; order.len()];
    for (&place, &logit) in order.iter().zip(&letter_logits) {
        scores[place] = logit;
    }
    // Summed as for the films, so that a film and its letter have one number.
    let probabilities = softmax(&scores, 1.0);
    let read = RankerTrace {
        prompt,
        token_ids: explanation.encoded.ids,
        token_offsets: explanation.encoded.offsets,
        label_ids: ranker.verbalizer().label_ids()[..order.len()].to_vec(),
        probabilities: order.iter().map(|&place| probabilities[place]).collect(),
        letter_logits,
        top: explanation.top,
        letter_mass: explanation.letter_mass.map(|mass| mass * kept),
    };
    Ok((read, scores, explanation.reused))
}

/// Orders the candidates by both stages together.
fn fuse(trace: &mut Trace, ranker: &[f32], weights: Fusion) {
    note_ranks(&mut trace.ranking, ranker);
    let retriever: Vec<f32> = trace.candidates.iter().map(|candidate| candidate.score).collect();
    let fused = weights.scores(&retriever, ranker);
    let before = std::mem::take(&mut trace.ranking);
    let order = ranking::order(&fused).into_iter().enumerate();
    trace.ranking = order.map(|(place, n)| Ranked { rank: place + 1, ..before[n].clone() }).collect();
    trace.ordering = Ordering::Fused;
    trace.fused = Some(FusedTrace {
        weights,
        retriever: softmax(&retriever, 1.0),
        probabilities: softmax(&fused, 1.0),
    });
}

/// Writes the ranker's places and probabilities beside the retriever's order. The order itself stays the
/// retriever's as long as the ranker is an untuned base model, which is at chance.
fn note_ranks(ranking: &mut [Ranked], scores: &[f32]) {
    let ranks = ranking::ranks(scores);
    let probabilities = softmax(scores, 1.0);
    for (line, (rank, probability)) in ranking.iter_mut().zip(ranks.into_iter().zip(probabilities)) {
        line.ranker_rank = Some(rank);
        line.probability = Some(probability);
    }
}
