//! Both stages asked in other ways than the shipped one: in another order of the letters, without the adapter.

use burn::tensor::Device;
use shared::{
    catalog::ItemId,
    ranker::Ranker,
    ranking::Ordering,
    recommender::{Options, RecommendError, Recommender},
    scoring::ScoringConfig,
    trace::{Asking, Trace},
};
use tests::{tiny_llama, tuned};
use trainer::fetch::sha256;

const HISTORY: [u32; 3] = [3, 17, 40];

fn recommender() -> Recommender {
    let gguf = tiny_llama::gguf(7);
    let mut recommender = trainer::bundle::load(None).unwrap().recommender;
    let mut ranker = Ranker::from_gguf(gguf.clone(), &Device::flex()).unwrap();
    ranker.tune(&tuned::adapter(&gguf), &sha256(&gguf[..], |_| ()).unwrap()).unwrap();
    recommender.set_ranker(Some(ranker), "cpu".to_owned());
    recommender
}

fn ask(recommender: &Recommender, asking: Asking) -> Result<Trace, RecommendError> {
    let options = Options { rank: true, asking, top: 5 };
    pollster::block_on(recommender.recommend(&HISTORY.map(ItemId), &options, &|| 0.0))
}

#[test]
fn an_order_gives_the_films_other_letters() {
    let recommender = recommender();
    let letters = Asking { letters: true, ..Asking::default() };
    let plain = ask(&recommender, letters.clone()).unwrap();
    let same = ask(&recommender, Asking { order: (0..20).collect(), ..letters.clone() }).unwrap();
    let (plain, same) = (plain.ranker.unwrap(), same.ranker.unwrap());
    assert_eq!(plain.prompt, same.prompt);
    assert!(plain.letter_logits.iter().zip(&same.letter_logits).all(|(a, b)| (a - b).abs() < 1e-3));

    let order: Vec<usize> = (0..20).rev().collect();
    let turned = ask(&recommender, Asking { order: order.clone(), ..letters.clone() }).unwrap();
    assert_eq!(turned.by_letter(), order);
    assert_eq!((turned.candidates[19].letter, turned.candidates[0].letter), ('A', 'T'));
    let prompt = &turned.ranker.as_ref().unwrap().prompt.text;
    assert!(prompt.contains(&format!("(A) {}", turned.candidates[19].title)), "{prompt}");
    // The same films in the same order of the retriever; what the ranker says is written beside the right ones.
    for (n, (line, candidate)) in turned.ranking.iter().zip(&turned.candidates).enumerate() {
        assert_eq!((line.item, line.rank), (candidate.item, n + 1));
        let under = candidate.letter as usize - 'A' as usize;
        assert_eq!(line.probability, Some(turned.ranker.as_ref().unwrap().probabilities[under]));
    }
    for order in [vec![0, 1], vec![0; 20], (1..21).collect()] {
        let refused = ask(&recommender, Asking { order, ..letters.clone() }).unwrap_err();
        assert!(refused.to_string().contains("does not name each of the 20 candidates"), "{refused}");
    }
}

#[test]
fn without_its_adapter_a_ranker_answers_otherwise_and_decides_nothing() {
    let recommender = recommender();
    let tuned = ask(&recommender, Asking::default()).unwrap();
    let untuned = ask(&recommender, Asking { untuned: true, ..Asking::default() }).unwrap();
    assert_eq!((tuned.ordering, untuned.ordering), (Ordering::Fused, Ordering::Retriever));
    assert!(tuned.provenance.adapter.is_some() && untuned.provenance.adapter.is_none());
    let (tuned, untuned) = (tuned.pointwise.unwrap(), untuned.pointwise.unwrap());
    assert_eq!((&tuned.text, &tuned.questions), (&untuned.text, &untuned.questions));
    assert_ne!(tuned.scores, untuned.scores);
    // What one of them remembers of the history is not used by the other.
    let again = ask(&recommender, Asking::default()).unwrap().pointwise.unwrap();
    for (first, second) in tuned.scores.iter().zip(again.scores) {
        // Products of few rows are of floats, those of many of 16-bit whole numbers.
        assert!((first - second).abs() < 1e-3, "{first} {second}");
    }
}

