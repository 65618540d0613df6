//! What is missing, and what is missing as usual.

use std::collections::{BTreeMap, BTreeSet};

use crate::analysis::detect::model::{Entry, HistoryModel};
use crate::compare::judge::{Judged, named};
use crate::compare::types::Status;
use crate::metric::{Better, MetricId};

/// Absent in so many of the last ten nights, a metric that is missing is flaky.
const OFTEN_ABSENT: usize = 2;

/// What the model's last nights say about being absent.
///
/// A metric that fails now and then says little when it fails again. A test that left nothing at all
/// says something else, however flaky single metrics of it are: it did not run. So it is held against
/// how often *nothing* of it was there, and only what ran in half of the nights or fewer, as a weekly
/// test does, may be gone as usual.
#[derive(Debug)]
pub(super) struct Absence<'m> {
    recent: usize,
    /// Profile and test of which no result has anything, and in how many of the last nights any
    /// metric of it was seen at least.
    gone: BTreeMap<(&'m str, &'m str), usize>,
}

impl<'m> Absence<'m> {
    pub(super) fn new(model: &'m HistoryModel, results: &[BTreeMap<&str, f64>]) -> Self {
        let there: BTreeSet<(&str, &str)> = results
            .iter()
            .flat_map(BTreeMap::keys)
            .filter_map(|id| place(id))
            .collect();
        let mut gone = BTreeMap::new();
        for (id, entry) in &model.metrics {
            if let Some(place) = place(id).filter(|place| !there.contains(place)) {
                let seen = gone.entry(place).or_insert(0);
                *seen = entry.seen_last10.max(*seen);
            }
        }
        Self {
            recent: model.recent(),
            gone,
        }
    }

    /// Returns whether nothing at all is there of the test a metric belongs to, although it ran in
    /// most of the last nights.
    pub(super) fn test_is_gone(&self, id: &MetricId) -> bool {
        let seen = self.gone.get(&(id.profile(), id.test()));
        seen.is_some_and(|seen| *seen * 2 > self.recent)
    }

    /// Returns whether a metric that is missing is so often enough to be flaky.
    pub(super) fn is_usual(&self, id: &MetricId, entry: &Entry) -> bool {
        !self.test_is_gone(id) && self.recent >= entry.seen_last10 + OFTEN_ABSENT
    }

    /// Returns what did not run, one line.
    pub(super) fn note(&self) -> Option<String> {
        let gone: Vec<String> = self
            .gone
            .iter()
            .filter(|(_, seen)| **seen * 2 > self.recent)
            .map(|((profile, test), _)| format!("{profile}/{test}"))
            .collect();
        (!gone.is_empty()).then(|| {
            format!(
                "nothing at all is there of {}: all its metrics are missing, also those that often are",
                gone.join(", ")
            )
        })
    }
}

/// Profile and test of an id.
fn place(id: &str) -> Option<(&str, &str)> {
    let mut parts = id.splitn(3, '/');
    Some((parts.next()?, parts.next()?))
}

/// Adds what only the model, or a repetition, knows: missing metrics of the last nights.
pub(super) fn add_missing(
    judged: &mut Vec<Judged>,
    model: &HistoryModel,
    results: &[BTreeMap<&str, f64>],
    references: usize,
) {
    let known: BTreeSet<String> = judged
        .iter()
        .map(|one| one.result.id.as_str().to_owned())
        .collect();
    for (id, entry) in &model.metrics {
        let seen = entry.seen_last10 > 0 || results.iter().any(|of| of.contains_key(id.as_str()));
        let Ok(id) = id.parse::<MetricId>() else {
            continue;
        };
        if known.contains(id.as_str()) || !seen {
            continue;
        }
        let better = match entry.dir {
            1.. => Better::Higher,
            0 => Better::Unknown,
            _ => Better::Lower,
        };
        let mut result = named(&id, better);
        result.primary = entry.primary;
        result.unit = entry.unit.clone().unwrap_or_default();
        result.status = Status::Missing;
        judged.push(Judged {
            result,
            past_scores: vec![None; references],
        });
    }
}
