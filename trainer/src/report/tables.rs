//! The paper's tables with our runs beside its rows, as Markdown.

use std::fmt::Write;

use serde::Serialize;
use shared::metrics::Summary;

use super::ranked::Ranked;
use crate::{
    paper::{COLUMNS, PaperRow, PaperSet, SETS, TABLE_1, TABLE_3, TABLE_4},
    train::{Loss, RunReport, TrainConfig},
};

/// Runs that differ in their seed alone, and their mean figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct System {
    /// Name of the data set.
    pub data: String,
    /// SHA-256 of its sequences: data sets may share a name.
    pub sequences_sha256: String,
    /// Users.
    pub users: usize,
    /// Items.
    pub items: usize,
    /// Interactions.
    pub interactions: usize,
    /// The settings, with the seed of the first run.
    pub settings: TrainConfig,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Validation Recall@10, by which the settings are chosen: mean over seeds.
    pub valid_recall_10: f64,
    /// Test measures in the order of [`COLUMNS`]: means over seeds.
    pub test: [f64; 6],
    /// Test Recall@20, the upper bound of a ranker: mean over seeds.
    pub recall_20: f64,
    /// Half the width of the 95 % bootstrap interval of one run's Recall@10 over users, mean over seeds.
    pub recall_10_spread: f64,
    /// The same measures of recommending what is popular.
    pub popularity: [f64; 6],
}

/// Groups runs that differ in their seed alone, in order of first appearance.
pub fn systems(reports: &[RunReport]) -> Vec<System> {
    let key = |report: &RunReport| {
        let settings = TrainConfig { seed: 0, ..report.training.clone() };
        (report.data.sequences_sha256.clone(), settings)
    };
    let mut groups: Vec<Vec<&RunReport>> = Vec::new();
    for report in reports {
        match groups.iter_mut().find(|group| key(group[0]) == key(report)) {
            // The same run in two places counts once.
            Some(group) if group.iter().any(|other| other.training.seed == report.training.seed) => {}
            Some(group) => group.push(report),
            None => groups.push(vec![report]),
        }
    }
    groups.iter().map(|group| system(group)).collect()
}

fn system(runs: &[&RunReport]) -> System {
    let mean =
        |of: &dyn Fn(&RunReport) -> f64| runs.iter().map(|run| of(run)).sum::<f64>() / runs.len() as f64;
    let first = runs[0];
    System {
        data: first.data.name.clone(),
        sequences_sha256: first.data.sequences_sha256.clone(),
        users: first.data.users,
        items: first.data.items,
        interactions: first.data.interactions,
        settings: first.training.clone(),
        seeds: runs.iter().map(|run| run.training.seed).collect(),
        valid_recall_10: mean(&|run| run.valid.recall_10.mean),
        test: std::array::from_fn(|n| mean(&|run| columns(&run.test.summary)[n])),
        recall_20: mean(&|run| run.test.summary.at(20).map_or(0.0, |at| at.recall)),
        recall_10_spread: mean(&|run| (run.test.recall_10.high - run.test.recall_10.low) / 2.0),
        popularity: columns(&first.popularity.summary),
    }
}

/// A summary in the order of [`COLUMNS`].
fn columns(summary: &Summary) -> [f64; 6] {
    let [five, ten] = [5, 10].map(|k| summary.at(k).copied());
    let of = |at: Option<shared::metrics::AtCutoff>| at.map_or([0.0; 3], |at| [at.mrr, at.ndcg, at.recall]);
    let ([a, b, c], [d, e, f]) = (of(five), of(ten));
    [a, b, c, d, e, f]
}

impl System {
    fn set(&self) -> Option<PaperSet> {
        paper_set(self.users, self.items)
    }

    fn label(&self) -> String {
        let TrainConfig { model, dropout, weight_decay, loss, .. } = &self.settings;
        let loss = if *loss == Loss::Bce { ", BCE" } else { "" };
        let seeds = match self.seeds.len() {
            1 => format!("seed {}", self.seeds[0]),
            count => format!("mean of {count} seeds"),
        };
        format!("{model}{loss}, dropout {dropout}, decay {weight_decay}, {seeds}")
    }
}

fn paper_set(users: usize, items: usize) -> Option<PaperSet> {
    SETS.into_iter().find(|set| (set.users, set.items) == (users, items))
}

