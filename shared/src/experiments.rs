//! What the lesson tries out: other letters for the same candidates, and one pass against writing the ranking out (paper,
//! Figure 3). Both take many passes, so they tell how they stand, and whoever hears it may stop them.

use crate::{
    catalog::ItemId,
    protocol::{Race, RaceEnd, ShuffleStudy},
    ranker::RankerError,
    recommender::{Options, RecommendError, Recommender},
    trace::Asking,
};

/// Most tokens written in a race: twenty titles of some length.
const TOKENS: usize = 400;

impl Recommender {
    /// Asks about a history by letters, with the candidates in each of these orders. `tell` hears of every answer; when it
    /// says `false`, those that there are make the study.
    ///
    /// # Errors
    /// As [`Self::recommend`], and without a ranker.
    pub async fn shuffle(
        &self,
        history: &[ItemId],
        orders: Vec<Vec<usize>>,
        mut tell: impl AsyncFnMut(&ShuffleStudy) -> bool,
    ) -> Result<ShuffleStudy, RecommendError> {
        let mut study = ShuffleStudy { orders: orders.len(), ..ShuffleStudy::default() };
        for order in orders {
            let asking = Asking { letters: true, order, ..Asking::default() };
            let options = Options { rank: true, asking, top: 0 };
            let trace = match self.recommend(history, &options, &|| 0.0).await {
                Err(RecommendError::Ranker(RankerError::Stopped)) => break,
                trace => trace?,
            };
            let letters = trace.ranker.as_ref().ok_or(RecommendError::NoRanker)?;
            let places = trace.by_letter();
            study.answers.push(places.into_iter().zip(letters.letter_logits.iter().copied()).collect());
            study.titles = trace.candidates.into_iter().map(|candidate| candidate.title).collect();
            if !tell(&study).await {
                break;
            }
        }
        Ok(study)
    }

    /// Ranks by letters, then writes until the model ends, enough is written or `tell`, which hears of the pass and of
    /// every token, says `false`. `clock` gives milliseconds since any moment.
    ///
    /// # Errors
    /// As [`Self::recommend`], and without a ranker.
    pub async fn race(
        &self,
        history: &[ItemId],
        clock: &dyn Fn() -> f64,
        mut tell: impl AsyncFnMut(&Race) -> bool,
    ) -> Result<Race, RecommendError> {
        let prompt = self.prompt(history).await?;
        let (Some(prompt), Some(ranker)) = (prompt, self.ranker()) else {
            return Err(RecommendError::NoRanker);
        };
        let titles: Vec<&str> = prompt.candidates().collect();
        ranker.forget();
        let start = clock();
        let pass = ranker.explain(&prompt.text, 0).await?;
        let mut race = Race {
            prompt_tokens: pass.encoded.ids.len(),
            pass_ms: clock() - start,
            candidates: titles.len(),
            ..Race::default()
        };
        let mut goes_on = tell(&race).await;
        let mut generation = ranker.generate(&prompt.text)?;
        let start = clock();
        while goes_on {
            let token = generation.next().await?;
            race.writing_ms = clock() - start;
            race.tokens += 1;
            race.text = generation.text()?;
            race.named = titles.iter().filter(|title| race.text.contains(**title)).count();
            if Some(token) == ranker.end() {
                race.end = Some(RaceEnd::Said);
            } else if race.tokens >= TOKENS {
                race.end = Some(RaceEnd::Full);
            }
            goes_on = race.end.is_none() && tell(&race).await;
        }
        race.end = race.end.or(Some(RaceEnd::Stopped));
        Ok(race)
    }
}
