//! Losses that add up: a level that is worse than the accepted one.

use super::Finding;
use crate::analysis::detect::model::HistoryModel;
use crate::compare::judge::Judged;
use crate::compare::types::Status;

/// Marks metrics whose present level is worse than the accepted one by more than `tolerance` percent:
/// many small losses, none of which was worth a call.
///
/// Once a level was accepted by hand that is a regression until the next acceptance: a lasting loss
/// must not become normal by itself. Before, the first level is only guessed to be the right one.
pub(super) fn cumulative_drift(
    judged: &mut [Judged],
    model: &HistoryModel,
    findings: &[Finding],
    tolerance: f64,
) -> Option<String> {
    let accepted = model.metadata.accepted.last();
    let mut drifted = 0;
    for finding in findings {
        let check = &mut judged[finding.index].result;
        let Some(entry) = model.get(check.id.as_str()) else {
            continue;
        };
        if model.drift_pct(entry).is_none_or(|pct| pct <= tolerance) {
            continue;
        }
        check.labels.push("cumulative-drift".into());
        drifted += usize::from(check.primary);
        if accepted.is_some() {
            check.status = Status::Regression;
        }
    }
    let reference = match (accepted, model.metadata.builds.first()) {
        (Some(accepted), _) => format!("accepted with build {}", accepted.build),
        (None, Some(first)) => format!("of build {}, where the model begins", first.label()),
        (None, None) => return None,
    };
    (drifted > 0).then(|| {
        format!("{drifted} primary metrics are by now more than {tolerance} % worse than the level {reference}; accept the new one with analyze-perf --accept")
    })
}
