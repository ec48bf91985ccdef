//! Looks into a recommendation: how the retriever reads a history film by film, and what each film of it does.

use crate::{
    CANDIDATES,
    catalog::ItemId,
    protocol::{Walk, WalkStep, Without},
    ranking,
    recommender::{RecommendError, Recommender},
    retriever::{propose, values},
    trace::Trace,
    verbalizer::softmax,
};

/// Bars of the histogram of scores.
const BARS: usize = 40;
/// Times are the best of so many runs: the first ones warm the caches.
const RUNS: usize = 3;
/// Proposals shown behind each film.
const BEST: usize = 3;

impl Recommender {
    /// Reads a history film by film with the retriever. `clock` gives milliseconds since any moment.
    ///
    /// # Errors
    /// As [`Self::recommend`].
    pub async fn walk(&self, history: &[ItemId], clock: &dyn Fn() -> f64) -> Result<Walk, RecommendError> {
        self.check(history)?;
        let (mut scores, mut anew_ms) = (Vec::new(), f64::INFINITY);
        for _ in 0..RUNS {
            let start = clock();
            scores = self.scores(history).await?;
            anew_ms = anew_ms.min(clock() - start);
        }
        let lrurec = self.retriever().as_lrurec();
        let mut stream = lrurec.map(|model| (model, model.stream()));
        let mut steps = Vec::new();
        for (n, &item) in history.iter().enumerate() {
            let read = &history[..=n];
            let expected = (n > 0).then(|| place(&scores, &history[..n], item));
            let mut ms = f64::INFINITY;
            if let Some((model, state)) = &mut stream {
                let before = state.clone();
                for _ in 0..RUNS {
                    let start = clock();
                    *state = before.clone();
                    // With the scores, as reading all anew; the work is done when the numbers are here.
                    let hidden = model.push(item, state)?;
                    scores = values(self.retriever().scores(hidden)).await?;
                    ms = ms.min(clock() - start);
                }
            } else {
                let start = clock();
                scores = self.scores(read).await?;
                ms = clock() - start;
            }
            steps.push(WalkStep {
                title: self.catalog().title(item).to_owned(),
                expected,
                best: propose(&scores, read, BEST)
                    .into_iter()
                    .map(|(item, _)| self.catalog().title(item).to_owned())
                    .collect(),
                ms,
            });
        }
        let unseen: Vec<f32> =
            propose(&scores, history, self.catalog().len()).into_iter().map(|(_, score)| score).collect();
        let (high, low) = (unseen.first().copied().unwrap_or(0.0), unseen.last().copied().unwrap_or(0.0));
        let config = self.retriever().config();
        Ok(Walk {
            steps,
            items: self.catalog().len(),
            state: lrurec.map_or(0, |_| config.d_state() * config.n_blocks),
            anew_ms,
            histogram: histogram(&unseen, low, high),
            scores: [low, high, unseen.get(CANDIDATES - 1).copied().unwrap_or(low)],
        })
    }

    /// What becomes of the first of a recommendation without the film at `place` of its history, the candidates being the
    /// same; the ranker takes part if it decided there.
    ///
    /// # Errors
    /// As [`Self::recommend`], and for a history of one film.
    pub async fn without(&self, trace: &Trace, place: usize) -> Result<Without, RecommendError> {
        let mut history: Vec<ItemId> = trace.history.iter().map(|item| item.item).collect();
        history.remove(place);
        self.check(&history)?;
        let scores = self.scores(&history).await?;
        let retriever: Vec<f32> =
            trace.candidates.iter().map(|candidate| scores[candidate.item.index()]).collect();
        let kept = |scores: &[f32], item: usize| softmax(scores, 1.0)[item];
        let Some(first) = trace.ranking.first().map(|first| first.retriever_rank - 1) else {
            return Err(RecommendError::NothingLeft);
        };
        let (now, before) = if let Some(fused) = &trace.fused {
            let mut shorter = trace.clone();
            shorter.history.remove(place);
            let ranker = self.score_again(&shorter).await?;
            (fused.weights.scores(&retriever, &ranker), fused.probabilities[first])
        } else {
            let before: Vec<f32> = trace.candidates.iter().map(|candidate| candidate.score).collect();
            (retriever, kept(&before, first))
        };
        Ok(Without {
            title: trace.history[place].title.clone(),
            place: ranking::ranks(&now)[first],
            difference: before - kept(&now, first),
        })
    }
}

/// The place of an item by these scores, from 1, items of the history left out.
fn place(scores: &[f32], history: &[ItemId], item: ItemId) -> usize {
    let score = scores[item.index()];
    let better =
        |&(id, &other): &(usize, &f32)| other > score && !history.iter().any(|seen| seen.index() == id);
    1 + scores.iter().enumerate().skip(1).filter(better).count()
}

/// How many of the scores fall into each of equal steps.
fn histogram(scores: &[f32], low: f32, high: f32) -> Vec<usize> {
    let mut bars = vec![0; BARS];
    let width = (high - low).max(f32::MIN_POSITIVE) / BARS as f32;
    for score in scores {
        bars[(((score - low) / width) as usize).min(BARS - 1)] += 1;
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_leave_out_what_was_read() {
        let scores = [9.0, 1.0, 4.0, 3.0, 2.0];
        assert_eq!(place(&scores, &[], ItemId(2)), 1);
        assert_eq!(place(&scores, &[], ItemId(4)), 3);
        assert_eq!(place(&scores, &[ItemId(2)], ItemId(4)), 2);
    }

    #[test]
    fn every_score_is_counted_once() {
        let scores: Vec<f32> = (0..100).map(|n| n as f32).collect();
        let bars = histogram(&scores, 0.0, 99.0);
        assert_eq!((bars.len(), bars.iter().sum::<usize>()), (BARS, 100));
        assert!(bars[0] > 0 && bars[BARS - 1] > 0);
        assert_eq!(histogram(&[2.0, 2.0], 2.0, 2.0)[0], 2);
    }
}
