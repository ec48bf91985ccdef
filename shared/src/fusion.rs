//! Fusion of the two stages: a weighted sum of what the retriever and the ranker say about the candidates.
//!
//! The weights are fitted on validation users, where the candidates' scores are the inputs of a softmax and
//! the item chosen is the class (conditional logit): two numbers, a convex problem. A ranker that adds
//! nothing gets weight 0, so the fused order is never worse there than the retriever's.

use serde::{Deserialize, Serialize};

use crate::metrics::{Metric, mean, rank_of};

/// Weights of the stages' scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fusion {
    /// Of the retriever's log-probabilities.
    pub retriever: f64,
    /// Of the ranker's scores.
    pub ranker: f64,
}

/// What both stages say about one user's candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The retriever's scores.
    pub retriever: Vec<f32>,
    /// The ranker's scores.
    pub ranker: Vec<f32>,
    /// Index of the item that was chosen.
    pub target: usize,
}

/// Steps of Newton's method at most; it takes a handful.
const STEPS: usize = 50;

impl Fusion {
    /// The retriever alone.
    pub const RETRIEVER: Self = Self { retriever: 1.0, ranker: 0.0 };
    /// The ranker alone.
    pub const RANKER: Self = Self { retriever: 0.0, ranker: 1.0 };

    /// The weights that explain the choices best; the retriever alone if fusion does not raise NDCG@10.
    pub fn fit(users: &[Judged]) -> Self {
        let fitted = newton(users, [true, true]);
        let fitted = match fitted {
            [a, b] if a > 0.0 && b > 0.0 => Self { retriever: a, ranker: b },
            [a, _] if a > 0.0 => Self::RETRIEVER,
            _ => Self { retriever: 0.0, ranker: newton(users, [false, true])[1].max(0.0) },
        };
        let ndcg = |fusion: Self| mean(&Metric::Ndcg(10).values(&fusion.ranks(users)));
        if ndcg(fitted) > ndcg(Self::RETRIEVER) { fitted } else { Self::RETRIEVER }
    }

    /// The same order, as sure of itself as explains the choices best (temperature scaling: Guo et al., arXiv 1706.04599). What
    /// tells nothing about them ends at 0, which is chance.
    #[must_use]
    pub fn calibrated(self, users: &[Judged]) -> Self {
        let fused = |user: &Judged| Judged {
            retriever: vec![0.0; user.retriever.len()],
            ranker: self.scores(&user.retriever, &user.ranker),
            target: user.target,
        };
        let factor = newton(&users.iter().map(fused).collect::<Vec<_>>(), [false, true])[1].max(0.0);
        Self { retriever: factor * self.retriever, ranker: factor * self.ranker }
    }

    /// Fused scores of one user's candidates.
    pub fn scores(self, retriever: &[f32], ranker: &[f32]) -> Vec<f32> {
        let fused =
            |(&a, &b): (&f32, &f32)| (self.retriever * f64::from(a) + self.ranker * f64::from(b)) as f32;
        retriever.iter().zip(ranker).map(fused).collect()
    }

    /// Rank of each user's item among the candidates, from 0.
    pub fn ranks(self, users: &[Judged]) -> Vec<usize> {
        let rank =
            |user: &Judged| rank_of(&self.scores(&user.retriever, &user.ranker), user.target, |_| false);
        users.iter().map(rank).collect()
    }

    /// Mean cross entropy of the softmax over the candidates with the item chosen, in nats.
    pub fn cross_entropy(self, users: &[Judged]) -> f64 {
        let loss = |user: &Judged| -log_softmax(&weighted(user, [self.retriever, self.ranker]))[user.target];
        mean(&users.iter().map(loss).collect::<Vec<_>>())
    }
}

fn weighted(user: &Judged, [a, b]: [f64; 2]) -> Vec<f64> {
    user.retriever.iter().zip(&user.ranker).map(|(&x, &y)| a * f64::from(x) + b * f64::from(y)).collect()
}

