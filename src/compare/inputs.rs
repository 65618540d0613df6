//! What a comparison is made from: results already read, models already loaded, limits.

use std::collections::BTreeMap;

use crate::analysis::detect::decide::Thresholds;
use crate::analysis::detect::model::HistoryModel;
use crate::analysis::range_model::RangeModel;
use crate::metric::{Better, MetricId};
use crate::store::read::ResultData;

/// The line of one metric in a model: `a * value + b` is ±tolerance at the edges of normal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelLine {
    /// Slope, per unit of the metric.
    pub a: f64,
    /// Offset.
    pub b: f64,
    /// Mean of the training values; models of the oldest kind do not know it.
    pub raw: Option<f64>,
    /// The line falls where larger is worse already (version 3), so it is not turned again.
    pub turned: bool,
}

/// A model as far as judging needs it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LineModel {
    /// As typed, for the report.
    pub name: String,
    /// Lines by metric.
    pub lines: BTreeMap<String, ModelLine>,
}

impl LineModel {
    /// Takes the lines of a loaded model; `name` is for the report.
    pub fn new(name: &str, model: &RangeModel) -> Self {
        // Version 3 stores lines that fall where larger is worse.
        let turned = model.version() >= 3;
        let lines = model
            .lines()
            .map(|(id, line)| {
                let line = ModelLine {
                    a: line.a,
                    b: line.b,
                    raw: line.raw,
                    turned,
                };
                (id.to_owned(), line)
            })
            .collect();
        Self {
            name: name.to_owned(),
            lines,
        }
    }

    /// Returns the line of a metric.
    pub fn line(&self, id: &MetricId) -> Option<ModelLine> {
        self.lines.get(id.as_str()).copied()
    }
}

/// What the history rules look at beside SRC and DST.
#[derive(Debug, Clone, Default)]
pub struct HistoryInputs {
    /// Name as typed, and the model of `--model`.
    pub model: Option<(String, HistoryModel)>,
    /// Further results of the same build as DST.
    pub repetitions: Vec<ResultData>,
}

/// Everything that is compared.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The accepted result.
    pub src: ResultData,
    /// Those between, in the order given.
    pub references: Vec<ResultData>,
    /// The judged result.
    pub dst: ResultData,
    /// Models of `-l`, in the order given.
    pub models: Vec<LineModel>,
    /// What the history rules look at.
    pub history: HistoryInputs,
    /// What a reader should know about how they were read, one line each.
    pub notes: Vec<String>,
}

/// A limit, and whether a person chose it (the older tool prints `5` for its default and `5.0`
/// for the same number given).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Percent for means, points for spreads.
    pub value: f64,
    /// Given on the command line.
    pub given: bool,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            value: 5.0,
            given: false,
        }
    }
}

/// How to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// For means, percent.
    pub tolerance: Limit,
    /// For spreads, percentage points.
    pub stddev_tolerance: Limit,
    /// Of the history rules.
    pub history: Thresholds,
    /// Weight of the part `avg`; 0 is off.
    pub average_weight: f64,
    /// Weight of the part `n_of`; 0 is off.
    pub n_out_of_weight: f64,
    /// How many builds may be outside before `n_of` exceeds the limit.
    pub n_out_of: i64,
    /// Improvements fail too.
    pub fail_on_gain: bool,
    /// Missing results do not fail.
    pub allow_missing: bool,
    /// The older tool's judgement.
    pub compat: bool,
    /// Single clients are judged too.
    pub by_client: bool,
    /// Direction by metric name where the result states none.
    pub better: BTreeMap<String, Better>,
    /// Command line for the report, secrets already masked.
    pub command: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tolerance: Limit::default(),
            stddev_tolerance: Limit::default(),
            history: Thresholds::default(),
            average_weight: 0.0,
            n_out_of_weight: 0.0,
            n_out_of: 2,
            fail_on_gain: false,
            allow_missing: false,
            compat: false,
            by_client: false,
            better: BTreeMap::new(),
            command: Vec::new(),
        }
    }
}
