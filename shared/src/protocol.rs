//! The words that the page and its engine worker speak. Nothing else crosses the border.
//!
//! Requests carry a sequence number; every event names the request it answers, so the page can drop
//! answers to questions it no longer asks.

use serde::{Deserialize, Serialize};

use crate::{
    catalog::ItemId,
    trace::{Asking, Trace},
};

/// Page to worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Sequence number, rising.
    pub seq: u64,
    /// What is asked.
    pub body: RequestBody,
}

/// What the page can ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RequestBody {
    /// Load catalogue and retriever (small, at start).
    LoadRetriever {
        /// Directory of the bundle's manifest, absolute URL ending in `/`.
        bundle: String,
    },
    /// Download and load the base model (large, on the visitor's word).
    LoadRanker {
        /// Which device to use.
        device: DeviceChoice,
    },
    /// Stop a running download; what has arrived is kept.
    CancelDownload,
    /// Recommend for a history, oldest first.
    Recommend {
        /// The history.
        history: Vec<ItemId>,
        /// Whether to run the ranker, if it is loaded.
        rank: bool,
        /// How to ask it.
        asking: Asking,
    },
    /// One forward pass over any text, for lessons and parity tests.
    Explain {
        /// The text.
        text: String,
    },
    /// Rank by letters in one pass, then write the ranking out token by token, as a race.
    Race {
        /// The history.
        history: Vec<ItemId>,
    },
    /// Rank by letters in each of these orders of the candidates.
    Shuffle {
        /// The history.
        history: Vec<ItemId>,
        /// The orders, as places in the retriever's order.
        orders: Vec<Vec<usize>>,
    },
    /// Stop what was asked for before and can be stopped: whatever the ranker reads for.
    Stop,
    /// Read a history film by film with the retriever.
    Walk {
        /// The history.
        history: Vec<ItemId>,
    },
    /// Leave out each film of the history in turn, and see what becomes of the recommendation's first.
    LeaveOut {
        /// The history.
        history: Vec<ItemId>,
    },
    /// Drop the stored model from this device.
    DeleteModel,
}

/// Where the ranker should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// WebGPU if there is a real adapter, else the CPU.
    #[default]
    Auto,
    /// WebGPU whatever the adapter.
    WebGpu,
    /// wasm on the CPU.
    Cpu,
}

/// Worker to page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Sequence number of the request this answers; 0 for the first greeting.
    pub seq: u64,
    /// What happened.
    pub body: EventBody,
}

/// What the worker tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventBody {
    /// The worker runs and listens.
    Ready,
    /// Catalogue and retriever are loaded.
    RetrieverReady,
    /// A step of loading the ranker.
    Loading {
        /// The phase.
        phase: LoadPhase,
        /// Bytes done, of `total`.
        done: u64,
        /// Bytes in all; 0 when unknown.
        total: u64,
    },
    /// The ranker can rank.
    RankerReady {
        /// Where it runs and why.
        device: DeviceReport,
        /// The base model's name.
        base: String,
        /// Name of the adapter that decides; `None` is an untuned base.
        adapter: Option<String>,
        /// What adapters were tuned for.
        tuned: TunedWays,
        /// What that took.
        memory: MemoryUse,
    },
    /// The ranker reads a long text in pieces.
    Reading {
        /// Tokens that it has read or knows from before.
        read: usize,
        /// Tokens of the text.
        of: usize,
    },
    /// A recommendation: without the ranker's part first, then whole.
    Recommended {
        /// The record.
        trace: Box<Trace>,
    },
    /// The answer to [`RequestBody::Explain`].
    Explained {
        /// Tokens of the text.
        token_ids: Vec<u32>,
        /// Logits of the twenty index letters.
        letter_logits: Vec<f32>,
    },
    /// How the race stands; the last one says how it ended.
    Raced {
        /// The race.
        race: Race,
    },
    /// The answer to [`RequestBody::Walk`].
    Walked {
        /// The walk.
        walk: Walk,
    },
    /// What leaving out has shown so far; the last one is whole.
    LeftOut {
        /// The effects.
        effects: Effects,
    },
    /// What shuffling has shown so far; the last one is whole.
    Shuffled {
        /// The study.
        study: ShuffleStudy,
    },
    /// The stored model is gone.
    Deleted,
    /// It was stopped on request; what had arrived or was read is kept.
    Cancelled,
    /// It did not work.
    Failed(Failure),
}

