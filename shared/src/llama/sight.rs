//! Which tokens see which: one history shared by several continuations that are blind to one another.
//!
//! A [`Layout`] is a prefix and branches. Prefix tokens are causal. A branch's tokens see the prefix up to
//! where the branch leaves it and, causally, their own branch, at the positions right after. So a branch's
//! states do not depend on the others or on their order, and equal those of a pass over its part of the
//! prefix and the branch alone. Block masks of this kind: InvariRank, arXiv 2604.27599; prefix sharing: Hydragen, 2402.05099.

use std::ops::Range;

/// Tokens of one history: a prefix, and branches that leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    prefix: Vec<u32>,
    branches: Vec<Branch>,
    /// Tokens that are read besides the last ones, by their places among all, in rising order.
    also: Vec<usize>,
}

/// A continuation of the first tokens of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// How many tokens of the prefix it sees.
    pub seen: usize,
    /// Its own tokens.
    pub ids: Vec<u32>,
}

/// The keys a query sees: all of the first `shared`, and those from `own` to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Keys `0..shared` are seen.
    pub shared: usize,
    /// Keys `own..=here` are seen.
    pub own: usize,
    /// The query's own place among the keys.
    pub here: usize,
}

impl Sight {
    /// The two stretches of keys that are seen.
    pub fn ranges(self) -> [Range<usize>; 2] {
        [0..self.shared, self.own..self.here + 1]
    }

    /// The same for a GPU, where keys count from `first` on: first key and number of both stretches.
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    pub(super) fn stretches(self, first: usize) -> [u32; 4] {
        [first, self.shared, first + self.own, self.here + 1 - self.own].map(|number| number as u32)
    }
}

impl Layout {
    /// A plain prompt, read at its last token.
    ///
    /// # Panics
    /// If there is no token.
    pub fn prompt(ids: &[u32]) -> Self {
        Self::new(ids.to_vec(), Vec::new())
    }

    /// A prefix with branches, each read at its last token; without branches the prefix is read.
    ///
    /// # Panics
    /// If there is no token, a branch is empty, or a branch sees more than there is.
    pub fn new(prefix: Vec<u32>, branches: Vec<Branch>) -> Self {
        assert!(!prefix.is_empty() || !branches.is_empty(), "nothing to read");
        for Branch { seen, ids } in &branches {
            assert!(!ids.is_empty() && *seen <= prefix.len(), "a branch of {} behind {seen}", ids.len());
        }
        Self { prefix, branches, also: Vec::new() }
    }

    /// The places of a sequence, counted from its own beginning, that it does not share with others.
    pub fn own(&self, sequence: usize) -> Range<usize> {
        match self.branches.get(sequence) {
            Some(Branch { seen, ids }) => *seen..seen + ids.len(),
            None => 0..self.prefix.len(),
        }
    }

    /// Reads these tokens, too: for each sequence some of its own places before its last, in rising order.
    ///
    /// # Panics
    /// If there are not as many lists as sequences, or a place is none of these.
    #[must_use]
    pub fn reading_also(mut self, places: &[Vec<usize>]) -> Self {
        assert_eq!(places.len(), self.branches.len().max(1), "a list for each sequence");
        let mut start = if self.is_prompt() { 0 } else { self.prefix.len() };
        let mut also = Vec::new();
        for (n, places) in places.iter().enumerate() {
            let own = self.own(n);
            for place in places {
                assert!(own.contains(&(place + 1)) && own.contains(place), "place {place} of {own:?}");
                also.push(start + place - own.start);
            }
            start += own.len();
        }
        self.also = also;
        self
    }

    /// Sequences that begin alike, each read at its last token; the longest common start that any of them has
    /// with another is read once for both.
    ///
    /// # Panics
    /// If there is no sequence, or an empty one.
    pub fn sharing(sequences: &[Vec<u32>]) -> Self {
        let common = |a: &[u32], b: &[u32]| a.iter().zip(b).take_while(|(one, other)| one == other).count();
        // The last token is the branch's own: that is where it is read.
        let shares = |one: usize| {
            let others = sequences.iter().enumerate().filter(|&(other, _)| other != one);
            others.map(|(_, other)| common(&sequences[one], other).min(other.len() - 1)).max().unwrap_or(0)
        };
        let best = (0..sequences.len()).max_by_key(|&one| shares(one)).expect("at least one sequence");
        let prefix = &sequences[best][..shares(best).min(sequences[best].len() - 1)];
        if prefix.is_empty() && sequences.len() == 1 {
            return Self::prompt(&sequences[0]);
        }
        let branches = sequences.iter().map(|ids| {
            let seen = common(prefix, ids).min(ids.len() - 1);
            Branch { seen, ids: ids[seen..].to_vec() }
        });
        Self::new(prefix.to_vec(), branches.collect())
    }

    /// Tokens that all branches can share, or the prompt.
    pub fn prefix(&self) -> &[u32] {
        &self.prefix
    }

