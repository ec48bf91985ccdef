//! Which device the ranker runs on, and why, in words for the visitor.
//!
//! A software adapter is WebGPU computed on the CPU: slower than the same work in wasm, so it is only
//! taken when asked for.

use shared::protocol::{DeviceChoice, DeviceReport, Failure, FailureCode};

use crate::format::megabytes;

/// What the browser says about its WebGPU adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adapter {
    /// Vendor, architecture, device and description, as far as told.
    pub name: String,
    /// Whether the browser calls it a fallback adapter.
    pub fallback: bool,
    /// Whether its shaders have 16-bit floats.
    pub f16: bool,
    /// Whether its shaders have subgroups.
    pub subgroups: bool,
    /// Bytes that one binding can hold; 0 if not told.
    pub largest_buffer: u64,
}

impl Adapter {
    /// Whether it computes on the CPU.
    pub fn is_software(&self) -> bool {
        let name = self.name.to_lowercase();
        self.fallback
            || ["swiftshader", "llvmpipe", "lavapipe", "basic render"].iter().any(|soft| name.contains(soft))
    }
}

/// `backend` of a [`DeviceReport`] on WebGPU.
pub const WEBGPU: &str = "webgpu";
/// `backend` of a [`DeviceReport`] on the CPU.
pub const CPU: &str = "cpu";

/// Decides where the ranker runs; fails only if WebGPU is asked for and there is none.
pub fn decide(choice: DeviceChoice, adapter: Option<Adapter>) -> Result<DeviceReport, Failure> {
    match (choice, adapter) {
        (DeviceChoice::Cpu, _) => Ok(cpu("you chose it")),
        (DeviceChoice::WebGpu, Some(adapter)) => Ok(webgpu(adapter, "you chose it")),
        (DeviceChoice::WebGpu, None) => Err(Failure {
            code: FailureCode::Device,
            message: "This browser offers no WebGPU adapter.".into(),
            hint: "Choose “automatic” or “CPU”: the ranker then runs on the CPU, slower but with the same result."
                .into(),
        }),
        (DeviceChoice::Auto, None) => Ok(cpu("this browser offers no WebGPU adapter")),
        (DeviceChoice::Auto, Some(adapter)) if adapter.is_software() => {
            let reason = format!("the WebGPU adapter “{}” is software and slower than this", adapter.name);
            Ok(cpu(&reason))
        }
        (DeviceChoice::Auto, Some(adapter)) => Ok(webgpu(adapter, "this browser offers a GPU")),
    }
}

/// The CPU instead of a GPU that failed.
pub fn fallback(failed: &DeviceReport, why: &str) -> DeviceReport {
    cpu(&format!("the GPU failed ({}): {}", failed.adapter, why.trim_end_matches('.')))
}

fn cpu(reason: &str) -> DeviceReport {
    DeviceReport {
        backend: CPU.into(),
        adapter: String::new(),
        abilities: String::new(),
        reason: format!("On the CPU because {reason}."),
        threads: 1,
    }
}

fn webgpu(adapter: Adapter, reason: &str) -> DeviceReport {
    DeviceReport {
        backend: WEBGPU.into(),
        abilities: abilities(&adapter),
        adapter: adapter.name,
        reason: format!("On WebGPU because {reason}."),
        threads: 1,
    }
}

/// What an adapter can do, in words.
fn abilities(adapter: &Adapter) -> String {
    let yes = |has| if has { "yes" } else { "no" };
    format!(
        "16-bit floats {}, subgroups {}, bindings up to {}. The kernels use neither of the two.",
        yes(adapter.f16),
        yes(adapter.subgroups),
        megabytes(adapter.largest_buffer)
    )
}

/// The short name of a device for the badge, for example `WebGPU · apple metal-3`.
pub fn badge(device: &DeviceReport) -> String {
    if device.backend != WEBGPU {
        match device.threads {
            0 | 1 => "CPU (wasm)".into(),
            threads => format!("CPU (wasm, {threads} threads)"),
        }
    } else if device.adapter.is_empty() {
        "WebGPU".into()
    } else {
        format!("WebGPU · {}", device.adapter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(name: &str) -> Adapter {
        Adapter { name: name.into(), f16: true, largest_buffer: 134_217_728, ..Adapter::default() }
    }

    #[test]
    fn automatic_takes_a_real_gpu_and_nothing_else() {
        let backend = |adapter| decide(DeviceChoice::Auto, adapter).unwrap().backend;
        assert_eq!(backend(Some(adapter("apple metal-3"))), WEBGPU);
        assert_eq!(backend(Some(adapter("google SwiftShader"))), CPU);
        assert_eq!(backend(Some(adapter("mesa llvmpipe (LLVM 15)"))), CPU);
        assert_eq!(
            backend(Some(Adapter { name: "unknown".into(), fallback: true, ..Adapter::default() })),
            CPU
        );
        assert_eq!(backend(None), CPU);
    }

    #[test]
    fn the_choice_overrides_and_the_reason_says_so() {
        let gpu = decide(DeviceChoice::WebGpu, Some(adapter("google swiftshader"))).unwrap();
        assert_eq!(badge(&gpu), "WebGPU · google swiftshader");
        assert_eq!(gpu.reason, "On WebGPU because you chose it.");
        assert!(gpu.abilities.starts_with("16-bit floats yes, subgroups no, bindings up to 134\u{a0}MB"));
        let cpu = decide(DeviceChoice::Cpu, Some(adapter("nvidia"))).unwrap();
        assert_eq!(badge(&cpu), "CPU (wasm)");
        assert_eq!(badge(&DeviceReport { threads: 4, ..cpu }), "CPU (wasm, 4 threads)");
        assert_eq!(decide(DeviceChoice::WebGpu, None).unwrap_err().code, FailureCode::Device);
        let instead = fallback(&gpu, "It computes nonsense.");
        assert_eq!(instead.backend, CPU);
        assert_eq!(
            instead.reason,
            "On the CPU because the GPU failed (google swiftshader): It computes nonsense."
        );
    }
}
