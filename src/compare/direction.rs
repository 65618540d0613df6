//! Which way a check should move.

use std::collections::BTreeMap;

use crate::analysis::directions::direction_of;
use crate::metric::{Better, Check, MetricId};
use crate::store::read::Measurement;

/// Returns the good direction of a check: a spread is lower; else what DST states, else SRC, else
/// what was given by metric name, else the table of known metrics (by name, then by kind).
///
/// What was given on the command line also answers where the result says it does not know.
pub(crate) fn better(
    id: &MetricId,
    src: Option<&Measurement>,
    dst: Option<&Measurement>,
    given: &BTreeMap<String, Better>,
) -> Better {
    let stated = dst
        .and_then(|m| m.better)
        .or_else(|| src.and_then(|m| m.better));
    match (id.check(), stated, given.get(id.metric())) {
        (Check::Mean, None | Some(Better::Unknown), Some(given)) => *given,
        _ => direction_of(id, stated),
    }
}
