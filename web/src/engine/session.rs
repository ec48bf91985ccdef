//! What the engine has loaded, and its answers: the one place where the page meets the models.

use std::{rc::Rc, sync::Arc};

use burn::tensor::Device;
use js_sys::{ArrayBuffer, WebAssembly};
use shared::{
    catalog::{Catalog, ItemId},
    manifest::Manifest,
    protocol::{
        DeviceChoice, DeviceReport, Effects, EventBody, Failure, FailureCode, LoadPhase, MemoryUse, Race,
        RequestBody, ShuffleStudy, TunedWays,
    },
    ranker::{Ranker, RankerError},
    recommender::{Options, RecommendError, Recommender},
    retriever::Retriever,
    scoring::Mode,
    team::{Team, work_with},
    trace::Asking,
};
use wasm_bindgen::JsCast;

use super::{
    adapter,
    download::{Cancel, InBrowser, Stop, download},
    ear::Ear,
    fetch, message, now, post,
    rehearsal::Rehearsal,
    store,
    team::Helpers,
};
use crate::device::{CPU, WEBGPU, badge, decide, fallback};

/// How many of the vocabulary's likeliest tokens are told.
const TOP: usize = 20;

/// What is loaded.
#[derive(Default)]
pub struct Session {
    bundle: Option<Bundle>,
    /// WebGPU is initialised once; a second time would be a second device.
    gpu: Option<Device>,
    /// Those who help a ranker on the CPU.
    helpers: Option<Rc<Helpers>>,
}

struct Bundle {
    folder: String,
    manifest: Manifest,
    recommender: Recommender,
}

impl Session {
    /// Does what is asked; the last event of the answer comes back, those before it are told at once.
    pub async fn answer(
        &mut self,
        seq: u64,
        body: RequestBody,
        cancel: &Cancel,
        ear: &Arc<Ear>,
    ) -> Result<EventBody, Stop> {
        match body {
            RequestBody::LoadRetriever { bundle } => Ok(self.load_retriever(bundle).await?),
            RequestBody::LoadRanker { device } => self.load_ranker(seq, device, cancel, ear).await,
            RequestBody::Recommend { history, rank, asking } => {
                self.recommend(seq, &history, rank, asking).await
            }
            RequestBody::Explain { text } => self.explain(&text).await,
            RequestBody::Walk { history } => {
                let recommender = &self.bundle.as_ref().ok_or_else(not_ready)?.recommender;
                let walk = recommender.walk(&history, &now).await;
                Ok(EventBody::Walked { walk: walk.map_err(recommend_stop)? })
            }
            RequestBody::LeaveOut { history } => self.leave_out(seq, &history, ear).await,
            RequestBody::Shuffle { history, orders } => self.shuffle(seq, &history, orders, ear).await,
            RequestBody::Race { history } => self.race(seq, &history, ear).await,
            RequestBody::DeleteModel => {
                let failed = |error| {
                    device_failure(&format!("the stored model cannot be deleted: {}", message(&error)))
                };
                store::delete_all().await.map_err(failed)?;
                Ok(EventBody::Deleted)
            }
            // These pass the queue; nothing is left to do when they come this way.
            RequestBody::CancelDownload | RequestBody::Stop => Ok(EventBody::Cancelled),
        }
    }

    async fn load_retriever(&mut self, folder: String) -> Result<EventBody, Failure> {
        let manifest: Manifest = fetch::json(&fetch::resolve(&folder, "manifest.json")?).await?;
        let catalog: Catalog =
            fetch::parse(&manifest.catalog.path, &fetch::file(&folder, &manifest.catalog).await?)?;
        let weights = fetch::file(&folder, &manifest.retriever).await?;
        let retriever = Retriever::from_safetensors(&weights, &Device::flex())
            .map_err(|error| format_failure(&manifest.retriever.path, &error.to_string()))?;
        let recommender = Recommender::new(manifest.name.clone(), catalog, retriever)
            .map_err(|error| format_failure(&manifest.retriever.path, &error.to_string()))?;
        self.bundle = Some(Bundle { folder, manifest, recommender });
        self.dismiss();
        Ok(EventBody::RetrieverReady)
    }

