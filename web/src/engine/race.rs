//! The race of the paper's Figure 3: one pass read through the verbalizer, then the ranking written out.

use std::cell::Cell;

use shared::{
    protocol::{EventBody, Race, RaceEnd},
    ranker::{Ranker, RankerError},
};

use super::{breathe, now, post};

/// Most tokens written: twenty titles of some length.
const TOKENS: usize = 400;

/// Ranks by letters, then writes until the model ends, enough is written, or `stop` is set; every token is told as answer to
/// request `seq`.
pub async fn run(
    seq: u64,
    ranker: &Ranker,
    prompt: &str,
    titles: &[&str],
    stop: &Cell<bool>,
) -> Result<Race, RankerError> {
    stop.set(false);
    ranker.forget();
    let start = now();
    let pass = ranker.explain(prompt, 0).await?;
    let mut race = Race {
        prompt_tokens: pass.encoded.ids.len(),
        pass_ms: now() - start,
        candidates: titles.len(),
        ..Race::default()
    };
    post(seq, EventBody::Raced { race: race.clone() });
    let mut generation = ranker.generate(prompt)?;
    let start = now();
    loop {
        let token = generation.next().await?;
        race.writing_ms = now() - start;
        race.tokens += 1;
        race.text = generation.text()?;
        race.named = titles.iter().filter(|title| race.text.contains(**title)).count();
        race.end = if Some(token) == ranker.end() {
            Some(RaceEnd::Said)
        } else if race.tokens >= TOKENS {
            Some(RaceEnd::Full)
        } else {
            stop.take().then_some(RaceEnd::Stopped)
        };
        if race.end.is_some() {
            return Ok(race);
        }
        post(seq, EventBody::Raced { race: race.clone() });
        breathe().await;
    }
}