/// Tables 2, 1, 3 and 4 with our rows beside the paper's: the data of all systems, the measures of those shown, then all
/// rankers on data sets that have a network.
pub fn markdown(systems: &[System], shown: &[&System], rankers: &[Ranked]) -> String {
    let mut text = String::new();
    data_sets(&mut text, systems);
    let mut sets: Vec<&System> = Vec::new();
    for system in shown {
        if sets.iter().all(|set| set.sequences_sha256 != system.sequences_sha256) {
            sets.push(system);
        }
    }
    for set in sets {
        let same = |system: &&System| system.sequences_sha256 == set.sequences_sha256;
        let of_set: Vec<&System> = shown.iter().copied().filter(same).collect();
        let of_same = |ranker: &&Ranked| ranker.data.sequences_sha256 == set.sequences_sha256;
        let rankers: Vec<&Ranked> = rankers.iter().filter(of_same).collect();
        results(&mut text, &set.data, &of_set, &rankers);
        subset(&mut text, &of_set, &rankers);
        reported(&mut text, &of_set, &rankers);
    }
    text
}

/// The settings with the best validation Recall@10 of each network on each data set.
pub fn chosen(systems: &[System]) -> Vec<&System> {
    let mut chosen: Vec<&System> = Vec::new();
    for system in systems {
        let same = |other: &&mut &System| {
            other.sequences_sha256 == system.sequences_sha256
                && other.settings.model == system.settings.model
                && other.settings.loss == system.settings.loss
        };
        match chosen.iter_mut().find(same) {
            Some(other) if other.valid_recall_10 >= system.valid_recall_10 => {}
            Some(other) => *other = system,
            None => chosen.push(system),
        }
    }
    chosen
}

fn data_sets(text: &mut String, systems: &[System]) {
    text.push_str("## Data sets (paper's Table 2)\n\n");
    text.push_str("| data set | users | items | interactions | mean length | paper |\n");
    text.push_str("| --- | ---: | ---: | ---: | ---: | --- |\n");
    let mut seen: Vec<&str> = Vec::new();
    for system in systems {
        let System { data, sequences_sha256, users, items, interactions, .. } = system;
        if seen.contains(&sequences_sha256.as_str()) {
            continue;
        }
        seen.push(sequences_sha256);
        let paper = system.set().map_or("not in the paper", |set| set.name);
        let mean = *interactions as f64 / *users as f64;
        let _ = writeln!(text, "| {data} | {users} | {items} | {interactions} | {mean:.2} | {paper} |");
    }
}

fn results(text: &mut String, data: &str, systems: &[&System], rankers: &[&Ranked]) {
    let set = systems.first().and_then(|system| system.set());
    let paper = set
        .map_or("a data set that is not in the paper".to_owned(), |set| format!("the paper's {}", set.name));
    let _ = writeln!(text, "\n## {data}: {paper} (Table 1)\n");
    let _ = writeln!(text, "| system | {} | Recall@20 |", COLUMNS.join(" | "));
    let _ = writeln!(text, "| --- |{} ---: |", " ---: |".repeat(COLUMNS.len()));
    let figures = |values: [Option<f64>; 6]| {
        values.map(|value| value.map_or("—".to_owned(), |value| format!("{value:.4}"))).join(" | ")
    };
    let rows: Vec<&PaperRow> =
        set.map_or(Vec::new(), |set| TABLE_1.iter().filter(|row| row.set == set.name).collect());
    if let Some(first) = systems.first() {
        let _ = writeln!(text, "| popularity | {} | |", figures(first.popularity.map(Some)));
    }
    let ours = |label: &str, test: [f64; 6], recall_20: f64| {
        format!("| **{label}** | {} | {recall_20:.4} |\n", figures(test.map(Some)))
    };
    for system in systems {
        text.push_str(&ours(&system.label(), system.test, system.recall_20));
        let Some(row) = rows.iter().find(|row| row.model == Some(system.settings.model)) else { continue };
        let _ = writeln!(text, "| paper: {} | {} | |", row.system, figures(row.figures));
        let change = |n: usize| {
            row.figures[n]
                .map_or("—".to_owned(), |paper| format!("{:+.1} %", (system.test[n] / paper - 1.0) * 100.0))
        };
        let _ =
            writeln!(text, "| difference | {} | |", std::array::from_fn::<String, 6, _>(change).join(" | "));
    }
    for ranker in rankers {
        text.push_str(&ours(&ranker.label(), ranker.test, ranker.share));
    }
    for row in rows.iter().filter(|row| systems.iter().all(|system| row.model != Some(system.settings.model)))
    {
        let _ = writeln!(text, "| paper: {} | {} | |", row.system, figures(row.figures));
    }
    text.push('\n');
    for system in systems {
        let _ = writeln!(
            text,
            "- {}: Recall@10 of one run is ± {:.4} (95 % bootstrap over {} users).",
            system.label(),
            system.recall_10_spread,
            system.users
        );
    }
    for ranker in rankers {
        let _ = writeln!(text, "- {}", ranker.note());
    }
    for row in rows.iter().filter(|row| !row.note.is_empty()) {
        let _ = writeln!(text, "- Paper's {}: {}.", row.system, row.note);
    }
}

