//! The older tool's judgement to the letter, oddities included.
//!
//! It exists so that a site can check on its own data that nothing changed before it switches over:
//! records, statuses, scores, tolerances, details, the order of xUnit cases and the exit code are
//! those of run-perf's compare-perf (specification of run-perf 9.1 to 9.8 and 12). What looks wrong
//! here is meant: gains fail, latency may only grow, nearly everything accepted is a minor loss.
//!
//! One thing cannot be known any more: whether a whole number stood in `result.json` with a decimal
//! point. It is taken for an integer, which is what pbench writes.

mod averages;
mod learn;
mod record;
mod shown;

use std::collections::{BTreeMap, HashMap, HashSet};

pub use self::averages::averages;
use self::learn::Learned;
use self::record::{CompatStatus, Record, Value};
use self::shown::conclude;
use super::inputs::{Inputs, Options};
use super::types::Comparison;
use crate::analysis::grouping::{JUDGED, merged};
use crate::analysis::stats;
use crate::metric::{Check, MetricId};
use crate::store::read::ResultData;

/// A figure or a failure text of one result.
struct Figure {
    id: MetricId,
    value: Value,
    primary: bool,
}

/// Returns everything of a result in reading order: figures, then failures.
fn figures(result: &ResultData) -> Vec<Figure> {
    let values = result.measurements.iter().map(|m| Figure {
        id: m.id.clone(),
        value: Value::number(m.value),
        primary: m.primary,
    });
    // The older tool knows nothing of attempts: each of them is an error.
    let mut recorded: Vec<_> = result.failures.iter().chain(&result.retried).collect();
    recorded.sort_by_key(|f| (f.place.components().count(), &f.place));
    let texts = recorded.into_iter().map(|f| Figure {
        id: f.id.clone(),
        value: Value::Text(f.message.clone()),
        primary: true,
    });
    values.chain(texts).collect()
}

/// SRC as the older tool keeps it: one entry an id, at its first place, with its last value.
struct Source {
    order: Vec<MetricId>,
    values: HashMap<MetricId, (Value, bool)>,
}

impl Source {
    fn new(result: &ResultData) -> Self {
        let mut order = Vec::new();
        let mut values = HashMap::new();
        for Figure { id, value, primary } in figures(result) {
            if values.insert(id.clone(), (value, primary)).is_none() {
                order.push(id);
            }
        }
        Self { order, values }
    }
}

/// Judges as the older tool does.
pub(crate) fn compare(inputs: Inputs, options: &Options) -> Comparison {
    let source = Source::new(&inputs.src);
    let rules = record::Rules {
        models: &inputs.models,
        options,
    };
    let mut learned = Learned::new(options);
    let mut past: Vec<HashMap<MetricId, CompatStatus>> = Vec::new();
    for reference in &inputs.references {
        let records = records(&source, reference, &rules, None);
        let groups = group_records(&records, options, None);
        learned.learn(&records);
        learned.learn(&groups);
        past.push(
            records
                .into_iter()
                .map(|record| (record.id, record.status))
                .collect(),
        );
    }
    let records = records(&source, &inputs.dst, &rules, Some(&learned));
    let groups = group_records(&records, options, Some(&learned));
    conclude(&inputs, options, &records, &groups, &past)
}

/// Builds the records of one result: its own figures, then what only SRC has.
fn records(
    source: &Source,
    result: &ResultData,
    rules: &record::Rules<'_>,
    learned: Option<&Learned>,
) -> Vec<Record> {
    let mut used: HashSet<MetricId> = HashSet::new();
    let mut records = Vec::new();
    for Figure { id, value, primary } in figures(result) {
        let record = match source.values.get(&id) {
            Some((src, _)) if used.insert(id.clone()) => {
                rules.regular(id, src, &value, primary, learned)
            }
            _ => Record::broken(
                id,
                format!("Not present in source results ({}).", value.as_is()),
                primary,
                None,
                Some(value),
            ),
        };
        records.push(record);
    }
    for id in source.order.iter().filter(|id| !used.contains(*id)) {
        let (value, primary) = &source.values[id];
        let reason = "Not present in target results (-100)".to_owned();
        records.push(Record::broken(
            id.clone(),
            reason,
            *primary,
            Some(value.clone()),
            None,
        ));
    }
    records
}

/// Builds the group records of one result (specification 9.6).
fn group_records(records: &[Record], options: &Options, learned: Option<&Learned>) -> Vec<Record> {
    let members: Vec<&Record> = records
        .iter()
        .filter(|r| r.primary && r.id.check() != Check::Stddev && r.status != CompatStatus::Error)
        .collect();
    let mut groups = Vec::new();
    for fields in JUDGED {
        let mut order = Vec::new();
        let mut scores: BTreeMap<MetricId, Vec<f64>> = BTreeMap::new();
        for member in &members {
            let name = merged(&member.id, fields);
            let entry = scores.entry(name.clone()).or_default();
            if entry.is_empty() {
                order.push(name);
            }
            entry.push(member.score);
        }
        for name in order {
            let scores = &scores[&name];
            let Some(mean) = stats::mean(scores) else {
                continue;
            };
            let tolerance = options.tolerance.value
                * stats::uncertainty_factor(scores.len()).unwrap_or(1.0)
                / 2.0;
            groups.push(Record::group(name, mean, tolerance, learned));
        }
    }
    groups
}

#[cfg(test)]
mod tests;
