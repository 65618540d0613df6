//! What is worth running again: `runperf-suspects/1`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::types::{Comparison, Status};

/// The file of `compare-perf --suspects` and `run-perf --only`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspects {
    /// `runperf-suspects/1`.
    pub schema: String,
    /// Name of the accepted build.
    pub src: String,
    /// Name of the judged build.
    pub dst: String,
    /// What to repeat, in order of profile, test and iteration.
    pub items: Vec<Suspect>,
}

/// One thing that can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspect {
    /// Profile.
    pub profile: String,
    /// Test.
    pub test: String,
    /// Iteration.
    pub iteration: String,
    /// Metrics of it that are suspect or regressed.
    pub ids: Vec<String>,
    /// `regression` when any of them is, else `suspect`.
    pub status: Status,
}

impl Suspects {
    /// Name of the format.
    pub const SCHEMA: &'static str = "runperf-suspects/1";

    /// Collects primary regressions and suspects, one item for each profile, test and iteration.
    pub fn of(comparison: &Comparison) -> Self {
        let mut found: BTreeMap<(&str, &str, &str), Suspect> = BTreeMap::new();
        for check in &comparison.metrics {
            if !check.primary || !matches!(check.status, Status::Regression | Status::Suspect) {
                continue;
            }
            let item = found
                .entry((&check.profile, &check.test, &check.iteration))
                .or_insert_with(|| Suspect {
                    profile: check.profile.clone(),
                    test: check.test.clone(),
                    iteration: check.iteration.clone(),
                    ids: Vec::new(),
                    status: Status::Suspect,
                });
            item.ids.push(check.id.to_string());
            if check.status == Status::Regression {
                item.status = Status::Regression;
            }
        }
        Self {
            schema: Self::SCHEMA.into(),
            src: comparison.src.name.clone(),
            dst: comparison.dst.name.clone(),
            items: found.into_values().collect(),
        }
    }
}
