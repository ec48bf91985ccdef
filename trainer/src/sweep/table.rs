//! The figures of a sweep's runs as Markdown and CSV.

use std::{
    fmt::{self, Write},
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Serialize;

use crate::{files::write_atomic, train::RunReport};

/// The report of a finished run.
pub(super) fn read_report(path: &Path) -> anyhow::Result<RunReport> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no report", path.display()))
}

/// What is compared: chosen by validation, told by the test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Figures {
    best_step: usize,
    valid_recall_10: f64,
    test_recall_10: f64,
    test_ndcg_10: f64,
}

impl Figures {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let report = read_report(path)?;
        Ok(Self {
            best_step: report.best_step,
            valid_recall_10: report.valid.recall_10.mean,
            test_recall_10: report.test.recall_10.mean,
            test_ndcg_10: report.test.ndcg_10.mean,
        })
    }
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SweepRow {
    pub(super) values: Vec<String>,
    pub(super) started: bool,
    pub(super) figures: Option<Figures>,
}

/// The runs of a sweep with their figures.
#[derive(Clone, Debug, Serialize)]
pub struct SweepTable {
    pub(super) out: PathBuf,
    pub(super) keys: Vec<String>,
    pub(super) rows: Vec<SweepRow>,
}

impl SweepTable {
    /// Writes the table as CSV and as text beside the runs.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let mut csv = self.keys.join(",") + ",best_step,valid_recall_10,test_recall_10,test_ndcg_10\n";
        for row in &self.rows {
            if let Some(at) = row.figures {
                let _ = writeln!(
                    csv,
                    "{},{},{:.6},{:.6},{:.6}",
                    row.values.join(","),
                    at.best_step,
                    at.valid_recall_10,
                    at.test_recall_10,
                    at.test_ndcg_10
                );
            }
        }
        write_atomic(&folder.join("sweep.csv"), csv.as_bytes())?;
        write_atomic(&folder.join("sweep.md"), self.to_string().as_bytes())
    }

    /// Means over seeds, if seeds were varied: the other values, number of runs, mean figures.
    fn over_seeds(&self) -> Vec<(Vec<&str>, Vec<Figures>)> {
        let Some(seed) = self.keys.iter().position(|key| key == "seed") else { return Vec::new() };
        let mut groups: Vec<(Vec<&str>, Vec<Figures>)> = Vec::new();
        for row in &self.rows {
            let Some(figures) = row.figures else { continue };
            let others = row.values.iter().enumerate().filter(|(n, _)| *n != seed);
            let others: Vec<&str> = others.map(|(_, value)| value.as_str()).collect();
            match groups.iter_mut().find(|(values, _)| *values == others) {
                Some((_, group)) => group.push(figures),
                None => groups.push((others, vec![figures])),
            }
        }
        groups
    }
}

impl fmt::Display for SweepTable {
    /// Markdown, best validation Recall@10 first; unfinished runs last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = |f: &mut fmt::Formatter<'_>, keys: &[&str], more: &[&str]| -> fmt::Result {
            writeln!(f, "| {} | {} |", keys.join(" | "), more.join(" | "))?;
            writeln!(f, "|{}{}", " --- |".repeat(keys.len()), " ---: |".repeat(more.len()))
        };
        let measures = ["valid Recall@10", "test Recall@10", "test NDCG@10"];
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        head(f, &keys, &[&["best step"][..], &measures].concat())?;
        let mut rows: Vec<&SweepRow> = self.rows.iter().collect();
        let valid = |row: &SweepRow| row.figures.map_or(-1.0, |figures| figures.valid_recall_10);
        rows.sort_by(|a, b| valid(b).total_cmp(&valid(a)));
        for row in rows {
            write!(f, "| {} | ", row.values.join(" | "))?;
            match row.figures {
                Some(Figures { best_step, valid_recall_10, test_recall_10, test_ndcg_10 }) => writeln!(
                    f,
                    "{best_step} | {valid_recall_10:.4} | {test_recall_10:.4} | {test_ndcg_10:.4} |"
                )?,
                None => writeln!(f, "{} | | | |", if row.started { "unfinished" } else { "not begun" })?,
            }
        }
        let groups = self.over_seeds();
        if !groups.is_empty() && keys.len() > 1 {
            let keys: Vec<&str> = keys.into_iter().filter(|key| *key != "seed").collect();
            writeln!(f, "\nMeans over seeds\n")?;
            head(f, &keys, &[&["seeds"][..], &measures].concat())?;
            for (values, figures) in groups {
                let mean =
                    |of: fn(&Figures) -> f64| figures.iter().map(of).sum::<f64>() / figures.len() as f64;
                writeln!(
                    f,
                    "| {} | {} | {:.4} | {:.4} | {:.4} |",
                    values.join(" | "),
                    figures.len(),
                    mean(|at| at.valid_recall_10),
                    mean(|at| at.test_recall_10),
                    mean(|at| at.test_ndcg_10)
                )?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ordered_by_validation_and_averages_seeds() {
        let row = |dropout: &str, seed: &str, valid: f64| SweepRow {
            values: vec![dropout.to_owned(), seed.to_owned()],
            started: true,
            figures: (valid > 0.0).then_some(Figures {
                best_step: 9,
                valid_recall_10: valid,
                test_recall_10: valid / 2.0,
                test_ndcg_10: valid / 4.0,
            }),
        };
        let table = SweepTable {
            out: PathBuf::from("out"),
            keys: vec!["dropout".to_owned(), "seed".to_owned()],
            rows: vec![
                row("0.1", "1", 0.1),
                row("0.5", "1", 0.3),
                row("0.1", "2", 0.2),
                row("0.5", "2", 0.0),
            ],
        };
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[2], "| 0.5 | 1 | 9 | 0.3000 | 0.1500 | 0.0750 |");
        assert_eq!(lines[5], "| 0.5 | 2 | unfinished | | | |");
        assert!(text.contains("| 0.1 | 2 | 0.1500 | 0.0750 | 0.0375 |"), "{text}");
    }
}