fn subset(text: &mut String, systems: &[&System], rankers: &[&Ranked]) {
    let Some(first) = systems.first() else { return };
    let _ = writeln!(text, "\nUsers whose item is among the 20 candidates (Table 3)\n");
    text.push_str("| system | share of users | Recall@5 | Recall@10 |\n| --- | ---: | ---: | ---: |\n");
    for system in systems {
        if system.recall_20 > 0.0 {
            let of = |n: usize| system.test[n] / system.recall_20;
            let _ = writeln!(
                text,
                "| **{}** | {:.4} | {:.4} | {:.4} |",
                system.label(),
                system.recall_20,
                of(2),
                of(5)
            );
        }
    }
    for ranker in rankers {
        let [five, ten] = ranker.subset_recall;
        let _ = writeln!(text, "| **{}** | {:.4} | {five:.4} | {ten:.4} |", ranker.label(), ranker.share);
    }
    let Some(set) = first.set() else { return };
    for row in TABLE_3.iter().filter(|row| row.set == set.name) {
        let share = row.users as f64 / set.users as f64;
        let five = row.recall_5.map_or("—".to_owned(), |recall| format!("{recall:.4}"));
        let _ = writeln!(text, "| paper: {} | {share:.4} | {five} | {:.4} |", row.system, row.recall_10);
    }
}

