//! One forward pass of the ranker over a prompt, beside the time that its arithmetic alone would take, and what is left of
//! it when the history was read before.

use std::{fmt, time::Instant};

use cpu_time::ProcessTime;
use serde::Serialize;
use shared::{
    CANDIDATES,
    llama::{Layout, flops},
    ranker::Ranker,
};

use super::{
    median,
    parts::{self, Part},
    product_speed,
};

/// The measurement.
#[derive(Clone, Debug, Serialize)]
pub struct RankBench {
    /// Device.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
    /// Name of the base model.
    pub model: String,
    /// Tokens of the prompt.
    pub tokens: usize,
    /// Time of the first pass, which also compiles kernels on a GPU.
    pub cold_ms: f64,
    /// Median time of the passes after it.
    pub median_ms: f64,
    /// Mean CPU time of those, all threads.
    pub cpu_ms: f64,
    /// Arithmetic of a pass, in 10⁹ multiplications and additions.
    pub gflop: f64,
    /// How fast the device multiplied large matrices in this run, in 10⁹ a second.
    pub peak_gflop_per_second: f64,
    /// Time of the arithmetic at that speed, over the median time.
    pub share_of_peak: f64,
    /// The same history again, with other candidates.
    #[serde(flatten)]
    pub again: Option<Again>,
    /// What one more pass spent its time on, the longest first.
    pub parts: Vec<Part>,
    /// Bytes that a GPU has reserved after all of it; nothing for the CPU.
    pub gpu_bytes: Option<u64>,
    /// Logits of the twenty index letters.
    pub logits: Vec<f32>,
}

/// Prompts that begin as another.
pub struct Alike {
    /// Another prompt with the same beginning.
    pub other: String,
    /// Several orders of the same candidates.
    pub orders: Vec<String>,
}

/// Passes after one that began alike.
#[derive(Clone, Debug, Serialize)]
pub struct Again {
    /// Tokens that the second ranking did not read again.
    pub reused_tokens: usize,
    /// Tokens that it read.
    pub second_tokens: usize,
    /// Median time of a ranking behind a history that was read before.
    pub second_ms: f64,
    /// Time of the same ranking when nothing was read before, over that: median of what was measured in turn.
    pub second_speedup: f64,
    /// How many orders of the candidates were asked about at once.
    pub orders: usize,
    /// Median time of all of them, behind the history that was read before.
    pub orders_ms: f64,
    /// That over the time of one ranking: median of what was measured in turn.
    pub orders_cost: f64,
}