#[test]
fn two_adapters_are_each_asked_as_they_were_tuned() {
    let gguf = tiny_llama::gguf(7);
    let sum = sha256(&gguf[..], |_| ()).unwrap();
    let by_letters = |step| {
        tuned::adapter_for(&gguf, |tuned_for| {
            (tuned_for.scoring, tuned_for.step) = (ScoringConfig::letters(), step);
        })
    };
    let with = |adapters: &[Vec<u8>]| {
        let mut ranker = Ranker::from_gguf(gguf.clone(), &Device::flex()).unwrap();
        for adapter in adapters {
            ranker.tune(adapter, &sum).unwrap();
        }
        let mut recommender = trainer::bundle::load(None).unwrap().recommender;
        recommender.set_ranker(Some(ranker), "cpu".to_owned());
        recommender
    };
    let letters = Asking { letters: true, ..Asking::default() };
    let one = ask(&recommender(), Asking::default()).unwrap();
    let untuned = ask(&recommender(), letters.clone()).unwrap();
    // The second of a kind takes the place of the first.
    let both = with(&[tuned::adapter(&gguf), by_letters(1), by_letters(2)]);
    let decided = ask(&both, Asking::default()).unwrap();
    assert_eq!((&decided.pointwise, &decided.provenance), (&one.pointwise, &one.provenance));
    let answered = ask(&both, letters.clone()).unwrap();
    assert_eq!((untuned.ordering, answered.ordering), (Ordering::Retriever, Ordering::Fused));
    assert_eq!(answered.provenance.adapter.as_deref(), Some("a test, step 2"));
    let (answered, untuned) = (answered.ranker.unwrap(), untuned.ranker.unwrap());
    assert_eq!(answered.prompt, untuned.prompt);
    assert_ne!(answered.letter_logits, untuned.letter_logits);
    let without = ask(&both, Asking { untuned: true, ..letters }).unwrap();
    assert_eq!(without.ordering, Ordering::Retriever);
    assert_eq!(without.ranker.unwrap().letter_logits, untuned.letter_logits);
    // The first decides, whatever its kind.
    let turned = ask(&with(&[by_letters(1), tuned::adapter(&gguf)]), Asking::default()).unwrap();
    assert_eq!(turned.provenance.adapter.as_deref(), Some("a test, step 1"));
    assert!(turned.ranker.is_some() && turned.pointwise.is_none());
}

#[test]
fn the_retriever_reads_a_history_film_by_film() {
    let recommender = recommender();
    let history = HISTORY.map(ItemId);
    let walk = pollster::block_on(recommender.walk(&history, &|| 0.0)).unwrap();
    assert_eq!((walk.steps.len(), walk.items), (3, recommender.catalog().len()));
    assert_eq!(walk.steps[0].expected, None);
    // What it proposes after each film is what it proposes for a history that ends there, and the place that the next film
    // had is its place in that order.
    for n in 1..=history.len() {
        let options = Options::default();
        let trace = pollster::block_on(recommender.recommend(&history[..n], &options, &|| 0.0)).unwrap();
        let best: Vec<&str> =
            trace.candidates[..3].iter().map(|candidate| candidate.title.as_str()).collect();
        assert_eq!(walk.steps[n - 1].best, best);
        if let (Some(next), Some(step)) = (history.get(n), walk.steps.get(n)) {
            let expected = step.expected.unwrap();
            let found = trace.candidates.iter().position(|candidate| candidate.item == *next);
            assert!(found.map_or(expected > 20, |place| place + 1 == expected), "{expected} {found:?}");
        }
    }
    assert_eq!(walk.histogram.iter().sum::<usize>(), walk.items - history.len());
    let [low, high, candidate] = walk.scores;
    assert!(low < candidate && candidate < high);
    assert!(pollster::block_on(recommender.walk(&[], &|| 0.0)).is_err());
}

#[test]
fn leaving_a_film_out_is_asking_about_the_rest() {
    let recommender = recommender();
    let trace = ask(&recommender, Asking::default()).unwrap();
    let without = pollster::block_on(recommender.without(&trace, 1)).unwrap();
    assert_eq!(without.title, trace.history[1].title);
    assert!((1..=20).contains(&without.place) && without.difference.abs() <= 1.0);
    // With the retriever alone the places are those of its scores behind the shorter history.
    let alone = pollster::block_on(recommender.recommend(&HISTORY.map(ItemId), &Options::default(), &|| 0.0))
        .unwrap();
    let without = pollster::block_on(recommender.without(&alone, 2)).unwrap();
    let shorter =
        pollster::block_on(recommender.recommend(&HISTORY.map(ItemId)[..2], &Options::default(), &|| 0.0))
            .unwrap();
    let first = alone.ranking[0].item;
    let before = |item| alone.candidates.iter().any(|candidate| candidate.item == item);
    let place = shorter
        .candidates
        .iter()
        .filter(|candidate| before(candidate.item))
        .position(|candidate| candidate.item == first);
    assert!(place.map_or(without.place > 1, |place| place + 1 == without.place), "{without:?} {place:?}");
}
