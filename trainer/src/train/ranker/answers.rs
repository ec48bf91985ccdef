//! What the answers of a batch cost, and how their scores would have to change: the loss and its gradient, in closed form.

use std::ops::Range;

use shared::{fusion::log_softmax, ranking, verbalizer::softmax};

use super::{Choice, RankerConfig, step::Lesson};

/// An answer behind all candidates: the place of its scores, and how much of each is wanted.
type Whole = (Range<usize>, Vec<f32>);

/// The share of some answers in the loss of a batch.
pub(super) struct Answers {
    /// Cross entropy, over the questions of the batch. Running answers and the balance of letters do not count.
    pub loss: f64,
    /// Answers that were right.
    pub right: usize,
    /// The gradient of the loss by each score; running answers have their part in it.
    pub pulls: Vec<f32>,
}

impl Answers {
    /// `scores`, of each question in all its orders, and what the teacher scored, who is asked once, both one after another;
    /// the batch has so many questions, each order counted.
    pub fn new(
        config: &RankerConfig,
        lessons: &[Lesson],
        scores: &[f32],
        mut opinion: Option<&[f32]>,
        questions: usize,
    ) -> Self {
        let mut answers = Self { loss: 0.0, right: 0, pulls: vec![0.0; scores.len()] };
        let mut whole: Vec<Whole> = Vec::new();
        let mut counts = lessons.iter().flat_map(|lesson| lesson.asked.candidates.iter().copied());
        let mut first = 0;
        let asked = lessons.iter().flat_map(|lesson| lesson.choices).flat_map(|choice| {
            let said = opinion.as_mut().and_then(|opinion| opinion.split_off(..choice.candidates.len()));
            // What a letter means the teacher does not know.
            let said = said.filter(|_| !choice.binding);
            (0..config.orders).map(move |order| {
                let turn = choice.turn(order, config.orders);
                (
                    choice.turned(order, config.orders),
                    said.map(|said| [&said[turn..], &said[..turn]].concat()),
                )
            })
        });
        for (Choice { candidates, chosen, .. }, said) in asked {
            let all = candidates.len();
            let counts = up_to(&mut counts, all);
            // Of a running answer the item chosen may still be to come.
            let known = |count: usize| said.is_some() || chosen < count;
            let running = counts.iter().filter(|&&count| count < all && known(count)).count();
            for count in counts {
                let own = first..first + count;
                first = own.end;
                if !known(count) {
                    continue;
                }
                let wanted = match &said {
                    Some(said) => {
                        let said = softmax(&said[..count], config.teacher_temperature as f32);
                        shared_with(chosen, config.teacher_share as f32, said)
                    }
                    None => shared_with(chosen, 0.0, vec![0.0; count]),
                };
                let weight = if count == all { 1.0 } else { config.running_weight / running as f64 };
                let weight = weight / questions as f64;
                let (loss, pulls) = against(&scores[own.clone()], &wanted);
                for (place, pull) in answers.pulls[own.clone()].iter_mut().zip(pulls) {
                    *place = pull * weight as f32;
                }
                if count == all {
                    answers.loss += loss * weight;
                    let answer = said.as_ref().map_or(chosen, |said| ranking::order(said)[0]);
                    answers.right += usize::from(ranking::order(&scores[own.clone()])[0] == answer);
                    whole.push((own, wanted));
                }
            }
        }
        if config.letter_balance > 0.0 {
            let weight = config.letter_balance * whole.len() as f64 / questions as f64;
            answers.balance(scores, &whole, weight);
        }
        answers
    }

    /// Pulls the mean share of each letter to what is wanted of it in the mean, `weight` times the gradient of the relative
    /// entropy of the two: candidates stand in random orders, so a letter that gets more is preferred for itself.
    fn balance(&mut self, scores: &[f32], whole: &[Whole], weight: f64) {
        let letters = whole.iter().map(|(own, _)| own.len()).max().unwrap_or(0);
        let whole: Vec<&Whole> = whole.iter().filter(|(own, _)| own.len() == letters).collect();
        let count = whole.len() as f64;
        let shares: Vec<Vec<f32>> = whole.iter().map(|(own, _)| softmax(&scores[own.clone()], 1.0)).collect();
        let mean =
            |of: &dyn Fn(usize) -> f32| (0..whole.len()).map(|n| f64::from(of(n))).sum::<f64>() / count;
        let slopes: Vec<f64> = (0..letters)
            .map(|letter| -mean(&|n| whole[n].1[letter]) / mean(&|n| shares[n][letter]).max(1e-9))
            .collect();
        for ((own, _), shares) in whole.iter().zip(&shares) {
            let level: f64 = shares.iter().zip(&slopes).map(|(&share, slope)| f64::from(share) * slope).sum();
            for ((pull, &share), slope) in self.pulls[own.clone()].iter_mut().zip(shares).zip(&slopes) {
                *pull += (weight / count * f64::from(share) * (slope - level)) as f32;
            }
        }
    }
}

