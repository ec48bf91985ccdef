//! Many runs of `llamarec train retriever`: one folder a combination, so that a sweep that was interrupted
//! does only what is missing, and a run that was interrupted goes on.

mod processes;
mod table;

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    str::FromStr,
    sync::Mutex,
    thread,
};

use anyhow::{Context, bail};
use toml::{Table, Value};

use crate::{
    data::Dataset,
    interrupt,
    recipe::{Layers, Origin},
    report::{Printer, UserError},
    run_dir::{CHECKPOINT, METRICS},
    train::{DataUsed, ENDS, TrainConfig, retriever::settings_of},
};
use processes::Processes;
use table::{Figures, SweepRow, read_report};

pub use table::SweepTable;

/// A setting and its values, as text: `dropout=0.1,0.2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Name of the setting.
    pub key: String,
    /// Values in the order given.
    pub values: Vec<String>,
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, values) = text.split_once('=').ok_or("write it as KEY=V1,V2,...")?;
        let values: Vec<String> = values.split(',').map(|value| value.trim().to_owned()).collect();
        if key.is_empty() || values.iter().any(String::is_empty) {
            return Err("a key or a value is empty; write it as KEY=V1,V2,...".to_owned());
        }
        if let Some(twice) = values.iter().enumerate().find(|(n, value)| values[..*n].contains(value)) {
            return Err(format!("{} is given twice", twice.1));
        }
        Ok(Self { key: key.replace('-', "_"), values })
    }
}

impl Axis {
    /// A table with this setting alone, for each value.
    pub fn table_rows(&self) -> impl Iterator<Item = Table> {
        self.values.iter().map(|value| {
            // What is no number or switch is a word.
            let parsed = format!("value = {value}").parse::<Table>().ok();
            let parsed = parsed.and_then(|mut table| table.remove("value"));
            Table::from_iter([(self.key.clone(), parsed.unwrap_or_else(|| Value::String(value.clone())))])
        })
    }
}

/// All combinations of some settings' values.
#[derive(Clone, Debug)]
pub struct Sweep {
    out: PathBuf,
    keys: Vec<String>,
    jobs: Vec<Job>,
}

/// One combination.
#[derive(Clone, Debug)]
struct Job {
    folder: PathBuf,
    values: Vec<String>,
    config: TrainConfig,
}

impl Job {
    /// Refuses a folder that holds a run of other settings or data.
    fn check(&self, data: &DataUsed) -> anyhow::Result<()> {
        let metrics = self.folder.join(METRICS);
        let checkpoint = self.folder.join(CHECKPOINT);
        let (there, same_data, free) = if metrics.exists() {
            let report = read_report(&metrics)?;
            (report.training, report.data.sequences_sha256 == data.sequences_sha256, &[][..])
        } else if checkpoint.exists() {
            // The data are compared when the run goes on, which it can to another end.
            (settings_of(&checkpoint)?, true, &ENDS[..])
        } else {
            return Ok(());
        };
        let hint = "name another --out for this sweep";
        if let Some(difference) = self.config.difference(&there, free) {
            let message = format!("{} holds a run with {difference}", self.folder.display());
            return Err(UserError::usage(message).hint(hint).into());
        }
        if !same_data {
            let message = format!("{} holds a run of other data", self.folder.display());
            return Err(UserError::usage(message).hint(hint).into());
        }
        Ok(())
    }
}

impl Sweep {
    /// Runs in folders below `out`, the last setting varied fastest. `base` are the settings they share.
    ///
    /// # Errors
    /// A combination that cannot train, or a folder that holds a run of other settings or data.
    pub fn new(
        out: &Path,
        axes: &[Axis],
        base: &Layers<TrainConfig>,
        dataset: &Dataset,
    ) -> anyhow::Result<Self> {
        let mut combinations = vec![(Vec::new(), base.clone())];
        for axis in axes {
            let mut longer = Vec::new();
            for (before, layers) in combinations {
                for (value, row) in axis.values.iter().zip(axis.table_rows()) {
                    let mut layers = layers.clone();
                    layers.put(row, &Origin::Option)?;
                    longer.push(([&before[..], std::slice::from_ref(value)].concat(), layers));
                }
            }
            combinations = longer;
        }
        let keys: Vec<String> = axes.iter().map(|axis| axis.key.clone()).collect();
        let data = DataUsed::of(dataset);
        let mut jobs = Vec::with_capacity(combinations.len());
        for (values, layers) in combinations {
            let parts: Vec<String> =
                keys.iter().zip(&values).map(|(key, value)| format!("{key}={value}")).collect();
            let job = Job { folder: out.join(parts.join(",")), values, config: layers.resolve() };
            job.config.validate()?;
            job.config.check_size(data.items)?;
            job.check(&data)?;
            jobs.push(job);
        }
        Ok(Self { out: out.to_owned(), keys, jobs })
    }

