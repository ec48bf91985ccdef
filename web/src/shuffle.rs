//! What several orders of the same candidates show: how far films move with their letters, what each letter gains by
//! itself, and the ranking by the mean over all orders (permutation self-consistency, arXiv 2310.07712).

use shared::{protocol::ShuffleStudy, ranking, verbalizer::softmax};

/// One film over all orders.
#[derive(Clone, Debug, PartialEq)]
pub struct Film {
    /// Its title.
    pub title: String,
    /// Mean probability.
    pub probability: f32,
    /// Its best place in any order, from 1.
    pub best: usize,
    /// Its worst place.
    pub worst: usize,
    /// Standard deviation of its places.
    pub deviation: f32,
}

/// One letter over all orders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LetterGain {
    /// The letter.
    pub letter: char,
    /// Mean probability, whatever stood under it.
    pub probability: f32,
    /// How often it had the largest.
    pub wins: usize,
}

/// The films, best mean first.
pub fn films(study: &ShuffleStudy) -> Vec<Film> {
    let count = study.titles.len();
    let mut probabilities = vec![0.0; count];
    let mut places: Vec<Vec<usize>> = vec![Vec::new(); count];
    for answer in &study.answers {
        let logits: Vec<f32> = answer.iter().map(|&(_, logit)| logit).collect();
        let ranks = ranking::ranks(&logits);
        for ((&(film, _), probability), rank) in answer.iter().zip(softmax(&logits, 1.0)).zip(ranks) {
            probabilities[film] += probability / study.answers.len() as f32;
            places[film].push(rank);
        }
    }
    ranking::order(&probabilities)
        .into_iter()
        .map(|n| Film {
            title: study.titles[n].clone(),
            probability: probabilities[n],
            best: places[n].iter().copied().min().unwrap_or(0),
            worst: places[n].iter().copied().max().unwrap_or(0),
            deviation: deviation(&places[n]),
        })
        .collect()
}

/// The letters in their order.
pub fn letters(study: &ShuffleStudy) -> Vec<LetterGain> {
    let mut gains: Vec<LetterGain> = ('A'..)
        .take(study.titles.len())
        .map(|letter| LetterGain { letter, probability: 0.0, wins: 0 })
        .collect();
    for answer in &study.answers {
        let logits: Vec<f32> = answer.iter().map(|&(_, logit)| logit).collect();
        for (gain, probability) in gains.iter_mut().zip(softmax(&logits, 1.0)) {
            gain.probability += probability / study.answers.len() as f32;
        }
        if let Some(&best) = ranking::order(&logits).first() {
            gains[best].wins += 1;
        }
    }
    gains
}

fn deviation(places: &[usize]) -> f32 {
    let count = places.len().max(1) as f32;
    let mean = places.iter().sum::<usize>() as f32 / count;
    (places.iter().map(|&place| (place as f32 - mean).powi(2)).sum::<f32>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn study(answers: Vec<Vec<(usize, f32)>>) -> ShuffleStudy {
        let titles = ["Heat", "Fargo", "Alien"].map(str::to_owned).to_vec();
        ShuffleStudy { titles, orders: answers.len(), answers }
    }

    #[test]
    fn a_model_that_follows_films_does_not_care_for_letters() {
        // Fargo has the largest logit wherever it stands.
        let study = study(vec![
            vec![(0, 0.0), (1, 2.0), (2, 1.0)],
            vec![(1, 2.0), (2, 1.0), (0, 0.0)],
            vec![(2, 1.0), (0, 0.0), (1, 2.0)],
        ]);
        let films = films(&study);
        let order: Vec<&str> = films.iter().map(|film| film.title.as_str()).collect();
        assert_eq!(order, ["Fargo", "Alien", "Heat"]);
        assert!(films.iter().all(|film| film.deviation == 0.0 && film.best == film.worst));
        let letters = letters(&study);
        assert_eq!(letters.iter().map(|gain| gain.wins).collect::<Vec<_>>(), [1, 1, 1]);
        assert!(letters.iter().all(|gain| (gain.probability - 1.0 / 3.0).abs() < 1e-6));
    }

    #[test]
    fn a_model_that_follows_letters_is_found_out() {
        // A wins whatever stands under it.
        let study = study(vec![
            vec![(0, 2.0), (1, 1.0), (2, 0.0)],
            vec![(1, 2.0), (2, 1.0), (0, 0.0)],
            vec![(2, 2.0), (0, 1.0), (1, 0.0)],
        ]);
        let letters = letters(&study);
        assert_eq!((letters[0].letter, letters[0].wins, letters[2].wins), ('A', 3, 0));
        let films = films(&study);
        assert!(films.iter().all(|film| (film.best, film.worst) == (1, 3) && film.deviation > 0.8));
        // The mean over orders has no bias left.
        assert!(films.iter().all(|film| (film.probability - 1.0 / 3.0).abs() < 1e-6));
    }
}