    async fn load_ranker(
        &mut self,
        seq: u64,
        choice: DeviceChoice,
        cancel: &Cancel,
        ear: &Arc<Ear>,
    ) -> Result<EventBody, Stop> {
        let mut report = decide(choice, adapter::probe().await)?;
        // Two models at a time would take twice the memory.
        self.bundle.as_mut().ok_or_else(not_ready)?.recommender.set_ranker(None, String::new());
        self.dismiss();
        let mut ranker = self.start(seq, &report, cancel).await;
        if let Err(Stop::Failed(failure)) = &ranker
            && failure.code == FailureCode::Device
            && report.backend == WEBGPU
            && choice == DeviceChoice::Auto
        {
            // Its bytes went to the GPU; the browser has kept them.
            report = fallback(&report, &failure.message);
            ranker = self.start(seq, &report, cancel).await;
        }
        let mut ranker = ranker.inspect_err(|_| self.dismiss())?;
        ranker.pause_between_pieces(ear.pause());
        let adapter = ranker.tuned().map(|tuned| tuned.tuned_for.name());
        let tuned = TunedWays {
            letters: ranker.tuned_by(Mode::Letters).is_some(),
            film_by_film: ranker.tuned_by(Mode::Pointwise).is_some(),
        };
        let mut memory = MemoryUse { engine: heap(), gpu: gpu_bytes(ranker.llama().device()) };
        if let Some(helpers) = &self.helpers {
            report.threads = 1 + helpers.count().await;
            memory.engine += helpers.bytes();
        }
        let bundle = self.bundle.as_mut().ok_or_else(not_ready)?;
        bundle.recommender.set_ranker(Some(ranker), badge(&report));
        let base = bundle.manifest.base.name.clone();
        Ok(EventBody::RankerReady { device: report, base, adapter, tuned, memory })
    }

    /// Ends those who helped a ranker that is no longer there.
    fn dismiss(&mut self) {
        work_with(None);
        self.helpers = None;
    }

    /// Takes the base model with its adapter to a device that passes the self-test.
    async fn start(&mut self, seq: u64, report: &DeviceReport, cancel: &Cancel) -> Result<Ranker, Stop> {
        let bundle = self.bundle.as_ref().ok_or_else(not_ready)?;
        let base = &bundle.manifest.base;
        // They start while the file is read.
        let on_cpu = report.backend == CPU;
        self.helpers = on_cpu.then(|| Helpers::start(base.file.bytes)).flatten();
        work_with(self.helpers.clone().map(|helpers| helpers as Rc<dyn Team>));
        let device = if on_cpu { Device::flex() } else { gpu(&mut self.gpu).await? };
        let url = fetch::resolve(&bundle.folder, &base.file.path)?;
        let rehearsal = Rehearsal::default();
        let begun = {
            let (rehearsal, device) = (rehearsal.clone(), device.clone());
            move |file| {
                if !on_cpu {
                    rehearsal.begin(file, device);
                }
            }
        };
        let file = download(seq, &url, &base.file, cancel, begun).await?;
        rehearsal.end().await;

        let step = |phase| post(seq, EventBody::Loading { phase, done: 0, total: 0 });
        step(LoadPhase::Upload);
        let mut ranker = Ranker::from_file(Box::new(InBrowser(file)), &device)
            .map_err(|error| format_failure(&base.name, &error.to_string()))?;
        for file in [&bundle.manifest.adapter, &bundle.manifest.letters].into_iter().flatten() {
            let weights = fetch::file(&bundle.folder, file).await?;
            ranker
                .tune(&weights, &base.file.sha256)
                .map_err(|error| format_failure(&file.path, &error.to_string()))?;
        }
        step(LoadPhase::WarmUp);
        ranker.warm_up().await.map_err(ranker_stop)?;
        Ok(ranker)
    }

    async fn recommend(
        &mut self,
        seq: u64,
        history: &[ItemId],
        rank: bool,
        asking: Asking,
    ) -> Result<EventBody, Stop> {
        let recommender = &self.bundle.as_ref().ok_or_else(not_ready)?.recommender;
        let run = async |rank| {
            let options = Options { rank, asking: asking.clone(), top: TOP };
            let trace = recommender.recommend(history, &options, &now).await;
            trace.map(Box::new).map_err(recommend_stop)
        };
        let retrieved = run(false).await?;
        if !rank || recommender.ranker().is_none() {
            return Ok(EventBody::Recommended { trace: retrieved });
        }
        post(seq, EventBody::Recommended { trace: retrieved });
        Ok(EventBody::Recommended { trace: run(true).await? })
    }

    /// Tells after every film what leaving it out has shown.
    async fn leave_out(&mut self, seq: u64, history: &[ItemId], ear: &Ear) -> Result<EventBody, Stop> {
        let recommender = &self.bundle.as_ref().ok_or_else(not_ready)?.recommender;
        let options = Options { rank: true, ..Options::default() };
        let trace = recommender.recommend(history, &options, &now).await.map_err(recommend_stop)?;
        let mut effects = Effects {
            title: trace.ranking.first().map(|first| first.title.clone()).unwrap_or_default(),
            ranked: trace.fused.is_some(),
            films: history.len(),
            without: Vec::new(),
        };
        for place in 0..history.len() {
            post(seq, EventBody::LeftOut { effects: effects.clone() });
            if !ear.goes_on().await {
                return Err(Stop::Cancelled);
            }
            effects.without.push(recommender.without(&trace, place).await.map_err(recommend_stop)?);
        }
        Ok(EventBody::LeftOut { effects })
    }

