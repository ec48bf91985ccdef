//! What the ranker trains on: a prefix of a user's history, the item chosen next, and items that were not,
//! most of them from the retriever's best: random ones alone teach popularity (measured, trainer/results).

use std::collections::HashSet;

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use shared::catalog::ItemId;

use super::{RankerConfig, binding::Binding};
use crate::{
    candidates::{CandidateTable, Prefix},
    data::Dataset,
};

/// One example: a stretch of a user's history with questions at several of its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example<'a> {
    /// Items read, oldest first.
    pub history: &'a [ItemId],
    /// What is asked behind some of them.
    pub questions: Vec<Choice>,
}

/// Which of these items was chosen next?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// How many items of the history come before.
    pub length: usize,
    /// The item chosen and others, shuffled.
    pub candidates: Vec<ItemId>,
    /// Place of the right answer.
    pub chosen: usize,
    /// Whether that is an item of the history ([`super::binding`]), not the one chosen next.
    pub binding: bool,
}

impl Choice {
    /// How many candidates move from the front to the back in one of so many orders: every candidate comes to stand under
    /// letters all over the list.
    pub fn turn(&self, order: usize, orders: usize) -> usize {
        order * self.candidates.len() / orders
    }

    /// The same question in one of so many orders.
    #[must_use]
    pub fn turned(&self, order: usize, orders: usize) -> Self {
        let (turn, all) = (self.turn(order, orders), self.candidates.len());
        let mut turned = self.clone();
        turned.candidates.rotate_left(turn);
        turned.chosen = (self.chosen + all - turn) % all;
        turned
    }
}

/// Draws examples; which ones a step gets depends on its number and the seed only.
#[derive(Debug)]
pub struct Examples<'a> {
    dataset: &'a Dataset,
    prefixes: &'a [Prefix],
    table: &'a CandidateTable,
    /// Rows of prefixes whose next item is among the retriever's best, as at test time; neighbours of one
    /// user that are asked together share a history and most of its cost.
    groups: Vec<Vec<usize>>,
    seed: u64,
}

/// The shuffle that decides which examples are taken if not all are; no epoch comes that far.
const DRAW: usize = (1 << 32) - 1;
/// Random numbers of steps are far from those of epochs.
const STEP_STREAMS: u64 = 1 << 32;

impl<'a> Examples<'a> {
    /// Over these training prefixes and the retriever's best for each.
    pub fn new(
        dataset: &'a Dataset,
        prefixes: &'a [Prefix],
        table: &'a CandidateTable,
        config: &RankerConfig,
    ) -> Self {
        let usable = (0..prefixes.len()).filter(|&row| {
            let target = target(dataset, prefixes[row]);
            table.row(row).any(|(item, _)| item == target)
        });
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for row in usable {
            match groups.last_mut() {
                Some(group)
                    if group.len() < config.questions && prefixes[group[0]].user == prefixes[row].user =>
                {
                    group.push(row);
                }
                _ => groups.push(vec![row]),
            }
        }
        let mut examples = Self { dataset, prefixes, table, groups, seed: config.seed };
        if (1..examples.len()).contains(&config.examples) {
            let drawn = examples.shuffled(DRAW);
            examples.groups =
                drawn[..config.examples].iter().map(|&group| examples.groups[group].clone()).collect();
        }
        examples
    }

    /// How many questions there are.
    pub fn questions(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The examples of a step: every epoch is a new shuffle.
    pub fn batch(&self, step: usize, config: &RankerConfig) -> Vec<Example<'a>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(STEP_STREAMS + step as u64);
        let first = step * config.batch_size;
        let mut epoch = (usize::MAX, Vec::new());
        (first..first + config.batch_size)
            .map(|n| {
                if epoch.0 != n / self.len() {
                    epoch = (n / self.len(), self.shuffled(n / self.len()));
                }
                self.example(epoch.1[n % self.len()], config, Binding::at(step, config), &mut rng)
            })
            .collect()
    }

    fn shuffled(&self, epoch: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(epoch as u64);
        order.shuffle(&mut rng);
        order
    }