/// Our rows, then what others reported.
fn reported(text: &mut String, systems: &[&System], rankers: &[&Ranked]) {
    let Some(set) = systems.first().and_then(|system| system.set()) else { return };
    let mut rows = TABLE_4.iter().filter(|row| row.set == set.name).peekable();
    if rows.peek().is_none() {
        return;
    }
    text.push_str("\nSystems built on a language model, as reported on data like this (Table 4)\n\n");
    text.push_str("| system | NDCG@5 | NDCG@10 | from |\n| --- | ---: | ---: | --- |\n");
    let of_systems = systems.iter().map(|system| (system.label(), system.test));
    let of_rankers = rankers.iter().map(|ranker| (ranker.label(), ranker.test));
    for (label, test) in of_systems.chain(of_rankers) {
        let _ = writeln!(text, "| **{label}** | {:.4} | {:.4} | measured |", test[1], test[4]);
    }
    for row in rows {
        let five = row.ndcg_5.map_or("—".to_owned(), |ndcg| format!("{ndcg:.4}"));
        let _ = writeln!(text, "| {} | {five} | {:.4} | reported: {} |", row.system, row.ndcg_10, row.source);
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        metrics::Interval,
        retriever::{Architecture, RetrieverConfig},
        scoring::Mode,
    };

    use super::*;
    use crate::train::{
        DataUsed,
        measure::{Measured, difference},
    };

    /// A run on the paper's ML-100k in which `hits` of 610 users find their item at once, the others never.
    fn report(model: Architecture, seed: u64, hits: usize) -> RunReport {
        let ranks: Vec<usize> = (0..610).map(|user| if user < hits { 0 } else { 99 }).collect();
        let measured = Measured::new(&ranks);
        RunReport {
            llamarec: "0".to_owned(),
            data: DataUsed {
                name: "ml".to_owned(),
                users: 610,
                items: 3_650,
                interactions: 90_274,
                sequences_sha256: "0".to_owned(),
            },
            model: RetrieverConfig::new(model, 3_650),
            training: TrainConfig { model, seed, ..TrainConfig::default() },
            steps: 1,
            best_step: 1,
            seconds: 1.0,
            stopped: String::new(),
            valid: measured.clone(),
            test: measured.clone(),
            popularity: Measured::new(&[99; 610]),
            recall_10_over_popularity: difference(shared::metrics::Metric::Recall(10), &ranks, &ranks),
            curve: Vec::new(),
        }
    }

    fn tables_of(runs: &[RunReport], rankers: &[Ranked]) -> String {
        let systems = systems(runs);
        markdown(&systems, &chosen(&systems), rankers)
    }

    #[test]
    fn seeds_are_averaged_and_repeats_count_once() {
        let runs = [
            report(Architecture::LruRec, 1, 61),
            report(Architecture::LruRec, 2, 122),
            report(Architecture::LruRec, 2, 122),
            report(Architecture::SasRec, 1, 61),
        ];
        let systems = systems(&runs);
        assert_eq!(systems.len(), 2);
        assert_eq!(systems[0].seeds, [1, 2]);
        assert!((systems[0].test[5] - 0.15).abs() < 1e-9);
        assert!((systems[0].recall_20 - 0.15).abs() < 1e-9);
    }

    #[test]
    fn our_rows_stand_beside_the_papers() {
        let runs = [report(Architecture::LruRec, 1, 61), report(Architecture::Narm, 1, 30)];
        let text = tables_of(&runs, &[]);
        assert!(text.contains("| ml | 610 | 3650 | 90274 | 147.99 | ML-100k |"), "{text}");
        assert!(
            text.contains("| paper: LRURec | 0.0390 | 0.0468 | 0.0705 | 0.0491 | 0.0705 | 0.1426 | |"),
            "{text}"
        );
        // 61 of 610 users beside .1426.
        assert!(text.contains("-29.9 % | |"), "{text}");
        assert!(text.contains("| paper: LlamaRec | 0.0440"), "{text}");
        assert!(text.contains("| paper: LlamaRec | 0.2016 | 0.4228 | 0.7561 |"), "{text}");
    }

    #[test]
    fn what_others_reported_is_marked_as_reported() {
        let mut run = report(Architecture::LruRec, 1, 61);
        assert!(!tables_of(&[run.clone()], &[]).contains("Table 4"), "none is known for ML-100k");
        (run.data.users, run.data.items) = (22_332, 12_086);
        let ranker = Ranked {
            data: run.data.clone(),
            mode: Mode::Pointwise,
            seed: 42,
            users: 2_976,
            test: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
            share: 0.1333,
            subset_recall: [0.7, 0.8],
            ndcg_10_gain: Some(Interval { mean: 0.0281, low: 0.0197, high: 0.0365 }),
        };
        let elsewhere = Ranked {
            data: DataUsed { sequences_sha256: "1".to_owned(), ..run.data.clone() },
            ..ranker.clone()
        };
        let text = tables_of(&[run], &[ranker, elsewhere]);
        let name = "both stages, ranker film by film, seed 42";
        let row = format!("| **{name}** | 0.1000 | 0.2000 | 0.3000 | 0.4000 | 0.5000 | 0.6000 | 0.1333 |");
        assert_eq!(text.matches(&row).count(), 1, "{text}");
        assert!(text.contains(&format!("| **{name}** | 0.1333 | 0.7000 | 0.8000 |")), "{text}");
        assert!(text.contains(&format!("- {name}: gains +0.0281 [+0.0197, +0.0365] of NDCG@10")), "{text}");
        let at = text.find("(Table 4)").expect("the table");
        let rows: Vec<&str> = text[at..].lines().filter(|line| line.starts_with("| ")).skip(2).collect();
        assert_eq!(rows.len(), 8, "{rows:?}");
        assert!(rows[..2].iter().all(|row| row.contains("| measured |")), "{rows:?}");
        assert!(rows[2..].iter().all(|row| row.contains("| reported: ")), "{rows:?}");
        assert!(text.contains("| POD (T5-small) | — | 0.0443 | reported: its authors |"), "{text}");
    }

    #[test]
    fn the_settings_with_the_best_validation_are_shown() {
        let mut better = report(Architecture::LruRec, 1, 90);
        better.training.dropout = 0.5;
        let runs = [report(Architecture::LruRec, 1, 61), better];
        let text = tables_of(&runs, &[]);
        assert!(text.contains("lrurec, dropout 0.5") && !text.contains("lrurec, dropout 0.2"), "{text}");
        let systems = systems(&runs);
        let text = markdown(&systems, &systems.iter().collect::<Vec<_>>(), &[]);
        assert!(text.contains("lrurec, dropout 0.5") && text.contains("lrurec, dropout 0.2"), "{text}");
    }
}
