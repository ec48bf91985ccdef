//! The paper's Figure 3: the time of one ranking read through the verbalizer beside that of writing the ranking out, for
//! longer and longer titles. Both have the same prompt, model and kernels.

use std::{fmt, time::Instant};

use anyhow::anyhow;
use plotters::prelude::*;
use serde::Serialize;
use shared::{CANDIDATES, PROMPT_HISTORY, prompt::Prompt, ranker::Ranker};

use super::median_seconds;
use crate::{paper::FIGURE_3, report::chart};

const GENERATION: RGBColor = RGBColor(150, 90, 20);
const VERBALIZER: RGBColor = RGBColor(20, 90, 160);

/// Both ways at one length of the titles.
#[derive(Clone, Debug, Serialize)]
pub struct Race {
    /// Tokens of each title.
    pub title_tokens: usize,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Median time of one forward pass, all candidates ranked.
    pub verbalizer_ms: f64,
    /// Tokens of the ranking when it is written out.
    pub written_tokens: usize,
    /// Time of reading the prompt and writing them.
    pub generation_ms: f64,
    /// Generation over verbalizer.
    pub ratio: f64,
}

/// The measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Figure3 {
    /// Device.
    pub device: String,
    /// CPU threads.
    pub threads: usize,
    /// Name of the base model.
    pub model: String,
    /// Titles in a ranking.
    pub candidates: usize,
    /// Length by length.
    pub races: Vec<Race>,
    /// What the model wrote first in the last race, for the eye.
    pub sample: String,
}

impl Figure3 {
    /// Measures these lengths with words of these titles; `repeats` rankings each, generation once.
    ///
    /// # Errors
    /// A model that cannot read so long a prompt, or a device that fails.
    pub fn run(
        ranker: &Ranker,
        titles: &[&str],
        lengths: &[usize],
        repeats: usize,
        device: &str,
        mut progress: impl FnMut(&Race),
    ) -> anyhow::Result<Self> {
        let (mut races, mut sample) = (Vec::new(), String::new());
        for &title_tokens in lengths {
            let made = stretched(ranker, titles, title_tokens)?;
            let (history, rest) = made.split_at(PROMPT_HISTORY);
            let prompt = Prompt::render(history, &rest[..CANDIDATES]).text;
            let verbalizer_ms = 1e3
                * median_seconds(repeats, || {
                    ranker.forget();
                    pollster::block_on(ranker.explain(&prompt, 0))?;
                    Ok(())
                })?;

            let written_tokens = CANDIDATES * title_tokens;
            let mut generation = ranker.generate(&prompt)?;
            let start = Instant::now();
            for _ in 0..written_tokens {
                pollster::block_on(generation.next())?;
            }
            let generation_ms = start.elapsed().as_secs_f64() * 1e3;
            sample = generation.text()?.chars().take(160).collect();
            let prompt_tokens = generation.prompt_tokens();
            let ratio = generation_ms / verbalizer_ms;
            races.push(Race {
                title_tokens,
                prompt_tokens,
                verbalizer_ms,
                written_tokens,
                generation_ms,
                ratio,
            });
            races.last().map(&mut progress);
        }
        let (device, model) = (device.to_owned(), ranker.name().to_owned());
        Ok(Self {
            device,
            threads: rayon::current_num_threads(),
            model,
            candidates: CANDIDATES,
            races,
            sample,
        })
    }

    /// The figure: seconds over tokens of a title, on a logarithmic scale.
    ///
    /// # Errors
    /// None in practice: it draws into memory.
    pub fn svg(&self) -> anyhow::Result<String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|error| anyhow!("cannot draw the figure: {error}"))?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let root = SVGBackend::with_string(svg, chart::SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let points = |of: fn(&Race) -> f64| -> Vec<(f64, f64)> {
            self.races.iter().map(|race| (race.title_tokens as f64, of(race) / 1e3)).collect()
        };
        let (verbalizer, generation) = (points(|race| race.verbalizer_ms), points(|race| race.generation_ms));
        let all = || verbalizer.iter().chain(&generation);
        let low = all().map(|&(_, seconds)| seconds).fold(f64::INFINITY, f64::min);
        let high = all().map(|&(_, seconds)| seconds).fold(0.0, f64::max);
        let last = all().map(|&(tokens, _)| tokens).fold(1.0, f64::max);
        let mut plot = ChartBuilder::on(&root)
            .caption(format!("One ranking: {}, {}", self.model, self.device), ("sans-serif", 16))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..last * 1.05, (low / 2.0..high * 2.0).log_scale())?;
        plot.configure_mesh()
            .light_line_style(WHITE)
            .x_desc("tokens of a title")
            .y_desc("seconds")
            .y_label_formatter(&|seconds| format!("{seconds}"))
            .draw()?;
        for (points, name, colour) in [
            (generation, format!("writing {} titles out", self.candidates), GENERATION),
            (verbalizer, "verbalizer, one pass".to_owned(), VERBALIZER),
        ] {
            plot.draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(name)
                .legend(chart::key(colour));
        }
        chart::legend(&mut plot)?;
        root.present()?;
        Ok(())
    }
}

/// As many titles as a prompt holds, each of `length` tokens: one title's words, then the next one's.
fn stretched(ranker: &Ranker, titles: &[&str], length: usize) -> anyhow::Result<Vec<String>> {
    let count = PROMPT_HISTORY + CANDIDATES;
    let title = |n: usize| -> anyhow::Result<String> {
        let mut text = String::new();
        for words in titles.iter().cycle().skip(n * 7).take(length) {
            text.push_str(words);
            text.push(' ');
            let cut = ranker.tokens().cut(text.trim_end(), length)?;
            if cut.len() < text.trim_end().len() {
                return Ok(cut);
            }
        }
        Ok(text.trim_end().to_owned())
    };
    (0..count).map(title).collect()
}

impl fmt::Display for Figure3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, threads, model, candidates, races, sample } = self;
        writeln!(f, "{model} on {device}, {threads} CPU threads: {candidates} candidates\n")?;
        writeln!(f, "title tokens  prompt tokens  verbalizer  written tokens  generation   ratio")?;
        for Race { title_tokens, prompt_tokens, verbalizer_ms, written_tokens, generation_ms, ratio } in races
        {
            let (pass, written) = (verbalizer_ms / 1e3, generation_ms / 1e3);
            writeln!(
                f,
                "{title_tokens:>12}  {prompt_tokens:>13}  {pass:>8.2} s  {written_tokens:>14}  {written:>8.2} s  {ratio:>6.1}"
            )?;
        }
        let [generation, verbalizer] = FIGURE_3;
        writeln!(
            f,
            "\nThe paper's figure, Llama-2-7B, titles of 20 tokens: {generation:.0} s and below {verbalizer:.0} s"
        )?;
        write!(f, "What was written begins: {sample:?}")
    }
}