    fn example(
        &self,
        group: usize,
        config: &RankerConfig,
        binding: Binding,
        rng: &mut ChaCha8Rng,
    ) -> Example<'a> {
        let rows = &self.groups[group];
        let train = self.dataset.split(self.prefixes[rows[0]].user).train;
        // What the user chose at another time is no example of what the user does not choose.
        let chosen: HashSet<ItemId> = train.iter().copied().collect();
        let questions: Vec<Choice> = rows
            .iter()
            .map(|&row| {
                let length = self.prefixes[row].length;
                let mut candidates = self.candidates(row, &chosen, binding.candidates, config, rng);
                // Nothing is drawn where there are none, so that such runs stay what they were.
                let binding = binding.share > 0.0 && rng.random_bool(binding.share);
                if binding {
                    candidates[0] = train[rng.random_range(length.saturating_sub(config.history)..length)];
                }
                let answer = candidates[0];
                candidates.shuffle(rng);
                let chosen = candidates.iter().position(|&item| item == answer).unwrap_or(0);
                Choice { length, candidates, chosen, binding }
            })
            .collect();
        let longest = questions.iter().map(|question| question.length).max().unwrap_or(0);
        Example { history: &train[..longest], questions }
    }

    /// The item chosen behind a prefix, then others, so many in all.
    fn candidates(
        &self,
        row: usize,
        chosen: &HashSet<ItemId>,
        count: usize,
        config: &RankerConfig,
        rng: &mut ChaCha8Rng,
    ) -> Vec<ItemId> {
        let others = count - 1;
        let random = (others as f64 * config.random_share).round() as usize;
        let mut hard: Vec<ItemId> =
            self.table.row(row).map(|(item, _)| item).filter(|item| !chosen.contains(item)).collect();
        hard.shuffle(rng);
        hard.truncate(others - random);
        let mut candidates = vec![target(self.dataset, self.prefixes[row])];
        candidates.extend(hard);
        // A small catalogue may not have enough items that were not chosen.
        let items = self.dataset.catalog.len();
        let most = (others + 1).min(1 + items - chosen.len());
        while candidates.len() < most {
            let item = ItemId(rng.random_range(1..=items as u32));
            if !chosen.contains(&item) && !candidates.contains(&item) {
                candidates.push(item);
            }
        }
        candidates
    }
}

