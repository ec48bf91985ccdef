//! The folder of one training run: settings as used, environment, weights, checkpoint, curve, measures.

use std::{
    fmt::Write,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Serialize;

use crate::{
    files::{self, write_atomic},
    report::{UserError, curve_svg},
    train::Validation,
};

/// A run's folder, held by this process until it is dropped.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

/// Best weights so far.
pub const WEIGHTS: &str = "weights.safetensors";
/// Everything the run needs to go on.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// The finished run's report.
pub const METRICS: &str = "metrics.json";
/// What a ranker's adapter is worth on test users, as `llamarec evaluate --stage ranker --json` prints it: put there by hand.
pub const TEST: &str = "test.json";
/// The settings as used; a recipe that repeats the run.
const CONFIG: &str = "config.toml";
const ENVIRONMENT: &str = "environment.json";
const CURVE: [&str; 3] = ["curve.csv", "curve.jsonl", "curve.svg"];
const LOCK: &str = "run.lock";

/// What ran the run, for whoever compares its times.
#[derive(Debug, Serialize)]
struct Environment<'a> {
    llamarec: &'a str,
    os: &'a str,
    arch: &'a str,
    device: &'a str,
    threads: usize,
    cpu: Option<String>,
}

/// The files of a run that are there.
fn files_of_run(path: &Path) -> impl Iterator<Item = PathBuf> {
    let names = [WEIGHTS, CHECKPOINT, METRICS, TEST, CONFIG, ENVIRONMENT].into_iter().chain(CURVE);
    names.map(|name| path.join(name)).filter(|file| file.exists())
}

impl RunDir {
    /// Takes hold of a folder, making it if needed.
    ///
    /// # Errors
    /// A path that is no folder, or a folder that another process trains in.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        Self::check_free(path, true)?;
        fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
        let lock = path.join(LOCK);
        let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process trains in {}", path.display());
                Err(UserError::usage(message).hint("wait for it, or name another --out").into())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }

    /// Refuses a path that is no folder and, unless `force`, one that holds a run.
    ///
    /// # Errors
    /// Such a path.
    pub fn check_free(path: &Path, force: bool) -> Result<(), UserError> {
        if path.is_file() {
            let message = format!("--out {} is a file", path.display());
            return Err(UserError::usage(message).hint("name a folder, for example runs/mine"));
        }
        match files_of_run(path).next() {
            Some(file) if !force => {
                let hint = "go on with --resume, start anew with --force, or name another --out";
                Err(UserError::usage(format!("{} is there already", file.display())).hint(hint))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to begin over the files of another run, unless it is told to; then they are removed.
    ///
    /// # Errors
    /// Files of a run without `force`, or files that cannot be removed.
    pub fn make_room(&self, force: bool) -> anyhow::Result<()> {
        Self::check_free(&self.path, force)?;
        for file in files_of_run(&self.path) {
            fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the run's best weights are.
    pub fn weights(&self) -> PathBuf {
        self.path.join(WEIGHTS)
    }

    /// Where the run goes on from.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    /// Writes the settings, as a recipe with the origin of each value, and the environment.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn describe(&self, section: &str, settings: &str, device: &str) -> anyhow::Result<()> {
        let recipe = format!(
            "# The settings of this run, as used. Repeat it with --recipe, this file, and the files\n# that its command named: data, candidates, base, teacher, start.\n\n[{section}]\n{settings}"
        );
        write_atomic(&self.path.join(CONFIG), recipe.as_bytes())?;
        let environment = Environment {
            llamarec: env!("CARGO_PKG_VERSION"),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            device,
            threads: rayon::current_num_threads(),
            cpu: cpu(),
        };
        let text = serde_json::to_string_pretty(&environment)? + "\n";
        write_atomic(&self.path.join(ENVIRONMENT), text.as_bytes())
    }

    /// Replaces the best weights.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_weights(&self, weights: &[u8]) -> anyhow::Result<()> {
        write_atomic(&self.weights(), weights)
    }

    /// Writes the curve so far: a table, a line of JSON a validation, a picture.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn write_curve(&self, title: &str, curve: &[Validation]) -> anyhow::Result<()> {
        let mut csv = "step,loss,hits_10,recall_10,ndcg_10\n".to_owned();
        let mut jsonl = String::new();
        for point in curve {
            let Validation { step, loss, hits_10, recall_10, ndcg_10 } = point;
            let _ = writeln!(csv, "{step},{loss:.6},{hits_10},{recall_10:.6},{ndcg_10:.6}");
            let _ = writeln!(jsonl, "{}", serde_json::to_string(point)?);
        }
        let svg = curve_svg(title, curve)?;
        for (name, text) in CURVE.into_iter().zip([csv, jsonl, svg]) {
            write_atomic(&self.path.join(name), text.as_bytes())?;
        }
        Ok(())
    }

    /// Removes what was measured of a run that goes on.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn forget_metrics(&self) -> anyhow::Result<()> {
        [METRICS, TEST].iter().try_for_each(|name| files::remove(&self.path.join(name)))
    }

    /// Writes the report of the finished run.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_metrics(&self, report: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(report)? + "\n";
        write_atomic(&self.path.join(METRICS), text.as_bytes())
    }
}

/// The weights that a path names: a file, or the best ones in a run's folder.
pub fn weights_of(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(WEIGHTS) } else { path.to_owned() }
}

/// Name of the processor, where the system tells.
fn cpu() -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run");
        let held = RunDir::open(&path).expect("free");
        let refused = RunDir::open(&path).expect_err("held").to_string();
        assert!(refused.contains("another process trains in"), "{refused}");
        drop(held);
        RunDir::open(&path).expect("free again");
    }

    #[test]
    fn a_run_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = RunDir::open(folder.path()).expect("free");
        run.make_room(false).expect("empty");
        run.write_weights(b"weights").expect("written");
        assert!(run.make_room(false).expect_err("in use").to_string().contains("is there already"));
        run.make_room(true).expect("told to");
        assert!(!run.weights().exists());
    }

    #[test]
    fn curves_are_written_in_three_forms() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = RunDir::open(folder.path()).expect("free");
        let point = |step| Validation { step, loss: 5.5, hits_10: 3, recall_10: 0.25, ndcg_10: 0.125 };
        run.write_curve("a run", &[point(0), point(250)]).expect("written");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("text");
        assert_eq!(
            read("curve.csv"),
            "step,loss,hits_10,recall_10,ndcg_10\n0,5.500000,3,0.250000,0.125000\n\
             250,5.500000,3,0.250000,0.125000\n"
        );
        assert_eq!(read("curve.jsonl").lines().count(), 2);
        let svg = read("curve.svg");
        assert!(svg.starts_with("<svg") && svg.contains("a run"), "{svg}");
    }
}