    /// All tokens, the prefix first.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.prefix.iter().chain(self.branches.iter().flat_map(|branch| &branch.ids)).copied()
    }

    /// Number of tokens.
    pub fn tokens(&self) -> usize {
        self.prefix.len() + self.branches.iter().map(|branch| branch.ids.len()).sum::<usize>()
    }

    /// Number of hidden states that are read.
    pub fn reads(&self) -> usize {
        self.branches.len().max(1) + self.also.len()
    }

    /// Whether this is one causal sequence.
    pub fn is_prompt(&self) -> bool {
        self.branches.is_empty()
    }

    /// Length of the longest sequence in it: the model's context must hold it.
    pub fn depth(&self) -> usize {
        let branches = self.branches.iter().map(|branch| branch.seen + branch.ids.len());
        branches.max().unwrap_or(0).max(self.prefix.len())
    }

    /// What each token sees; keys count from the layout's first token.
    pub fn sights(&self) -> Vec<Sight> {
        let prefix = 0..self.prefix.len();
        let mut sights: Vec<Sight> = prefix.map(|here| Sight { shared: 0, own: 0, here }).collect();
        for Branch { seen, ids } in &self.branches {
            let own = sights.len();
            sights.extend((own..own + ids.len()).map(|here| Sight { shared: *seen, own, here }));
        }
        sights
    }

    /// Rotary position of each token.
    pub fn positions(&self) -> impl Iterator<Item = usize> {
        self.sights().into_iter().map(|sight| sight.shared + sight.here - sight.own)
    }

    /// Tokens whose final states are read: the last of each branch, or of the prompt, and before it what else is read of it.
    pub fn read_at(&self) -> Vec<usize> {
        let mut end = self.prefix.len();
        let last = self.branches.iter().map(|branch| {
            end += branch.ids.len();
            end - 1
        });
        let mut all: Vec<usize> = last.chain(self.also.iter().copied()).collect();
        if self.is_prompt() {
            all.push(self.prefix.len() - 1);
        }
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_see_the_prefix_and_themselves() {
        let branch = |seen, ids: &[u32]| Branch { seen, ids: ids.to_vec() };
        let layout = Layout::new(vec![1, 2], vec![branch(2, &[3, 4]), branch(1, &[5])]);
        let seen: Vec<Vec<usize>> =
            layout.sights().into_iter().map(|sight| sight.ranges().into_iter().flatten().collect()).collect();
        assert_eq!(seen, [vec![0], vec![0, 1], vec![0, 1, 2], vec![0, 1, 2, 3], vec![0, 4]]);
        assert_eq!(layout.positions().collect::<Vec<_>>(), [0, 1, 2, 3, 1]);
        assert_eq!(layout.read_at(), [3, 4]);
        assert_eq!((layout.tokens(), layout.reads(), layout.depth()), (5, 2, 4));
        assert_eq!(Layout::prompt(&[7, 8]).read_at(), [1]);
    }

    #[test]
    fn other_tokens_can_be_read_too() {
        let branch = |seen, ids: &[u32]| Branch { seen, ids: ids.to_vec() };
        let layout = Layout::new(vec![1, 2], vec![branch(2, &[3, 4, 5]), branch(1, &[6, 7])]);
        // The first sequence is 1 2 3 4 5, the second 1 6 7.
        assert_eq!((layout.own(0), layout.own(1)), (2..5, 1..3));
        let layout = layout.reading_also(&[vec![2, 3], vec![1]]);
        assert_eq!((layout.read_at(), layout.reads()), (vec![2, 3, 4, 5, 6], 5));
        let prompt = Layout::prompt(&[1, 2, 3]).reading_also(&[vec![1]]);
        assert_eq!((prompt.read_at(), prompt.reads(), prompt.is_prompt()), (vec![1, 2], 2, true));
    }

    #[test]
    fn sequences_share_their_common_start() {
        let layout = |sequences: &[&[u32]]| {
            Layout::sharing(&sequences.iter().map(|ids| ids.to_vec()).collect::<Vec<_>>())
        };
        let branch = |seen, ids: &[u32]| Branch { seen, ids: ids.to_vec() };
        assert_eq!(
            layout(&[&[1, 9, 9], &[1, 2, 3, 4], &[1, 2, 3, 5, 6]]),
            Layout::new(vec![1, 2, 3], vec![branch(1, &[9, 9]), branch(3, &[4]), branch(3, &[5, 6])])
        );
        assert_eq!(layout(&[&[1, 2]]), Layout::prompt(&[1, 2]));
        // Equal sequences keep their last token for themselves.
        assert_eq!(layout(&[&[4, 5], &[4, 5]]), Layout::new(vec![4], vec![branch(1, &[5]), branch(1, &[5])]));
        assert_eq!(layout(&[&[4], &[5, 6]]), Layout::new(vec![], vec![branch(0, &[4]), branch(0, &[5, 6])]));
    }
}
