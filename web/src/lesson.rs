//! The lesson: its steps, and questions whose answers come from the record on the screen.

use shared::{CANDIDATES, ranking, trace::Trace};

use crate::letters;

/// Number of steps.
pub const STEPS: usize = 9;

/// What of the lesson's view a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The history.
    History,
    /// The twenty candidates and their letters.
    Candidates,
    /// The prompt's text.
    Prompt,
    /// Letters beside the vocabulary.
    Vocabulary,
    /// Probabilities of the letters, formula and temperature.
    Letters,
    /// The order that comes of it, and comparisons.
    Ranking,
    /// The race.
    Race,
}

/// One step: something to read, and a question to answer before one looks.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its title.
    pub title: &'static str,
    /// What happens there.
    pub text: &'static str,
    /// What it is about.
    pub topic: Topic,
    /// Whether the answer can be read off what the step is about, which is then hidden until a guess is made.
    pub hides: bool,
    /// What is asked.
    pub question: &'static str,
    /// What can be answered.
    pub choices: &'static [&'static str],
    answer: fn(&Trace) -> Option<Answer>,
}

/// The right answer and what the record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Place of the right choice.
    pub choice: usize,
    /// Why, with this record's numbers.
    pub because: String,
}

impl Step {
    /// The right answer for a record; `None` if it does not hold what is asked about.
    pub fn answer(&self, trace: &Trace) -> Option<Answer> {
        (self.answer)(trace)
    }
}

