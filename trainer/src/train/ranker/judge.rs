//! What a ranker is worth: users whose item is among the retriever's candidates, scored by both stages.

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use shared::{
    CANDIDATES,
    catalog::ItemId,
    fusion::{Fusion, Judged},
    llama::{Adapter, Layout},
    metrics::{Interval, Metric, Summary},
    pointwise::{Pointwise, Question},
    ranker::Ranker,
};

use crate::{
    candidates::CandidateTable,
    data::Dataset,
    train::measure::{Part, difference},
};

/// Tokens of a pass at most, unless a single user's are more.
const PASS_TOKENS: usize = 2048;

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
    pub pointwise: &'a Pointwise,
}

impl Judge<'_> {
    /// Questions behind a history: how many of its items each comes after, and its candidates.
    ///
    /// # Errors
    /// A tokenizer that fails.
    pub fn layout(
        &self,
        dataset: &Dataset,
        history: &[ItemId],
        questions: &[(usize, Vec<ItemId>)],
    ) -> anyhow::Result<Layout> {
        let titles = |items: &[ItemId]| -> Vec<&str> {
            items.iter().map(|&item| dataset.catalog.title(item)).collect()
        };
        let questions: Vec<Question> = questions
            .iter()
            .map(|(length, candidates)| Question { length: *length, candidates: titles(candidates) })
            .collect();
        Ok(self.pointwise.layout(self.ranker.tokens(), &titles(history), &questions)?)
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
    ) -> anyhow::Result<Vec<Judged>> {
        let mut judged = Vec::with_capacity(users.len());
        let mut waiting: Vec<(Layout, Judged)> = Vec::new();
        let mut tokens = 0;
        for &user in users {
            let (history, target) = part.of(dataset, user);
            let (items, retriever): (Vec<ItemId>, Vec<f32>) = table.row(user).take(CANDIDATES).unzip();
            let target = items.iter().position(|&item| item == target).unwrap_or(items.len());
            anyhow::ensure!(target < items.len(), "user {user} has no item among the candidates");
            let layout = self.layout(dataset, history, &[(history.len(), items)])?;
            if !waiting.is_empty() && tokens + layout.tokens() > PASS_TOKENS {
                self.score(&mut waiting, &mut judged)?;
                tokens = 0;
            }
            tokens += layout.tokens();
            waiting.push((layout, Judged { retriever, ranker: Vec::new(), target }));
            done();
        }
        self.score(&mut waiting, &mut judged)?;
        Ok(judged)
    }

    fn score(&self, waiting: &mut Vec<(Layout, Judged)>, judged: &mut Vec<Judged>) -> anyhow::Result<()> {
        if waiting.is_empty() {
            return Ok(());
        }
        let (layouts, users): (Vec<Layout>, Vec<Judged>) = waiting.drain(..).unzip();
        let scores = self.pointwise.scores(self.ranker.llama(), &layouts, self.adapter);
        let scores: Vec<f32> = scores.try_into_vec_as()?;
        let mut scores = scores.into_iter();
        for (layout, user) in layouts.iter().zip(users) {
            judged.push(Judged { ranker: scores.by_ref().take(layout.reads()).collect(), ..user });
        }
        Ok(())
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
