//! Models of all versions.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{Checked, Finding};
use crate::analysis::detect::model::HistoryModel;
use crate::analysis::model_file::ModelError;
use crate::analysis::range_model::RangeModel;

/// Damaged metrics that are named one by one.
const MOST: usize = 100;

pub(super) fn look(path: &Path, checked: &mut Checked) {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            return checked.fault(Finding::new("", format!("cannot read it: {error}")));
        }
    };
    let (ranges, mut faults) = every(path, &bytes, RangeModel::parse);
    let version = ranges.as_ref().map_or(0, RangeModel::version);
    let mut history = None;
    if version == 3 {
        // Its own fields are checked as well; a metric that is damaged is named once.
        let damaged = |fault: &ModelError| match fault {
            ModelError::Entry { id, .. } => Some(id.clone()),
            _ => None,
        };
        let known: BTreeSet<String> = faults.iter().filter_map(damaged).collect();
        let (model, more) = every(path, &bytes, HistoryModel::parse);
        faults.extend(
            more.into_iter()
                .filter(|fault| !damaged(fault).is_some_and(|id| known.contains(&id))),
        );
        history = model;
    }
    for fault in &faults {
        checked.fault(finding(fault, version));
    }
    if let Some(model) = ranges {
        if model.is_empty() && checked.is_good() {
            checked.note(Finding::new("", "it has no metric"));
        }
        checked.say("version", model.version());
        checked.say("tolerance", model.tolerance());
        checked.say("metrics", model.len());
        let profiles: BTreeSet<&str> = model
            .lines()
            .filter_map(|(id, _)| id.split('/').next())
            .collect();
        checked.say("profiles", profiles.into_iter().collect::<Vec<_>>());
    }
    if let Some(model) = history {
        let builds = model
            .metadata
            .builds
            .iter()
            .map(|build| build.name.as_str());
        checked.say("builds", builds.collect::<Vec<_>>());
        checked.say("accepted", model.metadata.accepted.len());
    }
}

/// Reads a model that may be damaged in many places: the reader stops at the first, so each damaged
/// metric is taken out and the rest read again.
fn every<T>(
    path: &Path,
    bytes: &[u8],
    parse: fn(&Path, &[u8]) -> Result<T, ModelError>,
) -> (Option<T>, Vec<ModelError>) {
    let mut faults = Vec::new();
    let mut rest: Option<Value> = None;
    let mut text = bytes.to_vec();
    loop {
        match parse(path, &text) {
            Ok(model) => return (Some(model), faults),
            Err(ModelError::Entry { path, id, reason }) => {
                let left = rest
                    .take()
                    .or_else(|| serde_json::from_slice(bytes).ok())
                    .and_then(|mut value| {
                        value.as_object_mut()?.shift_remove(&id)?;
                        Some(value)
                    });
                faults.push(ModelError::Entry { path, id, reason });
                let Some(left) = left.filter(|_| faults.len() < MOST) else {
                    return (None, faults);
                };
                text = left.to_string().into_bytes();
                rest = Some(left);
            }
            Err(error) => {
                faults.push(error);
                return (None, faults);
            }
        }
    }
}

fn finding(fault: &ModelError, version: u32) -> Finding {
    let place = match fault {
        ModelError::Entry { id, .. } => format!("`{id}`"),
        _ => String::new(),
    };
    let mut message = match fault {
        ModelError::Entry { reason, .. } | ModelError::Shape { reason, .. } => reason.clone(),
        other => other.to_string(),
    };
    let mut cause = std::error::Error::source(fault);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let hint = match version {
        3 => fault.hint_for_history(),
        _ => fault.hint(),
    };
    let finding = Finding::new(place, message);
    match hint {
        Some(step) => finding.next(step),
        None => finding,
    }
}