impl RankBench {
    /// Measures `repeats` passes after one that is measured apart, then passes over prompts that begin alike.
    ///
    /// # Errors
    /// A prompt the model cannot read, or a device that fails.
    pub fn run(
        ranker: &Ranker,
        prompt: &str,
        alike: Option<&Alike>,
        repeats: usize,
        device: &str,
    ) -> anyhow::Result<Self> {
        let pass = || -> anyhow::Result<_> {
            ranker.forget();
            timed(|| Ok(pollster::block_on(ranker.explain(prompt, 0))?))
        };
        let (cold_ms, explanation) = pass()?;
        let cpu = ProcessTime::now();
        let times = (0..repeats.max(1)).map(|_| Ok(pass()?.0)).collect::<anyhow::Result<Vec<_>>>()?;
        let cpu_ms = cpu.elapsed().as_secs_f64() * 1e3 / times.len() as f64;
        let median_ms = median(times);
        let llama = ranker.llama();
        let work = flops(llama.config(), &Layout::prompt(&explanation.encoded.ids), CANDIDATES) as f64;
        let again = alike.map(|alike| Again::run(ranker, prompt, alike, repeats)).transpose()?;
        let parts = parts_of(llama.on_cpu(), || pass().map(drop))?;
        let peak = product_speed(llama.device(), repeats)?;
        Ok(Self {
            device: device.to_owned(),
            threads: rayon::current_num_threads(),
            model: ranker.name().to_owned(),
            tokens: explanation.encoded.ids.len(),
            cold_ms,
            median_ms,
            cpu_ms,
            gflop: work / 1e9,
            peak_gflop_per_second: peak / 1e9,
            share_of_peak: work / peak / (median_ms / 1e3),
            again,
            parts,
            gpu_bytes: llama.device().memory_pool_usage().map(|usage| usage.bytes_reserved),
            logits: explanation.letter_logits,
        })
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn parts_of(on_cpu: bool, pass: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Vec<Part>> {
    if on_cpu { parts::of_cpu(pass) } else { parts::of_gpu(pass) }
}

#[cfg(not(any(feature = "wgpu", feature = "cuda")))]
fn parts_of(_on_cpu: bool, pass: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Vec<Part>> {
    parts::of_cpu(pass)
}

impl Again {
    /// What is compared is measured in turn: a machine that others use is slower for minutes, and then both are.
    fn run(ranker: &Ranker, prompt: &str, alike: &Alike, repeats: usize) -> anyhow::Result<Self> {
        let read = |text: &str| timed(|| Ok(pollster::block_on(ranker.explain(text, 0))?));
        let (mut second_times, mut orders_times) = (Vec::new(), Vec::new());
        let (mut speedups, mut costs) = (Vec::new(), Vec::new());
        let (mut reused_tokens, mut second_tokens) = (0, 0);
        for _ in 0..repeats.max(1) {
            ranker.forget();
            let (fresh_ms, _) = read(&alike.other)?;
            ranker.forget();
            let (first_ms, _) = read(prompt)?;
            let (second_ms, second) = read(&alike.other)?;
            // The orders begin as the prompt does.
            read(prompt)?;
            let (orders_ms, _) = timed(|| Ok(pollster::block_on(ranker.letter_logits(&alike.orders))?))?;
            (reused_tokens, second_tokens) = (second.reused, second.encoded.ids.len() - second.reused);
            second_times.push(second_ms);
            orders_times.push(orders_ms);
            speedups.push(fresh_ms / second_ms);
            costs.push(orders_ms / first_ms);
        }
        Ok(Self {
            reused_tokens,
            second_tokens,
            second_ms: median(second_times),
            second_speedup: median(speedups),
            orders: alike.orders.len(),
            orders_ms: median(orders_times),
            orders_cost: median(costs),
        })
    }
}

/// What work gives, and the milliseconds it took.
fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let start = Instant::now();
    let result = work()?;
    Ok((start.elapsed().as_secs_f64() * 1e3, result))
}

impl fmt::Display for RankBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, threads, model, tokens, cold_ms, median_ms, cpu_ms, .. } = self;
        let Self { gflop, peak_gflop_per_second: peak, share_of_peak, .. } = self;
        writeln!(
            f,
            "{model} on {device}, {threads} CPU threads: a prompt of {tokens} tokens, {gflop:.1} GFLOP\n"
        )?;
        writeln!(f, "first pass   {cold_ms:>9.1} ms")?;
        let rate = *tokens as f64 / median_ms * 1e3;
        writeln!(f, "median       {median_ms:>9.1} ms, {rate:.0} tokens/s")?;
        writeln!(f, "CPU time     {cpu_ms:>9.1} ms")?;
        let floor = gflop / peak * 1e3;
        writeln!(
            f,
            "floor        {floor:>9.1} ms at {peak:.0} GFLOP/s, as large products run here: {:.0} % of it reached",
            share_of_peak * 100.0
        )?;
        if let Some(bytes) = self.gpu_bytes {
            writeln!(f, "GPU memory   {:>9.1} MB", bytes as f64 / 1e6)?;
        }
        let whole: f64 = self.parts.iter().map(|part| part.ms).sum();
        for Part { name, calls, ms } in &self.parts {
            writeln!(f, "  {name:<24} {ms:>9.1} ms {:>5.1} % {calls:>6} calls", ms / whole * 100.0)?;
        }
        let Some(Again {
            reused_tokens,
            second_tokens,
            second_ms,
            second_speedup,
            orders,
            orders_ms,
            orders_cost,
        }) = &self.again
        else {
            return Ok(());
        };
        writeln!(
            f,
            "again        {second_ms:>9.1} ms with other candidates, {reused_tokens} tokens known, {second_tokens} new: {second_speedup:.2} times as fast as without"
        )?;
        writeln!(f, "{orders} orders     {orders_ms:>9.1} ms at once: {orders_cost:.2} times one ranking")
    }
}
