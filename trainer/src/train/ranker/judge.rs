//! What a ranker is worth: users whose item is among the retriever's candidates, scored by both stages.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use shared::{
    CANDIDATES,
    catalog::ItemId,
    fusion::{Fusion, Judged},
    llama::Adapter,
    metrics::{Interval, Metric, Summary},
    ranker::Ranker,
    ranking,
    scoring::{Asked, Question, Scorer},
};

use crate::{
    candidates::CandidateTable,
    data::Dataset,
    report::UserError,
    train::measure::{Part, difference},
};

/// Tokens of a pass at most, unless a single user's are more: enough to keep a device busy.
const PASS_TOKENS: usize = 2048;
/// The same on a GPU.
const GPU_PASS_TOKENS: usize = 16_384;

/// The users of a part whose item is among their first [`CANDIDATES`].
pub fn judgeable(dataset: &Dataset, part: Part, table: &CandidateTable) -> Vec<usize> {
    let found = |&user: &usize| {
        let target = part.of(dataset, user).1;
        table.row(user).take(CANDIDATES).any(|(item, _)| item == target)
    };
    (0..table.rows()).filter(found).collect()
}

/// At most `most` of these users, in their order: a fixed draw.
pub fn draw(mut users: Vec<usize>, most: usize, seed: u64) -> Vec<usize> {
    if users.len() > most {
        users.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        users.truncate(most);
        users.sort_unstable();
    }
    users
}

/// Base model, adapter and how they are asked.
#[derive(Clone, Copy)]
pub struct Judge<'a> {
    /// Base model and tokenizer.
    pub ranker: &'a Ranker,
    /// The adapter, if there is one, on the base model's device without autodiff.
    pub adapter: Option<&'a Adapter>,
    /// The questions.
    pub scorer: &'a Scorer,
    /// How the candidates are shown.
    pub orders: Orders,
    /// What a candidate gains by its place alone; it is taken away (calibration: Zhao et al., arXiv 2102.09690).
    pub prior: Option<&'a [f64]>,
}

/// In which orders a user's candidates are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orders {
    /// The retriever's, best first.
    Retriever,
    /// So many random ones; the scores are the means over them.
    Shuffled(usize),
}

impl Orders {
    fn of(self, candidates: usize, user: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..candidates).collect();
        match self {
            Self::Retriever => vec![order],
            Self::Shuffled(count) => {
                let mut rng = ChaCha8Rng::seed_from_u64(user as u64);
                let mut shuffle = || {
                    order.shuffle(&mut rng);
                    order.clone()
                };
                (0..count).map(|_| shuffle()).collect()
            }
        }
    }
}

/// What was said about users.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Both stages' scores, one entry a user.
    pub users: Vec<Judged>,
    /// How often the candidate shown at each place got the best score. Flat if places do not matter and orders are
    /// random.
    pub best_at: Vec<usize>,
    /// Sum of the scores at each place, each less the mean of its question, and how many they are.
    at_place: Vec<(f64, usize)>,
}

impl Judgement {
    /// Notes the scores at the places of a question.
    fn note(&mut self, shown: &[f32]) {
        let mean = shown.iter().sum::<f32>() / shown.len() as f32;
        for ((sum, count), score) in self.at_place.iter_mut().zip(shown) {
            *sum += f64::from(score - mean);
            *count += 1;
        }
    }

    /// What a candidate gains by its place alone: the mean over users, to whom random orders were shown.
    pub fn prior(&self) -> Vec<f64> {
        self.at_place.iter().map(|&(sum, count)| sum / count.max(1) as f64).collect()
    }
}

/// Scores less what their places gain by themselves.
fn calibrated(shown: &[f32], prior: Option<&[f64]>) -> Vec<f32> {
    let gain = |place: usize| prior.map_or(0.0, |prior| prior[place] as f32);
    shown.iter().enumerate().map(|(place, score)| score - gain(place)).collect()
}

/// A user who is to be judged.
struct Waiting {
    asked: Asked,
    orders: Vec<Vec<usize>>,
    judged: Judged,
}

