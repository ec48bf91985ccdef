//! The settings of a ranker's fine-tuning.

use serde::{Deserialize, Serialize};
use shared::{
    CANDIDATES,
    scoring::{Mode, ScoringConfig},
};

use crate::{recipe, report::UserError, train::config::refuse_zeros};

/// Settings of a run. Adapter and optimizer are the paper's where it says something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RankerConfig {
    /// How candidates are asked about.
    pub mode: Mode,
    /// Inner width of the adapter.
    pub rank: usize,
    /// The adapter's correction is scaled by alpha / rank.
    pub alpha: f64,
    /// Dropout before the adapter.
    pub dropout: f64,
    /// Adapted blocks, counted from the top; those below run without gradients.
    pub top_blocks: usize,
    /// Newest items of a history shown.
    pub history: usize,
    /// Tokens of a title shown.
    pub title_tokens: usize,
    /// Questions at most behind one history: they share its cost.
    pub questions: usize,
    /// Orders in which each question is asked in a step, so that a letter can gain nothing by itself: by letters.
    pub orders: usize,
    /// Weight of what letters get more or less than they should in the mean over a part of a batch: by letters.
    pub letter_balance: f64,
    /// Histories to train on, a fixed draw; 0 takes all. A few are a check: they can be learnt by heart.
    pub examples: usize,
    /// Candidates of a question, the item chosen among them.
    pub candidates: usize,
    /// Share of the others that is drawn from the whole catalogue instead of the retriever's best.
    pub random_share: f64,
    /// Steps at the beginning that teach what letters mean: the answer is the one candidate that stands in the history.
    pub binding_steps: usize,
    /// Steps after those with four candidates at most, then ten, before all are shown.
    pub few_steps: usize,
    /// Weight of the mean loss of the answers that are read behind every candidate, as if there were no more of them; 0 reads
    /// none.
    pub running_weight: f64,
    /// Divides a teacher's scores before their softmax: below 1 its first choices stand out more.
    pub teacher_temperature: f64,
    /// How much of the right answer a teacher decides; the rest is the item chosen.
    pub teacher_share: f64,
    /// Histories a step.
    pub batch_size: usize,
    /// Parts of a batch, whose gradients are summed: more parts than cores take less memory.
    pub parts: usize,
    /// Step size of `AdamW` after the warm-up; falls to 0 in a straight line.
    pub learning_rate: f64,
    /// Steps over which the step size rises.
    pub warmup: usize,
    /// Decay of the adapter's weights.
    pub weight_decay: f64,
    /// Global norm to which gradients are clipped.
    pub clip_norm: f64,
    /// Steps at most.
    pub steps: usize,
    /// Steps between validations.
    pub validate_every: usize,
    /// Users of a validation during training.
    pub valid_users: usize,
    /// Validations without an improvement after which the run stops.
    pub patience: usize,
    /// Seed of weights, shuffling, negatives and dropout.
    pub seed: u64,
}

impl Default for RankerConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Pointwise,
            rank: 8,
            alpha: 32.0,
            dropout: 0.05,
            top_blocks: 12,
            history: 10,
            title_tokens: 16,
            questions: 4,
            orders: 1,
            letter_balance: 0.0,
            examples: 0,
            candidates: 8,
            random_share: 0.25,
            binding_steps: 0,
            few_steps: 0,
            running_weight: 0.0,
            teacher_temperature: 1.0,
            teacher_share: 1.0,
            batch_size: 8,
            parts: 2,
            learning_rate: 1e-3,
            warmup: 20,
            weight_decay: 0.0,
            clip_norm: 1.0,
            steps: 1000,
            validate_every: 50,
            valid_users: 200,
            patience: 20,
            seed: 42,
        }
    }
}

/// Settings that say where a run ends and nothing else: the learning rate falls over the steps.
pub const ENDS: [&str; 1] = ["patience"];