/// The steps, in order.
pub static LESSON: [Step; STEPS] = [
    Step {
        title: "The task",
        text: "You liked some films, in this order. Which one of all films in the catalogue will you watch next? A language \
               model knows a lot about films, but reading thousands of titles for every visitor would take far too long. So \
               there are two stages.",
        topic: Topic::History,
        hides: false,
        question: "How many films does the language model read about at once here?",
        choices: &["all of the catalogue", "twenty candidates", "only one"],
        answer: |trace| {
            let count = trace.candidates.len();
            Some(Answer { choice: 1, because: format!("The first stage hands {count} candidates over.") })
        },
    },
    Step {
        title: "Stage one: retrieve",
        text: "LRURec, a small recurrent network, reads the film ids, not the titles, and gives every film of the catalogue a \
               score. It learnt from other people’s histories what is watched after what. Its best twenty are the candidates.",
        topic: Topic::Candidates,
        hides: true,
        question: "How much likelier does it find its first candidate than its last?",
        choices: &["about the same (up to 2 times)", "2 to 10 times", "more than 10 times"],
        answer: |trace| {
            let (first, last) = (trace.candidates.first()?, trace.candidates.last()?);
            let times = f64::from(first.score - last.score).exp();
            let choice = if times <= 2.0 {
                0
            } else if times <= 10.0 {
                1
            } else {
                2
            };
            Some(Answer {
                choice,
                because: format!(
                    "{times:.1} times: e to the difference of the two scores, {} before {}.",
                    first.title, last.title
                ),
            })
        },
    },
    Step {
        title: "The prompt",
        text: "Here the model is asked by letters, the paper’s way; Recommend asks film by film. Now text begins. History and candidates are written into one prompt, and each candidate gets an index letter, A \
               to T. The model should answer with only the letter of the film you will watch next.",
        topic: Topic::Prompt,
        hides: true,
        question: "How many tokens does the model read for this?",
        choices: &["about 40", "about 400", "about 4,000"],
        answer: |trace| {
            let tokens = trace.ranker.as_ref()?.token_ids.len();
            let choice = match tokens {
                0..130 => 0,
                130..1300 => 1,
                _ => 2,
            };
            Some(Answer {
                choice,
                because: format!("{tokens} tokens. Switch the prompt to tokens to see them."),
            })
        },
    },
    Step {
        title: "Tokens",
        text: "The model reads numbers. A tokenizer cuts the text into pieces of its vocabulary; frequent words are one piece, \
               rare names are several. What matters for the answer: every index letter must be exactly one token.",
        topic: Topic::Prompt,
        hides: false,
        question: "How many tokens do the letters A to T take in all, as answers?",
        choices: &["20", "40", "it depends on the film"],
        answer: |trace| {
            let labels = &trace.ranker.as_ref()?.label_ids;
            let ids = (labels.first()?, labels.last()?);
            Some(Answer {
                choice: 0,
                because: format!("{}: one each, from id {} to id {}.", labels.len(), ids.0, ids.1),
            })
        },
    },
    Step {
        title: "One forward pass",
        text: "All tokens go through the network once. At the last position it gives every token of the vocabulary a logit: how \
               well it would continue the text. Nothing is written, nothing is sampled. Here are the twenty likeliest tokens of the \
               whole vocabulary.",
        topic: Topic::Vocabulary,
        hides: true,
        question: "Which token does the model find likeliest?",
        choices: &["an index letter", "an ordinary word", "a line break or a sign"],
        answer: |trace| {
            let ranker = trace.ranker.as_ref()?;
            let best = ranker.top.first()?;
            let token = letters::visible(&best.token);
            if ranker.label_ids.contains(&best.id) {
                return Some(Answer { choice: 0, because: format!("“{token}”, an index letter.") });
            }
            let is_word = best.token.trim().chars().any(char::is_alphanumeric);
            let untaught = if trace.provenance.adapter.is_none() {
                " Nobody has taught it to answer with a letter yet."
            } else {
                ""
            };
            let because = if is_word {
                format!("“{token}”: it would rather begin a sentence.{untaught}")
            } else {
                format!("“{token}”.")
            };
            Some(Answer { choice: if is_word { 1 } else { 2 }, because })
        },
    },
    Step {
        title: "The verbalizer",
        text: "Of the logits of all tokens the verbalizer takes only those of the twenty letters A to T, whether they are among the \
               likeliest or not, each as the score of its film. So one pass ranks all candidates, and no answer can be anything but a candidate.",
        topic: Topic::Vocabulary,
        hides: true,
        question: "What share of the whole vocabulary’s probability lies on the letters?",
        choices: &["less than a quarter", "about half", "more than three quarters"],
        answer: |trace| {
            let mass = trace.ranker.as_ref()?.letter_mass?;
            let choice = if mass < 0.25 {
                0
            } else if mass <= 0.75 {
                1
            } else {
                2
            };
            let tuned = if trace.provenance.adapter.is_some() {
                " Tuning compared the twenty letters with one another only; what else the model would say was left to it."
            } else {
                " This model was never tuned to answer with letters."
            };
            Some(Answer { choice, because: format!("{:.1}\u{a0}%.{tuned}", 100.0 * mass) })
        },
    },
    Step {
        title: "Softmax and temperature",
        text: "Softmax turns the twenty logits into probabilities that sum to one: e to the logit, divided by the sum of all. A \
               temperature divides the logits first. Move the slider: no pass is needed, the logits are stored.",
        topic: Topic::Letters,
        hides: false,
        question: "You double the temperature. What happens to the order of the films?",
        choices: &["it is reversed", "it stays", "it becomes random"],
        answer: |trace| {
            let ranker = trace.ranker.as_ref()?;
            let same = ranking::order(&shared::verbalizer::softmax(&ranker.letter_logits, 2.0))
                == ranking::order(&ranker.letter_logits);
            same.then(|| Answer {
                choice: 1,
                because: "It stays: dividing all logits by the same number keeps their order. Only confidence changes.".into(),
            })
        },
    },
    Step {
        title: "From letters to a ranking",
        text: "Sorted by probability, the letters are the new order of the films. Is it a better one? Only tuning makes it so. The \
               adapter is a small set of extra weights, trained on other users’ choices; without it the language model is as it was \
               downloaded, and at chance: ask “By letters, untuned”, look at several examples, and \
               the same letters win whatever stands under them. Recommendations here ask film by film, where \
               the order cannot matter. Once you have guessed, there are eight other orders of the same films below the ranking: do the films keep their places, or the letters?",
        topic: Topic::Ranking,
        hides: true,
        question: "How far did the retriever’s first candidate move?",
        choices: &["it is still first", "a few places", "ten places or more"],
        answer: |trace| {
            let first = trace.candidates.first()?;
            let ranker = trace.ranker.as_ref()?;
            let under = trace.by_letter().iter().position(|&place| place == 0)?;
            let rank = *ranking::ranks(&ranker.letter_logits).get(under)?;
            let choice = match rank {
                1 => 0,
                2..=10 => 1,
                _ => 2,
            };
            Some(Answer {
                choice,
                because: format!("{} is in place {rank} of {CANDIDATES} by the letters.", first.title),
            })
        },
    },
    Step {
        title: "Why not simply ask?",
        text: "Most language models are used by letting them write. They would write twenty titles, token by token, one pass \
               each, and may write titles that are not among the candidates. Here is a race of both; with the ranker loaded, they race \
               on your device.",
        topic: Topic::Race,
        hides: false,
        question: "In the paper, how much longer does writing take for titles of 20 tokens?",
        choices: &["twice as long", "ten times", "more than fifty times"],
        answer: |_| {
            Some(Answer {
                choice: 2,
                because: "56\u{a0}s against less than 1\u{a0}s, with seven billion weights on a large GPU."
                    .into(),
            })
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::tests::trace;

    #[test]
    fn every_step_can_be_answered_from_a_record() {
        let trace = trace();
        for step in &LESSON {
            let answer = step.answer(&trace).unwrap_or_else(|| panic!("no answer to {:?}", step.question));
            assert!(answer.choice < step.choices.len(), "{}", step.title);
            assert!(answer.because.ends_with('.') && step.question.ends_with('?'), "{}", step.title);
        }
    }

    #[test]
    fn answers_follow_the_record() {
        let mut trace = trace();
        let answer = |trace: &Trace, step: usize| LESSON[step].answer(trace).expect("an answer").choice;
        // Scores of first and last candidate: 3 and 1, so 7.4 times.
        assert_eq!(answer(&trace, 1), 1);
        trace.candidates[0].score = 9.0;
        assert_eq!(answer(&trace, 1), 2);
        // The likeliest token is "I"; then a letter is.
        assert_eq!(answer(&trace, 4), 1);
        trace.ranker.as_mut().expect("a ranker").top[0].token = "\n".into();
        assert_eq!(answer(&trace, 4), 2);
        let ranker = trace.ranker.as_mut().expect("a ranker");
        ranker.top[0].id = ranker.label_ids[1];
        ranker.letter_mass = Some(0.9);
        assert_eq!((answer(&trace, 4), answer(&trace, 5)), (0, 2));
        // Without the ranker's part most cannot be answered.
        trace.ranker = None;
        assert!(LESSON[2].answer(&trace).is_none() && LESSON[6].answer(&trace).is_none());
    }
}