impl Judge<'_> {
    /// Asks behind a history: each question has the number of items it comes after, and its candidates; answers are running if
    /// they are to teach.
    ///
    /// # Errors
    /// A tokenizer that fails.
    pub fn ask<'i>(
        &self,
        dataset: &Dataset,
        history: &[ItemId],
        questions: impl IntoIterator<Item = (usize, &'i [ItemId])>,
        running: bool,
    ) -> anyhow::Result<Asked> {
        let titles = |items: &[ItemId]| -> Vec<&str> {
            items.iter().map(|&item| dataset.catalog.title(item)).collect()
        };
        let questions: Vec<Question> = questions
            .into_iter()
            .map(|(length, candidates)| Question { length, candidates: titles(candidates) })
            .collect();
        let (tokens, history) = (self.ranker.tokens(), titles(history));
        let asked = if running {
            self.scorer.ask_running(tokens, &history, &questions)?
        } else {
            self.scorer.ask(tokens, &history, &questions)?
        };
        let (depth, limit) = (asked.layout.depth(), self.ranker.llama().config().max_len);
        if depth > limit {
            let message = format!("a question has {depth} tokens, the base model reads {limit}");
            return Err(UserError::usage(message).hint("take a base model with a longer context, or train with less of --history or --title-tokens").into());
        }
        Ok(asked)
    }

    /// What both stages say about the candidates of these users; `done` hears of every user.
    ///
    /// # Errors
    /// A tokenizer or device that fails.
    pub fn users(
        &self,
        dataset: &Dataset,
        part: Part,
        table: &CandidateTable,
        users: &[usize],
        mut done: impl FnMut(),
    ) -> anyhow::Result<Judgement> {
        let mut judgement = Judgement { at_place: vec![(0.0, 0); CANDIDATES], ..Judgement::default() };
        let most = if self.ranker.llama().on_cpu() { PASS_TOKENS } else { GPU_PASS_TOKENS };
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut tokens = 0;
        for &user in users {
            let (history, target) = part.of(dataset, user);
            let (items, retriever): (Vec<ItemId>, Vec<f32>) = table.row(user).take(CANDIDATES).unzip();
            let target = items.iter().position(|&item| item == target).unwrap_or(items.len());
            anyhow::ensure!(target < items.len(), "user {user} has no item among the candidates");
            let orders = self.orders.of(items.len(), user);
            let shown: Vec<Vec<ItemId>> =
                orders.iter().map(|order| order.iter().map(|&n| items[n]).collect()).collect();
            let questions = shown.iter().map(|items| (history.len(), items.as_slice()));
            let asked = self.ask(dataset, history, questions, false)?;
            if !waiting.is_empty() && tokens + asked.layout.tokens() > most {
                self.score(&mut waiting, &mut judgement)?;
                tokens = 0;
            }
            tokens += asked.layout.tokens();
            let judged = Judged { retriever, ranker: vec![0.0; items.len()], target };
            waiting.push(Waiting { asked, orders, judged });
            done();
        }
        self.score(&mut waiting, &mut judgement)?;
        Ok(judgement)
    }

    fn score(&self, waiting: &mut Vec<Waiting>, judgement: &mut Judgement) -> anyhow::Result<()> {
        if waiting.is_empty() {
            return Ok(());
        }
        let asked: Vec<Asked> = waiting.iter().map(|user| user.asked.clone()).collect();
        let scores: Vec<f32> =
            self.scorer.pass(self.ranker.llama(), &asked, self.adapter).try_into_vec_as()?;
        check_finite(&scores)?;
        let mut scores = scores.as_slice();
        for Waiting { orders, mut judged, .. } in waiting.drain(..) {
            for order in &orders {
                let (shown, rest) = scores.split_at(order.len());
                scores = rest;
                judgement.note(shown);
                let shown = calibrated(shown, self.prior);
                // As many places as there are candidates.
                let places = judgement.best_at.len().max(shown.len());
                judgement.best_at.resize(places, 0);
                judgement.best_at[ranking::order(&shown)[0]] += 1;
                for (&candidate, score) in order.iter().zip(shown) {
                    judged.ranker[candidate] += score / orders.len() as f32;
                }
            }
            judgement.users.push(judged);
        }
        Ok(())
    }
}

/// Refuses scores that are no numbers: the base model's file is damaged where nobody looked.
///
/// # Errors
/// Such a score.
pub fn check_finite<'s>(scores: impl IntoIterator<Item = &'s f32>) -> Result<(), UserError> {
    match scores.into_iter().find(|score| !score.is_finite()) {
        Some(score) => {
            Err(UserError::input(format!("the ranker gives a score of {score}: its weights are damaged"))
                .hint("check the base model with: llamarec model verify"))
        }
        None => Ok(()),
    }
}

/// The stages side by side on the same users and candidates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Users measured: those whose item is among the candidates.
    pub users: usize,
    /// The retriever's order.
    pub retriever: Stage,
    /// The ranker's alone.
    pub ranker: Stage,
    /// Both together.
    pub fused: Stage,
    /// The weights of both.
    pub fusion: Fusion,
    /// Fused minus retriever, paired over users: NDCG@10.
    pub ndcg_10_gain: Interval,
}

/// One order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Mean cross entropy of the softmax over the candidates, in nats; chance is ln 20 = 2.996.
    pub cross_entropy: f64,
    /// Means over users.
    pub summary: Summary,
}

impl Verdict {
    /// With given weights, or with those that fit these users best.
    pub fn new(users: &[Judged], fusion: Option<Fusion>) -> Self {
        let fusion = fusion.unwrap_or_else(|| Fusion::fit(users));
        let stage = |fusion: Fusion| Stage {
            cross_entropy: fusion.cross_entropy(users),
            summary: Summary::new(&fusion.ranks(users)),
        };
        let (fused, retriever) = (fusion.ranks(users), Fusion::RETRIEVER.ranks(users));
        Self {
            users: users.len(),
            retriever: stage(Fusion::RETRIEVER),
            ranker: stage(Fusion::RANKER),
            fused: stage(fusion),
            fusion,
            ndcg_10_gain: difference(Metric::Ndcg(10), &fused, &retriever),
        }
    }
}

impl Stage {
    /// Mean NDCG@10.
    pub fn ndcg_10(&self) -> f64 {
        self.summary.at(10).map_or(0.0, |at| at.ndcg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_always_gains_is_calibrated_away() {
        let mut judgement = Judgement { at_place: vec![(0.0, 0); 3], ..Judgement::default() };
        // The second place gains 4 whatever stands there; the candidates themselves cancel out.
        let questions = [[1.0, 2.0 + 4.0, 3.0], [2.0, 3.0 + 4.0, 1.0], [3.0, 1.0 + 4.0, 2.0]];
        for question in &questions {
            judgement.note(question);
        }
        let prior = judgement.prior();
        assert!((prior[1] - prior[0] - 4.0).abs() < 1e-6 && (prior[0] - prior[2]).abs() < 1e-6, "{prior:?}");
        assert_eq!(ranking::order(&questions[0]), [1, 2, 0]);
        assert_eq!(ranking::order(&calibrated(&questions[0], Some(&prior))), [2, 1, 0]);
        assert_eq!(calibrated(&questions[0], None), questions[0]);
    }
}