    /// Tells after every order what it has shown.
    async fn shuffle(
        &mut self,
        seq: u64,
        history: &[ItemId],
        orders: Vec<Vec<usize>>,
        ear: &Ear,
    ) -> Result<EventBody, Stop> {
        let recommender = &self.bundle.as_ref().ok_or_else(not_ready)?.recommender;
        let tell = async |study: &ShuffleStudy| {
            post(seq, EventBody::Shuffled { study: study.clone() });
            ear.goes_on().await
        };
        let study = recommender.shuffle(history, orders, tell).await.map_err(recommend_stop)?;
        // What was found so far was told.
        if study.answers.len() < study.orders {
            return Err(Stop::Cancelled);
        }
        Ok(EventBody::Shuffled { study })
    }

    /// Tells after the pass and every token how the race stands.
    async fn race(&mut self, seq: u64, history: &[ItemId], ear: &Ear) -> Result<EventBody, Stop> {
        let recommender = &self.bundle.as_ref().ok_or_else(not_ready)?.recommender;
        let tell = async |race: &Race| {
            post(seq, EventBody::Raced { race: race.clone() });
            ear.goes_on().await
        };
        let race = recommender.race(history, &now, tell).await.map_err(recommend_stop)?;
        Ok(EventBody::Raced { race })
    }

    async fn explain(&mut self, text: &str) -> Result<EventBody, Stop> {
        let ranker =
            self.bundle.as_ref().and_then(|bundle| bundle.recommender.ranker()).ok_or_else(not_ready)?;
        let explanation = ranker.explain(text, 0).await.map_err(ranker_stop)?;
        Ok(EventBody::Explained {
            token_ids: explanation.encoded.ids,
            letter_logits: explanation.letter_logits,
        })
    }
}

/// Bytes of this module's memory.
fn heap() -> u64 {
    let memory: WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    let buffer: ArrayBuffer = memory.buffer().unchecked_into();
    u64::from(buffer.byte_length())
}

/// Bytes reserved on a GPU; nothing for the CPU.
fn gpu_bytes(device: &Device) -> Option<u64> {
    device.memory_pool_usage().map(|usage| usage.bytes_reserved)
}

/// The WebGPU device, initialised at its first use.
async fn gpu(slot: &mut Option<Device>) -> Result<Device, Failure> {
    if let Some(device) = slot {
        return Ok(device.clone());
    }
    let options = Device::wgpu_options();
    let device = options
        .init_async()
        .await
        .map_err(|error| device_failure(&format!("WebGPU does not start: {error}")))?;
    Ok(slot.insert(device).clone())
}

fn not_ready() -> Failure {
    Failure {
        code: FailureCode::NotReady,
        message: "The engine has not loaded what this needs.".into(),
        hint: "Wait until the page says that it is ready, or reload it.".into(),
    }
}

fn device_failure(message: &str) -> Failure {
    Failure {
        code: FailureCode::Device,
        message: format!("{message}."),
        hint: "Choose the CPU as device, or reload the page.".into(),
    }
}

fn format_failure(path: &str, why: &str) -> Failure {
    Failure {
        code: FailureCode::Format,
        message: format!("{path} cannot be used: {why}."),
        hint: "The page and its models may be of different versions: build the page again.".into(),
    }
}

fn ranker_stop(error: RankerError) -> Stop {
    match error {
        RankerError::Stopped => Stop::Cancelled,
        RankerError::Empty | RankerError::TooLong { .. } => input_failure(&error.to_string()).into(),
        error => device_failure(&error.to_string()).into(),
    }
}

fn recommend_stop(error: RecommendError) -> Stop {
    match error {
        RecommendError::EmptyHistory
        | RecommendError::NothingLeft
        | RecommendError::UnknownItem { .. }
        | RecommendError::OtherCatalog { .. }
        | RecommendError::Order { .. } => input_failure(&error.to_string()).into(),
        RecommendError::NoRanker => not_ready().into(),
        RecommendError::Retriever(why) => device_failure(&why).into(),
        RecommendError::Ranker(error) => ranker_stop(error),
    }
}

fn input_failure(message: &str) -> Failure {
    Failure {
        code: FailureCode::Input,
        message: format!("{message}."),
        hint: "Change the history and ask again.".into(),
    }
}
