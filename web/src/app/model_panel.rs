//! The ranker's model: what it costs before it is loaded, how far it is, where it runs.

use leptos::prelude::*;
use shared::protocol::{DeviceChoice, LoadPhase};

use super::page::Page;
use crate::{
    device::badge,
    format::megabytes,
    ids,
    state::{Progress, Ranker, RankerInfo},
    update::Action,
};

/// The phases of loading, in order, in words.
const PHASES: [(LoadPhase, &str); 4] = [
    (LoadPhase::Download, "Download"),
    (LoadPhase::Verify, "Verify"),
    (LoadPhase::Upload, "To the device"),
    (LoadPhase::WarmUp, "Warm up"),
];

/// The panel of the ranker.
#[component]
pub fn ModelPanel() -> impl IntoView {
    let page = expect_context::<Page>();
    let ranker = Memo::new(move |_| page.state.with(|state| state.ranker.clone()));
    view! {
        <section id=ids::MODEL class="panel" aria-labelledby="model-title">
            <h2 id="model-title">"The ranker"</h2>
            {move || match ranker.get() {
                Ranker::Absent => view! { <Gate/> }.into_any(),
                Ranker::Loading { progress, .. } => view! { <Loading progress/> }.into_any(),
                Ranker::Ready(info) => view! { <Loaded info/> }.into_any(),
            }}
            <DeviceChooser/>
            <StoredModel/>
        </section>
    }
}

/// The offer to load: size, licence and place before any download.
#[component]
fn Gate() -> impl IntoView {
    let page = expect_context::<Page>();
    let offer = move || {
        let bundle = page.bundle.get()?;
        let base = &bundle.manifest.base;
        let total = base.file.bytes;
        let missing = total.saturating_sub(page.stored.get());
        let label = if missing == 0 {
            "Load the ranker from this device".to_owned()
        } else {
            format!("Download and load ({})", megabytes(missing))
        };
        Some(view! {
            <p>
                "The second stage is " <strong>{base.name.clone()}</strong>
                ": a language model that reads your history and the twenty candidates as text."
            </p>
            <dl class="facts">
                <div><dt>"Size"</dt><dd>{megabytes(total)}</dd></div>
                <div><dt>"Licence"</dt><dd>{base.licence.clone()}</dd></div>
                <div><dt>"Storage"</dt><dd>{if missing == total { "nothing yet; kept on this device once loaded" } else { "kept on this device" }}</dd></div>
            </dl>
            <button id=ids::LOAD_MODEL type="button" class="primary" on:click=move |_| page.act(Action::LoadModel)>
                {label}
            </button>
        })
    };
    view! { {offer} }
}

/// How far loading is.
#[component]
fn Loading(
    /// Progress, once there is some.
    progress: Option<Progress>,
) -> impl IntoView {
    let page = expect_context::<Page>();
    let current = progress.map_or(LoadPhase::Download, |progress| progress.phase);
    let steps = PHASES.map(|(phase, name)| {
        let step = (phase == current).then_some("step");
        view! { <li aria-current=step class:done=(phase as u8) < (current as u8)>{name}</li> }
    });
    let detail = progress.map(|Progress { phase, done, total }| match phase {
        LoadPhase::Download => format!("{} of {}", megabytes(done), megabytes(total)),
        LoadPhase::Verify => "Comparing the checksum…".into(),
        LoadPhase::Upload => "Moving the weights…".into(),
        LoadPhase::WarmUp => "One small pass prepares the device…".into(),
    });
    let known = progress.filter(|progress| progress.total > 0);
    view! {
        <ol class="phases" aria-label="Phases of loading">{steps.collect_view()}</ol>
        <progress
            id=ids::PROGRESS
            aria-label="Loading the ranker"
            max=known.map(|progress| progress.total.to_string())
            value=known.map(|progress| progress.done.to_string())
        ></progress>
        <div class="actions">
            <span class="hint grow">{detail}</span>
            {(current == LoadPhase::Download).then(|| view! {
                <button id=ids::CANCEL_LOAD type="button" on:click=move |_| page.act(Action::CancelLoad)>
                    "Stop"
                </button>
            })}
        </div>
    }
}

/// Where the ranker runs, and what it is.
#[component]
fn Loaded(
    /// What ranks, and where.
    info: RankerInfo,
) -> impl IntoView {
    let tuning = match &info.adapter {
        Some(adapter) => format!("Adapter: {adapter}"),
        None => "Untuned base model: the order shown is the retriever’s".into(),
    };
    let on_gpu =
        info.memory.gpu.map_or_else(String::new, |bytes| format!(" and {} on the GPU", megabytes(bytes)));
    let memory = format!("It takes {} of memory{on_gpu}.", megabytes(info.memory.engine));
    view! {
        <p><strong>{info.base.clone()}</strong></p>
        <p class="badges">
            <span id=ids::DEVICE_BADGE class="badge device">{badge(&info.device)}</span>
            <span class="badge" class:warn=info.adapter.is_none()>{tuning}</span>
        </p>
        <p id=ids::DEVICE_REASON class="hint">{info.device.reason}" "{info.device.abilities}" "{memory}</p>
    }
}

/// On which device the ranker should run.
#[component]
fn DeviceChooser() -> impl IntoView {
    let page = expect_context::<Page>();
    let choice = Memo::new(move |_| page.state.with(|state| state.device));
    let loading = Memo::new(move |_| page.state.with(|state| matches!(state.ranker, Ranker::Loading { .. })));
    let choose = move |value: String| {
        page.act(Action::ChooseDevice(match value.as_str() {
            "webgpu" => DeviceChoice::WebGpu,
            "cpu" => DeviceChoice::Cpu,
            _ => DeviceChoice::Auto,
        }));
    };
    let option = move |value: &'static str, device: DeviceChoice, label: &'static str| {
        view! { <option value=value selected=move || choice.get() == device>{label}</option> }
    };
    view! {
        <p class="field">
            <label for=ids::DEVICE>"Runs on"</label>
            <select
                id=ids::DEVICE
                disabled=move || loading.get()
                on:change:target=move |event| choose(event.target().value())
            >
                {option("auto", DeviceChoice::Auto, "automatic")}
                {option("webgpu", DeviceChoice::WebGpu, "WebGPU")}
                {option("cpu", DeviceChoice::Cpu, "CPU")}
            </select>
        </p>
    }
}

/// What is stored on this device, and the way to delete it.
#[component]
fn StoredModel() -> impl IntoView {
    let page = expect_context::<Page>();
    let loading = Memo::new(move |_| page.state.with(|state| matches!(state.ranker, Ranker::Loading { .. })));
    view! {
        <Show when=move || { page.stored.get() > 0 }>
            <p class="field">
                <span class="hint grow">
                    {move || format!("{} of it are stored on this device.", megabytes(page.stored.get()))}
                </span>
                <button
                    id=ids::DELETE_MODEL
                    type="button"
                    disabled=move || loading.get()
                    on:click=move |_| page.act(Action::DeleteModel)
                >
                    "Delete"
                </button>
            </p>
        </Show>
    }
}
