//! What the browser says about its WebGPU adapter. The JavaScript interface is asked directly: the bindings
//! of `web-sys` for it are unstable.

use js_sys::{Function, Promise};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::{get, scope};
use crate::device::Adapter;

/// The adapter that would be used, or none.
pub async fn probe() -> Option<Adapter> {
    let gpu = get(scope().navigator().as_ref(), "gpu")?;
    let request: Function = get(&gpu, "requestAdapter")?.dyn_into().ok()?;
    let promise: Promise = request.call0(&gpu).ok()?.dyn_into().ok()?;
    let adapter = JsFuture::from(promise).await.ok().filter(JsValue::is_object)?;
    let info = get(&adapter, "info")?;
    let text = |key| get(&info, key).and_then(|value| value.as_string()).filter(|text| !text.is_empty());
    let mut words: Vec<String> =
        ["vendor", "architecture", "device", "description"].into_iter().filter_map(text).collect();
    words.dedup();
    // The flag moved from the adapter to its info; browsers have the one or the other.
    let flag = |object| get(object, "isFallbackAdapter").is_some_and(|value| value.is_truthy());
    let features = get(&adapter, "features");
    let has = |name: &str| {
        let has: Option<Function> = features.as_ref().and_then(|set| get(set, "has")?.dyn_into().ok());
        let set = features.as_ref()?;
        has?.call1(set, &name.into()).ok()?.as_bool()
    };
    let limit = |name| get(&get(&adapter, "limits")?, name)?.as_f64();
    Some(Adapter {
        name: words.join(" "),
        fallback: flag(&info) || flag(&adapter),
        f16: has("shader-f16").unwrap_or(false),
        subgroups: has("subgroups").unwrap_or(false),
        largest_buffer: limit("maxStorageBufferBindingSize").unwrap_or(0.0) as u64,
    })
}