/// The next numbers, up to this one.
fn up_to(numbers: &mut impl Iterator<Item = usize>, last: usize) -> Vec<usize> {
    let mut found = Vec::new();
    for number in numbers {
        found.push(number);
        if number == last {
            break;
        }
    }
    found
}

/// The share of each candidate in the right answer, when a teacher's are left so much and the item chosen gets the rest.
fn shared_with(chosen: usize, share: f32, of_teacher: Vec<f32>) -> Vec<f32> {
    // Of a running answer the item chosen may still be to come.
    if chosen >= of_teacher.len() {
        return of_teacher;
    }
    let mut shares: Vec<f32> = of_teacher.into_iter().map(|of_teacher| of_teacher * share).collect();
    shares[chosen] += 1.0 - share;
    shares
}

/// Cross entropy of scores when so much of each is wanted, a whole in all, and its gradient.
fn against(scores: &[f32], wanted: &[f32]) -> (f64, Vec<f32>) {
    let logs = log_softmax(&scores.iter().copied().map(f64::from).collect::<Vec<_>>());
    let pairs = logs.into_iter().zip(wanted.iter().copied().map(f64::from));
    let loss = pairs.clone().map(|(log, wanted)| -log * wanted).sum();
    (loss, pairs.map(|(log, wanted)| (log.exp() - wanted) as f32).collect())
}

#[cfg(test)]
mod tests {
    use shared::{catalog::ItemId, llama::Layout, scoring::Asked};

    use super::*;

    /// The answers to questions of three candidates behind one history, the first about what letters mean, each asked in one
    /// order.
    fn answers(counts: &[usize], chosen: [usize; 2], scores: &[f32], opinion: Option<&[f32]>) -> Answers {
        in_orders(1, counts, chosen, scores, opinion)
    }

    /// The same, each asked in so many orders.
    fn in_orders(
        orders: usize,
        counts: &[usize],
        chosen: [usize; 2],
        scores: &[f32],
        opinion: Option<&[f32]>,
    ) -> Answers {
        let choice = |chosen, binding| Choice { length: 1, candidates: vec![ItemId(1); 3], chosen, binding };
        let choices = [choice(chosen[0], true), choice(chosen[1], false)];
        let asked = Asked { layout: Layout::prompt(&[0]), candidates: counts.to_vec() };
        let lesson = Lesson { asked, of_teacher: None, choices: &choices };
        let config = RankerConfig {
            teacher_temperature: 1.0,
            teacher_share: 1.0,
            running_weight: 0.5,
            orders,
            ..RankerConfig::default()
        };
        Answers::new(&config, &[lesson], scores, opinion, 2 * orders)
    }

    #[test]
    fn every_order_is_taught_the_same_of_each_candidate() {
        let (opinion, scores) = ([9.0, 0.0, 0.0, 1.0, -2.0, 0.5], [0.3, 0.1, -0.7, 2.0, 1.0, -1.0]);
        let once = in_orders(1, &[3; 2], [1, 0], &scores, Some(&opinion));
        // The same candidate has the same score under every letter.
        let all: Vec<f32> = scores
            .chunks(3)
            .flat_map(|own| (0..3).flat_map(move |turn| [&own[turn..], &own[..turn]].concat()))
            .collect();
        let thrice = in_orders(3, &[3; 6], [1, 0], &all, Some(&opinion));
        assert!((once.loss - thrice.loss).abs() < 1e-6, "{} {}", once.loss, thrice.loss);
        assert_eq!(thrice.right, 3 * once.right);
        for (n, own) in thrice.pulls.chunks(3).enumerate() {
            let (question, turn) = (n / 3, n % 3);
            for (place, pull) in own.iter().enumerate() {
                let same = once.pulls[3 * question + (place + turn) % 3];
                assert!((3.0 * pull - same).abs() < 1e-6, "question {question}, order {turn}, place {place}");
            }
        }
    }