/// The item behind a prefix.
fn target(dataset: &Dataset, prefix: Prefix) -> ItemId {
    dataset.split(prefix.user).train[prefix.length]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::catalog::{Catalog, Item};

    use super::*;

    fn dataset() -> Dataset {
        let item = |n: usize| Item { raw: n.to_string(), title: n.to_string(), genres: Vec::new() };
        let sequences = [vec![1, 2, 3, 4, 5, 6, 7], vec![8, 9, 10, 11]];
        Dataset {
            name: "small".to_owned(),
            catalog: Catalog::new((1..=20).map(item).collect()),
            users: vec!["a".to_owned(), "b".to_owned()],
            sequences: sequences.map(|ids| ids.into_iter().map(ItemId).collect()).to_vec(),
        }
    }

    /// Prefixes of the training items 1..=5 and 8, 9; the retriever finds the next item but for one.
    fn retrieved() -> (Vec<Prefix>, CandidateTable) {
        let prefix = |user, length| Prefix { user, length };
        let prefixes = vec![prefix(0, 1), prefix(0, 2), prefix(0, 3), prefix(0, 4), prefix(1, 1)];
        let rows: [&[u32]; 5] = [
            &[2, 12, 13, 14, 3],
            &[3, 12, 15, 16, 4],
            &[12, 4, 17, 18, 5],
            &[12, 13, 14, 15, 16],
            &[9, 12, 1, 2, 3],
        ];
        (prefixes, CandidateTable::of(&rows))
    }

    #[test]
    fn a_question_holds_the_item_chosen_and_items_never_chosen() {
        let (dataset, (prefixes, table)) = (dataset(), retrieved());
        let config = RankerConfig { candidates: 4, questions: 2, batch_size: 3, ..RankerConfig::default() };
        let examples = Examples::new(&dataset, &prefixes, &table, &config);
        // Prefix 4 of user a was missed; of the other three two share a history.
        assert_eq!((examples.questions(), examples.len()), (4, 3));
        let mut seen: BTreeMap<Vec<ItemId>, usize> = BTreeMap::new();
        for step in 0..20 {
            for example in examples.batch(step, &config) {
                *seen.entry(example.history.to_vec()).or_default() += 1;
                for Choice { length, candidates, chosen, binding } in &example.questions {
                    assert!(!binding);
                    let user = dataset.sequences.iter().find(|user| user.starts_with(example.history));
                    let user = user.expect("a user's history");
                    assert_eq!(candidates[*chosen], user[*length]);
                    let distinct: HashSet<&ItemId> = candidates.iter().collect();
                    assert_eq!((candidates.len(), distinct.len()), (4, 4));
                    // Validation and test items may come up: training does not know them.
                    let train = &user[..user.len() - 2];
                    let mut others = candidates.iter().enumerate().filter(|(place, _)| place != chosen);
                    assert!(others.all(|(_, item)| !train.contains(item)), "{candidates:?}");
                }
            }
        }
        // Every step is an epoch of three histories.
        assert_eq!(seen.values().copied().collect::<Vec<_>>(), [20, 20, 20]);
        assert_eq!(examples.batch(7, &config), examples.batch(7, &config));
        assert_ne!(examples.batch(7, &config), examples.batch(8, &config));
    }

    #[test]
    fn a_binding_question_has_one_candidate_of_the_history() {
        let (dataset, (prefixes, table)) = (dataset(), retrieved());
        let config = RankerConfig {
            candidates: 4,
            questions: 2,
            batch_size: 3,
            history: 2,
            binding_steps: 4,
            ..RankerConfig::default()
        };
        let examples = Examples::new(&dataset, &prefixes, &table, &config);
        let mut answers = HashSet::new();
        for example in (0..4).flat_map(|step| examples.batch(step, &config)) {
            for Choice { length, candidates, chosen, binding } in &example.questions {
                let shown = &example.history[length.saturating_sub(2)..*length];
                let of_history: Vec<&ItemId> =
                    candidates.iter().filter(|item| example.history.contains(item)).collect();
                assert!(*binding && shown.contains(&candidates[*chosen]), "{candidates:?}");
                assert_eq!((of_history.len(), candidates.len()), (1, 4));
                answers.insert(*chosen);
            }
        }
        assert_eq!(answers.len(), 4, "at every place");
        let later: Vec<Example> = (4..60).flat_map(|step| examples.batch(step, &config)).collect();
        let (binding, others): (Vec<_>, Vec<_>) =
            later.iter().flat_map(|example| &example.questions).partition(|question| question.binding);
        assert!(!binding.is_empty() && binding.len() * 4 < others.len(), "{} of them", binding.len());
    }

    #[test]
    fn in_all_its_orders_a_candidate_stands_at_places_far_from_one_another() {
        let candidates: Vec<ItemId> = (1..=5).map(ItemId).collect();
        let question = Choice { length: 1, candidates, chosen: 1, binding: false };
        assert_eq!(question.turned(0, 2), question);
        let turned = question.turned(1, 2);
        assert_eq!(turned.candidates, [3, 4, 5, 1, 2].map(ItemId));
        for order in 0..5 {
            let turned = question.turned(order, 5);
            assert_eq!(turned.candidates[turned.chosen], ItemId(2));
            assert_eq!(turned.chosen, (6 - order) % 5, "at every place once");
        }
    }

    #[test]
    fn a_draw_of_examples_is_the_same_every_time() {
        let (dataset, (prefixes, table)) = (dataset(), retrieved());
        let drawn = |examples, seed| {
            let config =
                RankerConfig { questions: 1, batch_size: 2, examples, seed, ..RankerConfig::default() };
            let examples = Examples::new(&dataset, &prefixes, &table, &config);
            let mut histories: Vec<Vec<ItemId>> =
                examples.batch(0, &config).iter().map(|example| example.history.to_vec()).collect();
            histories.sort();
            (examples.len(), histories)
        };
        assert_eq!(drawn(2, 1), drawn(2, 1));
        assert_eq!([drawn(2, 1).0, drawn(0, 1).0, drawn(99, 1).0], [2, 4, 4]);
        assert!((2..20).any(|seed| drawn(2, seed) != drawn(2, 1)), "the seed decides");
    }

    #[test]
    fn the_share_of_random_items_is_kept_and_small_catalogues_do_not_hang() {
        let (dataset, (prefixes, table)) = (dataset(), retrieved());
        let hard_of = |random_share| {
            let config =
                RankerConfig { candidates: 4, questions: 1, random_share, ..RankerConfig::default() };
            let examples = Examples::new(&dataset, &prefixes, &table, &config);
            let hard: HashSet<u32> = (1..=5).chain(12..=18).collect();
            let batch = examples.batch(0, &config);
            let others = batch.iter().flat_map(|example| &example.questions).flat_map(|question| {
                let target = question.candidates[question.chosen];
                question.candidates.iter().filter(move |&&item| item != target)
            });
            others.map(|item| usize::from(hard.contains(&item.0))).sum::<usize>() as f64 / batch.len() as f64
        };
        assert!(hard_of(0.0) > hard_of(1.0));
        let config = RankerConfig { candidates: 99, ..RankerConfig::default() };
        let examples = Examples::new(&dataset, &prefixes, &table, &config);
        for example in examples.batch(0, &config) {
            let train = if example.history[0] == ItemId(1) { 5 } else { 2 };
            assert!(example.questions.iter().all(|question| question.candidates.len() == 1 + 20 - train));
        }
    }
}
