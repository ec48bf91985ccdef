//! Retrieval over a large catalogue, and one more item against reading the whole history again.

use std::fmt;

use burn::tensor::{Device, Distribution, Tensor};
use serde::Serialize;
use shared::{
    CANDIDATES,
    catalog::ItemId,
    retriever::{Architecture, Retriever, RetrieverConfig, Rows},
};

use super::{median_seconds, read_bandwidth};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Items of the catalogue.
    pub items: usize,
    /// Width of the embedding.
    pub d_model: usize,
    /// Histories at a time.
    pub batches: Vec<usize>,
    /// Lengths of the history that one item is added to.
    pub lengths: Vec<usize>,
    /// Measured calls, of which the median counts.
    pub repeats: usize,
}

/// The twenty best items after some histories, from their hidden states.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Search {
    /// Histories at a time.
    pub batch: usize,
    /// Median time.
    pub milliseconds: f64,
    /// Time to read the table once at the speed measured in this run.
    pub floor_milliseconds: f64,
    /// Floor over time.
    pub share_of_floor: f64,
    /// Arithmetic rate.
    pub gflop_per_second: f64,
}

/// One more item.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Update {
    /// Items before it.
    pub length: usize,
    /// Median time of a state update.
    pub stream_milliseconds: f64,
    /// Median time of reading the whole history again.
    pub recompute_milliseconds: f64,
}

/// All measurements.
#[derive(Clone, Debug, Serialize)]
pub struct RetrieveBench {
    /// Device.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
    /// Items of the catalogue.
    pub items: usize,
    /// Width of the embedding.
    pub d_model: usize,
    /// How fast the CPU reads memory; on another device its own speed differs.
    pub bandwidth_gb_per_second: f64,
    /// Top-20 searches.
    pub search: Vec<Search>,
    /// Streaming against recomputing, with a small catalogue, so that the network is what is measured.
    pub update: Vec<Update>,
}

impl RetrieveBench {
    /// Measures.
    ///
    /// # Errors
    /// A device that fails.
    pub fn run(plan: &Plan, device: &Device, name: &str) -> anyhow::Result<Self> {
        let bandwidth = read_bandwidth(plan.items * plan.d_model, plan.repeats)?;
        let config = RetrieverConfig {
            d_model: plan.d_model,
            ..RetrieverConfig::new(Architecture::LruRec, plan.items)
        };
        let model = Retriever::new(config, 1, device)?;
        let mut search = Vec::with_capacity(plan.batches.len());
        for &batch in &plan.batches {
            let shape = [batch, plan.d_model];
            let hidden = Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), device);
            let seconds = median_seconds(plan.repeats, || {
                let histories = vec![&[][..]; batch];
                let found = pollster::block_on(model.top_items(hidden.clone(), &histories, CANDIDATES))?;
                anyhow::ensure!(found.iter().all(|items| items.len() == CANDIDATES.min(plan.items)));
                Ok(())
            })?;
            let numbers = (plan.items * plan.d_model) as f64;
            let floor = 4.0 * numbers / bandwidth;
            search.push(Search {
                batch,
                milliseconds: seconds * 1e3,
                floor_milliseconds: floor * 1e3,
                share_of_floor: floor / seconds,
                gflop_per_second: 2.0 * numbers * batch as f64 / seconds / 1e9,
            });
        }
        let update = plan.lengths.iter().map(|&length| update(plan, length, device));
        Ok(Self {
            device: name.to_owned(),
            threads: rayon::current_num_threads(),
            items: plan.items,
            d_model: plan.d_model,
            bandwidth_gb_per_second: bandwidth / 1e9,
            search,
            update: update.collect::<anyhow::Result<_>>()?,
        })
    }
}

fn update(plan: &Plan, length: usize, device: &Device) -> anyhow::Result<Update> {
    let items = 1000;
    let config =
        RetrieverConfig { d_model: plan.d_model, ..RetrieverConfig::new(Architecture::LruRec, items) };
    let model = Retriever::new(config, 1, device)?;
    let Some(lrurec) = model.as_lrurec() else { anyhow::bail!("only LRURec has a stream") };
    let history: Vec<ItemId> = (0..length).map(|n| ItemId((n % items) as u32 + 1)).collect();
    let mut state = lrurec.stream();
    for &item in &history {
        lrurec.push(item, &mut state)?;
    }
    let next = ItemId(7);
    let stream = median_seconds(plan.repeats, || {
        // Reading the state back would be no part of an update; reading the hidden state is.
        let hidden = lrurec.push(next, &mut state.clone())?;
        hidden.try_into_vec_as::<f32>()?;
        Ok(())
    })?;
    let ids: Vec<i32> = history.iter().chain([&next]).map(|item| item.0 as i32).collect();
    let recompute = median_seconds(plan.repeats, || {
        let rows = Rows::left_padded([ids.as_slice()]);
        let hidden = model.forward(&rows).narrow(1, length, 1);
        hidden.try_into_vec_as::<f32>()?;
        Ok(())
    })?;
    Ok(Update { length, stream_milliseconds: stream * 1e3, recompute_milliseconds: recompute * 1e3 })
}

impl fmt::Display for RetrieveBench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, threads, items, d_model, bandwidth_gb_per_second: bandwidth, .. } = self;
        let megabytes = 4.0 * (items * d_model) as f64 / 1e6;
        writeln!(f, "top {CANDIDATES} of {items} items x {d_model} on {device}, {threads} CPU threads")?;
        writeln!(f, "memory read at {bandwidth:.1} GB/s: {megabytes:.0} MB\n")?;
        writeln!(f, "{:>8} {:>10} {:>10} {:>8} {:>10}", "batch", "ms", "floor ms", "share", "GFLOP/s")?;
        for at in &self.search {
            let Search { batch, milliseconds, floor_milliseconds, share_of_floor, gflop_per_second } = at;
            writeln!(
                f,
                "{batch:>8} {milliseconds:>10.2} {floor_milliseconds:>10.2} {:>6.0} % {gflop_per_second:>10.1}",
                share_of_floor * 100.0
            )?;
        }
        writeln!(f, "\none more item after a history of so many (1,000 items in the catalogue)\n")?;
        writeln!(f, "{:>8} {:>12} {:>14} {:>8}", "items", "stream ms", "recompute ms", "ratio")?;
        for Update { length, stream_milliseconds, recompute_milliseconds } in &self.update {
            writeln!(
                f,
                "{length:>8} {stream_milliseconds:>12.3} {recompute_milliseconds:>14.3} {:>8.1}",
                recompute_milliseconds / stream_milliseconds
            )?;
        }
        Ok(())
    }
}