/// Logarithms of the softmax of some scores.
pub fn log_softmax(scores: &[f64]) -> Vec<f64> {
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = max + scores.iter().map(|score| (score - max).exp()).sum::<f64>().ln();
    scores.iter().map(|score| score - log_sum).collect()
}

/// Minimises the cross entropy over those weights that are free; the others are 0.
fn newton(users: &[Judged], free: [bool; 2]) -> [f64; 2] {
    let loss = |[retriever, ranker]: [f64; 2]| Fusion { retriever, ranker }.cross_entropy(users);
    let mut weights = [0.0; 2];
    let mut lowest = loss(weights);
    for _ in 0..STEPS {
        let (mut gradient, mut hessian) = ([0.0; 2], [[0.0; 2]; 2]);
        for user in users {
            let shares = log_softmax(&weighted(user, weights)).into_iter().map(f64::exp);
            let features: Vec<[f64; 2]> =
                user.retriever.iter().zip(&user.ranker).map(|(&x, &y)| [x.into(), y.into()]).collect();
            let (mut first, mut second) = ([0.0; 2], [[0.0; 2]; 2]);
            for (share, x) in shares.zip(&features) {
                for i in 0..2 {
                    first[i] += share * x[i];
                    for j in 0..2 {
                        second[i][j] += share * x[i] * x[j];
                    }
                }
            }
            for i in 0..2 {
                gradient[i] += first[i] - features[user.target][i];
                for j in 0..2 {
                    hessian[i][j] += second[i][j] - first[i] * first[j];
                }
            }
        }
        for i in 0..2 {
            // A trace of a prior keeps the step defined where scores are all equal.
            hessian[i][i] += 1e-6;
            if !free[i] {
                gradient[i] = 0.0;
                hessian[i] = [0.0; 2];
                hessian[1 - i][i] = 0.0;
                hessian[i][i] = 1.0;
            }
        }
        let [[a, b], [c, d]] = hessian;
        let determinant = a * d - b * c;
        let step = [
            (d * gradient[0] - b * gradient[1]) / determinant,
            (a * gradient[1] - c * gradient[0]) / determinant,
        ];
        let length = step[0].hypot(step[1]);
        // Scores that separate the choices perfectly have no finite best weight.
        let mut part = if length > 2.0 { 2.0 / length } else { 1.0 };
        // Far from the best weights a whole step can lead away from them.
        (weights, lowest) = loop {
            let next = [weights[0] - part * step[0], weights[1] - part * step[1]];
            let found = loss(next);
            if found < lowest {
                break (next, found);
            }
            part /= 2.0;
            if part * length < 1e-9 {
                return weights;
            }
        };
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::SplitMix64;

    /// Users who choose by `softmax(a retriever + b ranker)` over random scores.
    fn users(a: f64, b: f64, count: usize) -> Vec<Judged> {
        let mut random = SplitMix64::new(5);
        let mut uniform = move || random.unit();
        (0..count)
            .map(|_| {
                let mut scores = || (0..20).map(|_| (uniform() * 4.0 - 2.0) as f32).collect::<Vec<f32>>();
                let mut user = Judged { retriever: scores(), ranker: scores(), target: 0 };
                let shares = log_softmax(&weighted(&user, [a, b]));
                let mut left = uniform();
                let chosen = shares.iter().position(|share| {
                    left -= share.exp();
                    left < 0.0
                });
                user.target = chosen.unwrap_or(19);
                user
            })
            .collect()
    }

    #[test]
    fn the_weights_behind_the_choices_are_found() {
        let fitted = Fusion::fit(&users(1.0, 0.5, 4000));
        assert!((fitted.retriever - 1.0).abs() < 0.1 && (fitted.ranker - 0.5).abs() < 0.1, "{fitted:?}");
    }

    #[test]
    fn a_ranker_that_knows_nothing_or_the_contrary_gets_no_weight() {
        assert_eq!(Fusion::fit(&users(1.0, -0.5, 1000)), Fusion::RETRIEVER);
        let constant: Vec<Judged> =
            users(1.0, 0.0, 200).into_iter().map(|user| Judged { ranker: vec![0.5; 20], ..user }).collect();
        assert_eq!(Fusion::fit(&constant), Fusion::RETRIEVER);
        assert_eq!(Fusion::fit(&[]), Fusion::RETRIEVER);
    }

    #[test]
    fn fusion_is_never_worse_where_it_was_fitted() {
        for count in [1, 3, 10, 40] {
            let users = users(0.3, 0.1, count);
            let fitted = Fusion::fit(&users);
            let ndcg = |fusion: Fusion| mean(&Metric::Ndcg(10).values(&fusion.ranks(&users)));
            assert!(ndcg(fitted) >= ndcg(Fusion::RETRIEVER));
            assert!(fitted.retriever.is_finite() && fitted.ranker.is_finite());
        }
    }

    #[test]
    fn a_stage_that_is_too_sure_of_itself_is_calibrated_and_a_useless_one_is_silenced() {
        let users = users(1.0, 0.5, 2000);
        let sure = Fusion { retriever: 0.0, ranker: 3.0 };
        let calibrated = sure.calibrated(&users);
        assert_eq!(calibrated.retriever, 0.0);
        assert_eq!(calibrated.ranks(&users), sure.ranks(&users));
        assert!(calibrated.cross_entropy(&users) < sure.cross_entropy(&users));
        // Nothing near it is better.
        for other in [0.98, 1.02] {
            let other = Fusion { retriever: 0.0, ranker: other * calibrated.ranker };
            assert!(calibrated.cross_entropy(&users) < other.cross_entropy(&users));
        }
        let contrary = Fusion { retriever: 0.0, ranker: -1.0 }.calibrated(&users);
        assert!((contrary.cross_entropy(&users) - 20.0_f64.ln()).abs() < 1e-12, "{contrary:?}");
    }

    #[test]
    fn a_ranker_that_is_far_too_sure_of_itself_is_not_lost() {
        // Right in 30 of 100, and 6 nats surer of its favourite than of 19 others, of which it knows nothing.
        let sure = |n: usize| Judged {
            retriever: vec![0.0; 20],
            ranker: (0..20).map(|place| if place == 0 { 6.0 } else { 0.0 }).collect(),
            target: if n < 30 { 0 } else { 1 + n % 19 },
        };
        let sure: Vec<Judged> = (0..100).map(sure).collect();
        let calibrated = Fusion::RANKER.calibrated(&sure);
        // 30 % for the favourite: the difference of logits is ln(0.3 / 0.7 x 19).
        let best = (0.3_f64 / 0.7 * 19.0).ln() / 6.0;
        assert!((calibrated.ranker - best).abs() < 1e-4, "{calibrated:?}, not {best}");

        // Beside a retriever that knows something else, it is worth a weight.
        let mut random = SplitMix64::new(9);
        let mut favourite = move || ((random.unit() * 20.0) as usize, random.unit());
        let both: Vec<Judged> = users(1.0, 0.0, 150)
            .into_iter()
            .map(|user| {
                let (other, luck) = favourite();
                let favourite = if luck < 0.35 { user.target } else { other };
                let ranker = user.ranker.iter().enumerate();
                let ranker =
                    ranker.map(|(place, score)| score / 4.0 + if place == favourite { 9.0 } else { 0.0 });
                Judged { ranker: ranker.collect(), ..user }
            })
            .collect();
        let fitted = Fusion::fit(&both);
        assert!(fitted.ranker > 0.0, "{fitted:?}");
        // Nothing near it is better.
        for (a, b) in [(0.97, 1.0), (1.03, 1.0), (1.0, 0.97), (1.0, 1.03)] {
            let other = Fusion { retriever: a * fitted.retriever, ranker: b * fitted.ranker };
            assert!(fitted.cross_entropy(&both) < other.cross_entropy(&both), "{fitted:?}, {other:?}");
        }
    }

    #[test]
    fn cross_entropy_of_equal_scores_is_that_of_chance() {
        let user = Judged { retriever: vec![1.0; 20], ranker: vec![0.0; 20], target: 3 };
        assert!((Fusion::RETRIEVER.cross_entropy(&[user]) - 20.0_f64.ln()).abs() < 1e-12);
    }
}