    #[test]
    fn each_question_has_its_share_and_the_teacher_does_not_know_what_letters_mean() {
        let third = 1.0 / 3.0;
        // The teacher is for the last candidate; so are the scores, by a little.
        let opinion = [9.0, 0.0, 0.0, -99.0, -99.0, 0.0];
        let found = answers(&[3, 3], [1, 0], &[0.0, 0.0, 0.0, 0.0, 0.0, 1e-6], Some(&opinion));
        assert_eq!(found.right, 1);
        assert!((found.loss - 3f64.ln()).abs() < 1e-5, "{}", found.loss);
        let expected = [third, third - 1.0, third, third, third, third - 1.0].map(|pull| pull / 2.0);
        assert!(found.pulls.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{:?}", found.pulls);
    }

    #[test]
    fn running_answers_teach_where_the_answer_has_been_read() {
        // Behind two of the three candidates and behind all; the second question's answer comes last.
        let found = answers(&[2, 3, 2, 3], [0, 2], &[0.0; 10], None);
        let expected =
            [-0.125, 0.125, -1.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0, 0.0, 0.0, 1.0 / 6.0, 1.0 / 6.0, -1.0 / 3.0];
        assert!(found.pulls.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", found.pulls);
        // Running answers are no part of what is said.
        assert!((found.loss - 3f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn a_teacher_leaves_the_rest_to_the_item_chosen() {
        assert_eq!(shared_with(1, 0.75, vec![0.5, 0.25, 0.25]), [0.375, 0.4375, 0.1875]);
        assert_eq!(shared_with(1, 1.0, vec![0.5, 0.25, 0.25]), [0.5, 0.25, 0.25]);
        assert_eq!(shared_with(3, 0.75, vec![0.5, 0.25, 0.25]), [0.5, 0.25, 0.25]);
    }

    #[test]
    fn a_teacher_is_met_where_its_shares_are() {
        let warm = |student: [f32; 3], teacher: [f32; 3], temperature| {
            against(&student, &softmax(&teacher, temperature)).0
        };
        let loss = |student, teacher| warm(student, teacher, 1.0);
        // Shares 1/2, 1/4, 1/4: their entropy is 1.5 ln 2, and nothing is closer to them than they are.
        let half = [2f32.ln(), 0.0, 0.0];
        assert!((loss(half, half) - 1.5 * 2f64.ln()).abs() < 1e-6);
        assert!((loss([0.0; 3], half) - 3f64.ln()).abs() < 1e-6);
        assert!(loss([0.0, 1.0, 0.0], half) > loss([0.0; 3], half));
        // At a temperature of 1/2 they are 2/3, 1/6, 1/6: further from a student that prefers nothing.
        let sharp = [4f32.ln(), 0.0, 0.0];
        assert!((warm(sharp, half, 0.5) - loss(sharp, sharp)).abs() < 1e-6);
    }

    #[test]
    fn letters_are_pulled_to_what_is_wanted_of_them_in_the_mean() {
        let scores = [0.9, 0.1, -0.7, 2.0, 1.0, -1.0, 5.0, 5.0];
        let whole = vec![(0..3, vec![0.1, 0.2, 0.7]), (3..6, vec![0.5, 0.5, 0.0]), (6..8, vec![1.0, 0.0])];
        // The last has fewer letters and is left out.
        let entropy = |scores: &[f32]| -> f64 {
            let shares = [softmax(&scores[..3], 1.0), softmax(&scores[3..6], 1.0)];
            let of = |letter: usize| {
                let wanted = f64::from(whole[0].1[letter] + whole[1].1[letter]) / 2.0;
                wanted * (wanted / (f64::from(shares[0][letter] + shares[1][letter]) / 2.0)).ln()
            };
            (0..3).map(of).sum()
        };
        let mut answers = Answers { loss: 0.0, right: 0, pulls: vec![0.0; 8] };
        answers.balance(&scores, &whole, 3.0);
        for n in 0..6 {
            let moved = |by: f32| {
                let mut scores = scores;
                scores[n] += by;
                entropy(&scores)
            };
            let slope = 3.0 * (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((slope - f64::from(answers.pulls[n])).abs() < 1e-3, "{n}: {slope} {:?}", answers.pulls);
        }
        assert_eq!(answers.pulls[6..], [0.0; 2]);
        // A letter that has what it should is left alone, whatever single answers say.
        let mut answers = Answers { loss: 0.0, right: 0, pulls: vec![0.0; 4] };
        answers.balance(&[1.0, 0.0, 0.0, 1.0], &[(0..2, vec![0.0, 1.0]), (2..4, vec![1.0, 0.0])], 3.0);
        assert!(answers.pulls.iter().all(|pull| pull.abs() < 1e-6), "{:?}", answers.pulls);
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let (scores, wanted) = ([0.3, -1.2, 2.0, 90.0], [0.1, 0.2, 0.0, 0.7]);
        let (_, gradient) = against(&scores, &wanted);
        for n in 0..4 {
            let moved = |by: f32| {
                let mut scores = scores;
                scores[n] += by;
                against(&scores, &wanted).0
            };
            let slope = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((slope - f64::from(gradient[n])).abs() < 1e-3, "{n}: {slope} {}", gradient[n]);
        }
    }
}
