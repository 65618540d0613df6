//! Incidents: the metrics of one profile, test and iteration with the same status.

use std::collections::BTreeMap;

use super::types::{CheckResult, Incident, Status};

/// What is an incident, in the order of the report.
const LOOKED_AT: [Status; 6] = [
    Status::Regression,
    Status::Missing,
    Status::Suspect,
    Status::Flaky,
    Status::Improvement,
    Status::New,
];

/// Collects what to look at: by status; those with a primary metric first; then by the greatest
/// change in bands (a change from 0 has no number and is greater than any); then by name.
pub(crate) fn collect(metrics: &[CheckResult]) -> Vec<Incident> {
    let mut found: BTreeMap<(usize, &str, &str, &str), Vec<&CheckResult>> = BTreeMap::new();
    for check in metrics {
        if let Some(rank) = LOOKED_AT.iter().position(|status| *status == check.status) {
            found
                .entry((rank, &check.profile, &check.test, &check.iteration))
                .or_default()
                .push(check);
        }
    }
    let mut ranked: Vec<(Rank, Incident)> = found.into_values().map(incident).collect();
    // Stable: equal ones stay in order of their names.
    ranked.sort_by(|(a, _), (b, _)| {
        (a.status, a.secondary)
            .cmp(&(b.status, b.secondary))
            .then_with(|| b.weight.total_cmp(&a.weight))
    });
    ranked.into_iter().map(|(_, incident)| incident).collect()
}

struct Rank {
    status: Option<usize>,
    secondary: bool,
    weight: f64,
}

/// Returns how much a check weighs: its bands; without a number (from 0) more than any.
pub(crate) fn weight(check: &CheckResult) -> f64 {
    match check.status {
        Status::Missing | Status::New => 0.0,
        _ => check.bands.unwrap_or(f64::INFINITY),
    }
}

fn incident(mut checks: Vec<&CheckResult>) -> (Rank, Incident) {
    checks.sort_by(|a, b| {
        b.primary
            .cmp(&a.primary)
            .then_with(|| weight(b).total_cmp(&weight(a)))
            .then_with(|| a.id.cmp(&b.id))
    });
    let first = checks[0];
    let rank = Rank {
        status: LOOKED_AT.iter().position(|status| *status == first.status),
        secondary: !first.primary,
        weight: checks.iter().map(|check| weight(check)).fold(0.0, f64::max),
    };
    let incident = Incident {
        status: first.status,
        profile: first.profile.clone(),
        test: first.test.clone(),
        iteration: first.iteration.clone(),
        metrics: checks.iter().map(|check| check.id.clone()).collect(),
        bands: checks
            .iter()
            .filter_map(|check| check.bands)
            .max_by(f64::total_cmp),
        since: first.since.clone(),
        outside_builds: first.outside_builds,
    };
    (rank, incident)
}