    /// Trains what is not finished, `at_a_time` processes at once; with cards each process sees one of them.
    ///
    /// # Errors
    /// A run that failed; the others still finish, and the sweep can be started again.
    pub fn run(
        &self,
        options: &[String],
        at_a_time: usize,
        cards: &[u16],
        printer: &Printer,
    ) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let open: VecDeque<&Job> =
            self.jobs.iter().filter(|job| !job.folder.join(METRICS).exists()).collect();
        let (count, total) = (open.len(), self.jobs.len());
        printer
            .note(&format!("{total} runs, {} finished, {count} to do, {at_a_time} at a time", total - count));
        let (queue, failed) = (Mutex::new(open), Mutex::new(Vec::new()));
        let processes = Processes::default();
        let (last, printer_then) = (processes.clone(), *printer);
        interrupt::before_end(move || {
            last.end();
            printer_then.note("stopped; the same command does what is missing");
        });
        thread::scope(|scope| {
            for worker in 0..at_a_time.min(count) {
                let (queue, failed, program, processes) = (&queue, &failed, &program, &processes);
                let card = (!cards.is_empty()).then(|| cards[worker % cards.len()]);
                scope.spawn(move || {
                    while let Some(job) = next(queue) {
                        match self.train(processes, program, job, options, card) {
                            Ok(()) => printer.note(&format!("finished {}", job.folder.display())),
                            Err(error) => {
                                printer.warn(&format!("{}: {error:#}", job.folder.display()));
                                if let Ok(mut failed) = failed.lock() {
                                    failed.push(job.folder.display().to_string());
                                }
                            }
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().unwrap_or_default();
        if !failed.is_empty() {
            bail!(
                "{} of {count} runs failed: {}; the same command does what is missing",
                failed.len(),
                failed.join(", ")
            );
        }
        Ok(())
    }

    /// One run in a process of its own, its messages in a file beside its results.
    fn train(
        &self,
        processes: &Processes,
        program: &Path,
        job: &Job,
        options: &[String],
        card: Option<u16>,
    ) -> anyhow::Result<()> {
        fs::create_dir_all(&job.folder)?;
        let log = fs::File::options().create(true).append(true).open(job.folder.join("log.txt"))?;
        let mut command = Command::new(program);
        command.args(["train", "retriever", "--out"]).arg(&job.folder).args(options);
        for (key, value) in self.keys.iter().zip(&job.values) {
            command.arg(format!("--{}", key.replace('_', "-"))).arg(value);
        }
        // A run that goes on would keep the end that it had, whatever the recipe says now.
        let TrainConfig { steps, patience, .. } = job.config;
        for (key, value) in [("steps", steps), ("patience", patience)] {
            if !self.keys.iter().any(|varied| varied == key) {
                command.arg(format!("--{key}={value}"));
            }
        }
        if job.folder.join(CHECKPOINT).exists() {
            command.arg("--resume");
        } else {
            // Killed before its first checkpoint: what lies there is of no use.
            command.arg("--force");
        }
        if let Some(card) = card {
            command.env("CUDA_VISIBLE_DEVICES", card.to_string());
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let status =
            processes.run(&mut command).with_context(|| format!("cannot run {}", program.display()))?;
        if !status.success() {
            bail!("ended with {status}, see log.txt there");
        }
        Ok(())
    }

    /// What the runs measured; those that are not finished have no figures.
    ///
    /// # Errors
    /// A finished run whose report cannot be read.
    pub fn table(&self) -> anyhow::Result<SweepTable> {
        let mut rows = Vec::with_capacity(self.jobs.len());
        for job in &self.jobs {
            let path = job.folder.join(METRICS);
            let figures = if path.exists() { Some(Figures::read(&path)?) } else { None };
            rows.push(SweepRow { values: job.values.clone(), started: job.folder.exists(), figures });
        }
        Ok(SweepTable { out: self.out.clone(), keys: self.keys.clone(), rows })
    }
}

fn next<'a>(queue: &Mutex<VecDeque<&'a Job>>) -> Option<&'a Job> {
    queue.lock().ok()?.pop_front()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(text: &str) -> Axis {
        text.parse().expect("an axis")
    }

    #[test]
    fn axes_are_read_and_typed() {
        let rows: Vec<Table> = axis("weight-decay=0,0.01").table_rows().collect();
        assert_eq!(rows[0]["weight_decay"], Value::Integer(0));
        assert_eq!(rows[1]["weight_decay"], Value::Float(0.01));
        let rows: Vec<Table> = axis("model=lrurec").table_rows().collect();
        assert_eq!(rows[0]["model"], Value::String("lrurec".to_owned()));
        for wrong in ["dropout", "dropout=", "=1", "dropout=0.1,,0.2", "seed=1,2,1"] {
            assert!(wrong.parse::<Axis>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_combinations_have_folders_of_their_own() {
        let base = Layers::new(&TrainConfig::default());
        let axes = [axis("dropout=0.1,0.5"), axis("seed=1,2,3")];
        let sweep = Sweep::new(Path::new("out"), &axes, &base, &Dataset::default()).expect("fine settings");
        let folders: Vec<String> = sweep.jobs.iter().map(|job| job.folder.display().to_string()).collect();
        assert_eq!(folders.len(), 6);
        assert_eq!(folders[1], "out/dropout=0.1,seed=2");
        assert_eq!(folders[5], "out/dropout=0.5,seed=3");
        assert_eq!((sweep.jobs[5].config.dropout, sweep.jobs[5].config.seed), (0.5, 3));

        let wrong = Sweep::new(Path::new("out"), &[axis("dropout=0.1,1.5")], &base, &Dataset::default());
        assert!(wrong.expect_err("drops all").to_string().contains("--dropout 1.5"));
    }
}
