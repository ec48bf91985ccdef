//! What the paper printed (LlamaRec, arXiv 2311.02089, Tables 1 and 3, Figure 3), and what others reported of systems like those
//! of its Table 4, for the reports that stand beside it.

use shared::retriever::Architecture;

/// A data set of the paper, recognised by its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaperSet {
    /// The paper's name.
    pub name: &'static str,
    /// Users.
    pub users: usize,
    /// Items.
    pub items: usize,
}

/// The paper's data sets. Its "ML-100k" is MovieLens latest-small of 2018.
pub const SETS: [PaperSet; 3] = [
    PaperSet { name: "ML-100k", users: 610, items: 3_650 },
    PaperSet { name: "Beauty", users: 22_332, items: 12_086 },
    PaperSet { name: "Games", users: 15_264, items: 7_676 },
];

/// Figure 3 at titles of 20 tokens, in seconds: writing the ranking out takes at least the first, the verbalizer less than
/// the second.
pub const FIGURE_3: [f64; 2] = [56.0, 1.0];

/// Measures in the order of the paper's columns.
pub const COLUMNS: [&str; 6] = ["MRR@5", "NDCG@5", "Recall@5", "MRR@10", "NDCG@10", "Recall@10"];

/// A row of Table 1; a figure that is not known to us is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaperRow {
    /// Name of the data set.
    pub set: &'static str,
    /// Name of the system.
    pub system: &'static str,
    /// The retriever it is, if it is one.
    pub model: Option<Architecture>,
    /// Figures in the order of [`COLUMNS`].
    pub figures: [Option<f64>; 6],
    /// What to know about the figures.
    pub note: &'static str,
}

const BATCH_MEANS: &str =
    "printed as a mean of batch means; true Recall is 44 and 82 of 610 users, .0721 and .1344";
const FROM_HITS: &str = "true Recall from the hits that the printed figures imply";

/// Table 1.
pub const TABLE_1: [PaperRow; 9] = [
    row("ML-100k", "NARM", Some(Architecture::Narm), [0., 0., 28. / 610., 0., 0., 39. / 610.], FROM_HITS),
    row(
        "ML-100k",
        "BERT4Rec",
        Some(Architecture::Bert4Rec),
        [0., 0., 18. / 610., 0., 0., 33. / 610.],
        FROM_HITS,
    ),
    row("ML-100k", "SASRec", Some(Architecture::SasRec), [0., 0., 34. / 610., 0., 0., 48. / 610.], FROM_HITS),
    row(
        "ML-100k",
        "LRURec",
        Some(Architecture::LruRec),
        [0.0390, 0.0468, 0.0705, 0.0491, 0.0705, 0.1426],
        BATCH_MEANS,
    ),
    row("ML-100k", "LlamaRec", None, [0.0440, 0.0543, 0.0852, 0.0529, 0.0759, 0.1524], ""),
    row("Beauty", "LRURec", Some(Architecture::LruRec), [0., 0.0435, 0.0614, 0.0417, 0.0533, 0.0916], ""),
    row("Beauty", "LlamaRec", None, [0., 0.0450, 0.0648, 0., 0.0554, 0.0971], ""),
    row("Games", "LRURec", Some(Architecture::LruRec), [0., 0., 0., 0.0598, 0.0800, 0.1463], ""),
    row("Games", "LlamaRec", None, [0., 0., 0., 0., 0.0887, 0.1599], ""),
];

/// Zero stands for a figure that is not known to us.
const fn row(
    set: &'static str,
    system: &'static str,
    model: Option<Architecture>,
    figures: [f64; 6],
    note: &'static str,
) -> PaperRow {
    let mut known = [None; 6];
    let mut n = 0;
    while n < known.len() {
        if figures[n] > 0. {
            known[n] = Some(figures[n]);
        }
        n += 1;
    }
    PaperRow { set, system, model, figures: known, note }
}

/// A row of Table 3: Recall among the users whose item the paper's retriever found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubsetRow {
    /// Name of the data set.
    pub set: &'static str,
    /// Name of the system.
    pub system: &'static str,
    /// Users in the subset; implied by Tables 1 and 3.
    pub users: usize,
    /// Recall@5, if known to us.
    pub recall_5: Option<f64>,
    /// Recall@10.
    pub recall_10: f64,
}

/// Table 3, as far as it is known to us.
pub const TABLE_3: [SubsetRow; 6] = [
    SubsetRow {
        set: "ML-100k",
        system: "LRURec",
        users: 123,
        recall_5: Some(44. / 123.),
        recall_10: 82. / 123.,
    },
    SubsetRow {
        set: "ML-100k",
        system: "LlamaRec",
        users: 123,
        recall_5: Some(52. / 123.),
        recall_10: 93. / 123.,
    },
    SubsetRow { set: "Beauty", system: "LRURec", users: 2_853, recall_5: None, recall_10: 0.7170 },
    SubsetRow { set: "Beauty", system: "LlamaRec", users: 2_853, recall_5: None, recall_10: 0.7600 },
    SubsetRow { set: "Games", system: "LRURec", users: 3_244, recall_5: None, recall_10: 0.6879 },
    SubsetRow { set: "Games", system: "LlamaRec", users: 3_244, recall_5: None, recall_10: 0.7522 },
];

/// What others reported of a system built on a language model, on data like the paper's: its Table 4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReportedRow {
    /// Name of the data set.
    pub set: &'static str,
    /// The system.
    pub system: &'static str,
    /// NDCG@5, if known to us.
    pub ndcg_5: Option<f64>,
    /// NDCG@10.
    pub ndcg_10: f64,
    /// Who reported it.
    pub source: &'static str,
}

const RE_RUN: &str = "re-run by Xu et al., arXiv 2408.14238, Table 3";

/// What Table 4 is about, as far as it is known to us; the paper copied its figures from publications with other preparations.
pub const TABLE_4: [ReportedRow; 6] = [
    reported("P5, collaborative indices (T5-small)", 0.0403, 0.0474, RE_RUN),
    reported("POD (T5-small)", 0.0125, 0.0146, RE_RUN),
    ReportedRow { ndcg_5: None, ..reported("POD (T5-small)", 0.0, 0.0443, "its authors") },
    reported("E4SRec (Llama-2-7B)", 0.0376, 0.0448, RE_RUN),
    reported("LlamaRec (Llama-2-7B)", 0.0405, 0.0492, RE_RUN),
    reported(
        "LlamaRec (Llama-2-7B)",
        0.0407,
        0.0491,
        "re-run by Azizi and Koochaki, arXiv 2506.07449, Table 2",
    ),
];

const fn reported(system: &'static str, ndcg_5: f64, ndcg_10: f64, source: &'static str) -> ReportedRow {
    ReportedRow { set: "Beauty", system, ndcg_5: Some(ndcg_5), ndcg_10, source }
}