/// How the retriever reads a history, film by film.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Walk {
    /// One step a film, oldest first.
    pub steps: Vec<WalkStep>,
    /// Items of the catalogue.
    pub items: usize,
    /// Complex numbers of the state that is carried from film to film; 0 for a retriever that reads all anew.
    pub state: usize,
    /// Time of reading the whole history anew.
    pub anew_ms: f64,
    /// Scores of the catalogue after the last film, counted in equal steps from the lowest to the highest.
    pub histogram: Vec<usize>,
    /// The lowest and the highest score, and the lowest among the candidates.
    pub scores: [f32; 3],
}

/// One film that the retriever reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalkStep {
    /// Its title.
    pub title: String,
    /// Its place in the order of the catalogue before it was read, from 1, films read before left out; `None` for the first.
    pub expected: Option<usize>,
    /// Titles of the three best proposals behind it.
    pub best: Vec<String>,
    /// Time of reading it and scoring the catalogue.
    pub ms: f64,
}

/// The same candidates under other letters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShuffleStudy {
    /// Titles of the candidates in the retriever's order.
    pub titles: Vec<String>,
    /// How many orders will be asked about.
    pub orders: usize,
    /// One entry an order asked about: the place, in the retriever's order, of the candidate under each letter, and the
    /// letter's logit.
    pub answers: Vec<Vec<(usize, f32)>>,
}

/// What becomes of the first recommendation without each film of the history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Effects {
    /// The film that is recommended first.
    pub title: String,
    /// Whether the ranker took part.
    pub ranked: bool,
    /// How many films will be left out.
    pub films: usize,
    /// One entry for each that was, oldest first.
    pub without: Vec<Without>,
}

/// The first recommendation without one film of the history. The candidates stay the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Without {
    /// Title of the film left out.
    pub title: String,
    /// The place that the first recommendation has then, from 1.
    pub place: usize,
    /// Its probability with the whole history, less that without the film.
    pub difference: f32,
}

/// One forward pass beside writing the ranking out (paper, Figure 3).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Race {
    /// Tokens of the prompt, which both read.
    pub prompt_tokens: usize,
    /// Time of the pass that ranks all candidates.
    pub pass_ms: f64,
    /// What is written so far.
    pub text: String,
    /// Its tokens.
    pub tokens: usize,
    /// Time of reading the prompt and writing them.
    pub writing_ms: f64,
    /// Candidates there are.
    pub candidates: usize,
    /// How many of their titles the text names.
    pub named: usize,
    /// Why no more is written; `None` while it goes on.
    pub end: Option<RaceEnd>,
}

/// Why the writing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RaceEnd {
    /// The model said that it is done.
    Said,
    /// It wrote as much as a ranking would take.
    Full,
    /// The visitor stopped it.
    Stopped,
}

/// Memory in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Bytes of the engine's own memory, which never shrinks: the most that it needed.
    pub engine: u64,
    /// Bytes reserved on the GPU, if one is used.
    pub gpu: Option<u64>,
}

/// Ways of asking that a ranker's adapters were tuned for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunedWays {
    /// By index letters.
    pub letters: bool,
    /// Film by film.
    pub film_by_film: bool,
}

/// The steps of loading the ranker, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadPhase {
    /// Model bytes arrive.
    Download,
    /// Their checksum is compared.
    Verify,
    /// Weights go to the device.
    Upload,
    /// One small pass compiles every kernel.
    WarmUp,
}

/// Where the ranker runs and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// `webgpu` or `cpu`.
    pub backend: String,
    /// The adapter's own description; empty on the CPU.
    pub adapter: String,
    /// What the adapter can do, for people; empty on the CPU.
    #[serde(default)]
    pub abilities: String,
    /// Why this device was taken, one sentence.
    pub reason: String,
    /// Threads that multiply; 1 on a GPU.
    pub threads: usize,
}

/// What went wrong, what it means and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable code for tests and help texts.
    pub code: FailureCode,
    /// One sentence that names the thing and the value.
    pub message: String,
    /// What to do now.
    pub hint: String,
}

/// Stable codes of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// A file could not be fetched.
    Network,
    /// A file has the wrong size or checksum.
    Checksum,
    /// A file arrived whole but cannot be read.
    Format,
    /// The history was empty or named an unknown item.
    Input,
    /// No WebGPU, or the device was lost.
    Device,
    /// The request came before what it needs was loaded.
    NotReady,
}