impl RankerConfig {
    /// Refuses settings that cannot train.
    pub fn validate(&self) -> Result<(), UserError> {
        let counts = [
            ("--rank", self.rank),
            ("--top-blocks", self.top_blocks),
            ("--history", self.history),
            ("--title-tokens", self.title_tokens),
            ("--questions", self.questions),
            ("--orders", self.orders),
            ("--batch-size", self.batch_size),
            ("--parts", self.parts),
            ("--steps", self.steps),
            ("--validate-every", self.validate_every),
            ("--valid-users", self.valid_users),
            ("--patience", self.patience),
        ];
        refuse_zeros(&counts)?;
        let most = if self.mode == Mode::Letters { CANDIDATES } else { usize::MAX };
        if self.candidates < 2 || self.candidates > most {
            let message = format!("--question-candidates is {}", self.candidates);
            let hint = match self.mode {
                Mode::Letters => {
                    format!("give 2 (one chosen, one not) to {CANDIDATES}, the number of index letters")
                }
                Mode::Pointwise => "give 2 (one chosen, one not) or more".to_owned(),
            };
            return Err(UserError::usage(message).hint(hint));
        }
        let of_letters = [
            ("--binding-steps", self.binding_steps as f64),
            ("--few-steps", self.few_steps as f64),
            ("--running-weight", self.running_weight),
            ("--letter-balance", self.letter_balance),
        ];
        if self.orders > 1 && self.mode != Mode::Letters {
            let message = format!("--orders is {}, but nothing is asked by letters", self.orders);
            return Err(UserError::usage(message).hint("leave it out, or give: --mode letters"));
        }
        for (name, value) in of_letters {
            if value != 0.0 && self.mode != Mode::Letters {
                let message = format!("{name} is {value}, but nothing is asked by letters");
                return Err(UserError::usage(message).hint("leave it out, or give: --mode letters"));
            }
        }
        for (name, weight) in
            [("--running-weight", self.running_weight), ("--letter-balance", self.letter_balance)]
        {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(UserError::usage(format!("{name} is {weight}")).hint("give 0 or more"));
            }
        }
        let shares = [
            ("--dropout", self.dropout),
            ("--random-share", self.random_share),
            ("--teacher-share", self.teacher_share),
        ];
        for (name, share) in shares {
            let most = if name == "--dropout" { 0.99 } else { 1.0 };
            if !(0.0..=most).contains(&share) {
                return Err(UserError::usage(format!("{name} is {share}")).hint(format!("give 0 to {most}")));
            }
        }
        let positive = [
            ("--alpha", self.alpha),
            ("--learning-rate", self.learning_rate),
            ("--clip-norm", self.clip_norm),
            ("--teacher-temperature", self.teacher_temperature),
        ];
        if let Some((name, value)) =
            positive.into_iter().find(|(_, value)| !(value.is_finite() && *value > 0.0))
        {
            return Err(UserError::usage(format!("{name} is {value}")).hint("give a number above 0"));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            let message = format!("--weight-decay is {}", self.weight_decay);
            return Err(UserError::usage(message).hint("give 0 or a number above"));
        }
        Ok(())
    }

    /// How is asked, and what of history and titles is read.
    pub fn scoring(&self) -> ScoringConfig {
        ScoringConfig { mode: self.mode, history: self.history, title_tokens: self.title_tokens }
    }

    /// Step size of the step after `step` others: a straight rise, then a straight fall to 0.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        let rise = (step + 1) as f64 / self.warmup.max(1) as f64;
        let fall = (self.steps - step.min(self.steps)) as f64
            / (self.steps - self.warmup.min(self.steps - 1)) as f64;
        self.learning_rate * rise.min(fall).min(1.0)
    }

    /// The first setting, but for how long to go on, in which a run differs from `before`.
    pub fn difference(&self, before: &Self) -> Option<String> {
        let (key, now, then) = recipe::difference(self, before, &ENDS)?;
        Some(format!("--{} {then}, not {now}", option(&key)))
    }
}

/// The option of a setting. `--candidates` is the file of candidates.
pub fn option(key: &str) -> String {
    if key == "candidates" { "question-candidates".to_owned() } else { key.replace('_', "-") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_size_rises_and_falls() {
        let config = RankerConfig { warmup: 4, steps: 12, learning_rate: 1.0, ..RankerConfig::default() };
        let rates: Vec<f64> = (0..12).map(|step| config.learning_rate_at(step)).collect();
        assert_eq!(&rates[..5], [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert!((rates[11] - 0.125).abs() < 1e-12 && rates.windows(2).skip(4).all(|pair| pair[1] < pair[0]));
        let short = RankerConfig { warmup: 20, steps: 1, ..config };
        assert!(short.learning_rate_at(0) > 0.0);
    }

    #[test]
    fn settings_that_cannot_train_are_refused() {
        RankerConfig::default().validate().expect("the defaults train");
        for wrong in [
            RankerConfig { candidates: 1, ..RankerConfig::default() },
            RankerConfig { mode: Mode::Letters, candidates: 21, ..RankerConfig::default() },
            RankerConfig { random_share: 1.5, ..RankerConfig::default() },
            RankerConfig { learning_rate: f64::NAN, ..RankerConfig::default() },
            RankerConfig { steps: 0, ..RankerConfig::default() },
            RankerConfig { binding_steps: 9, ..RankerConfig::default() },
            RankerConfig { few_steps: 9, ..RankerConfig::default() },
            RankerConfig { mode: Mode::Letters, letter_balance: -1.0, ..RankerConfig::default() },
            RankerConfig { letter_balance: 1.0, ..RankerConfig::default() },
            RankerConfig { orders: 2, ..RankerConfig::default() },
            RankerConfig { orders: 0, ..RankerConfig::default() },
            RankerConfig { teacher_temperature: 0.0, ..RankerConfig::default() },
            RankerConfig { teacher_share: 1.1, ..RankerConfig::default() },
        ] {
            wrong.validate().expect_err("cannot train");
        }
    }
}
