//! The answer: counts, verdict, exit code and the sentence that says why.

use std::collections::{BTreeMap, BTreeSet};

use super::inputs::Options;
use super::types::{CheckResult, Comparison, Incident, Status, Verdict};

/// The comparison passed.
pub const PASS_CODE: u8 = 0;
/// Something failed it.
pub const FAIL_CODE: u8 = 2;
/// Nothing was compared.
pub const ERROR_CODE: u8 = 3;

/// Returns whether a check of this status fails the comparison.
///
/// Whether the check may fail it at all (primary and group checks) is the caller's to know.
pub fn fails(status: Status, fail_on_gain: bool, allow_missing: bool) -> bool {
    match status {
        Status::Regression | Status::Error => true,
        Status::Missing => !allow_missing,
        Status::Improvement => fail_on_gain,
        Status::Flaky | Status::Suspect | Status::New | Status::Within => false,
    }
}

/// Counts everything and sets verdict, exit code and reason; `compared`: at least one pair was.
pub(crate) fn conclude(comparison: &mut Comparison, compared: bool, options: &Options) {
    comparison.counts = count(&comparison.metrics, comparison.errors.len());
    let primary = comparison.metrics.iter().filter(|check| check.primary);
    comparison.counts_primary = count(primary, comparison.errors.len());
    comparison.counts_groups = count(&comparison.groups, 0);

    let is_bad = |check: &&CheckResult| {
        check.primary && fails(check.status, options.fail_on_gain, options.allow_missing)
    };
    let failed = !comparison.errors.is_empty()
        || comparison
            .metrics
            .iter()
            .chain(&comparison.groups)
            .any(|check| is_bad(&check));
    (comparison.verdict, comparison.exit_code) = match (failed, compared) {
        (true, _) => (Verdict::Fail, FAIL_CODE),
        (false, false) => (Verdict::Error, ERROR_CODE),
        (false, true) => (Verdict::Pass, PASS_CODE),
    };
    comparison.reason = reason(comparison);
}

/// Returns a count for every status, zeros too, so that a reader can rely on each key.
pub(crate) fn count<'a>(
    checks: impl IntoIterator<Item = &'a CheckResult>,
    errors: usize,
) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = Status::ALL
        .iter()
        .map(|status| (status.word().to_owned(), 0))
        .collect();
    for check in checks {
        *counts.entry(check.status.word().to_owned()).or_default() += 1;
    }
    *counts.entry(Status::Error.word().to_owned()).or_default() += errors;
    counts
}

/// Says why in one sentence: numbers, then the worst place.
pub(crate) fn reason(comparison: &Comparison) -> String {
    let counts = &comparison.counts;
    let of = |status: Status| counts.get(status.word()).copied().unwrap_or(0);
    let total: usize = counts.values().sum();
    if comparison.verdict == Verdict::Error {
        return match (
            comparison.metrics.is_empty(),
            of(Status::Missing),
            of(Status::New),
        ) {
            (true, _, _) => "nothing to compare: neither result holds a metric".into(),
            (_, missing, new) => format!(
                "nothing to compare: no metric is in both results ({missing} missing, {new} new)"
            ),
        };
    }
    let mut said = Vec::new();
    let regressions = of(Status::Regression);
    if regressions > 0 {
        let places = comparison
            .incidents
            .iter()
            .filter(|incident| incident.status == Status::Regression)
            .count();
        let primary = comparison.counts_primary.get(Status::Regression.word());
        said.push(format!(
            "{} in {}{}",
            plural(regressions, "regression"),
            plural(places, "place"),
            if primary.is_none_or(|number| *number == 0) {
                " (secondary only)"
            } else {
                ""
            }
        ));
    }
    let groups = comparison
        .groups
        .iter()
        .filter(|group| group.status == Status::Regression)
        .count();
    if groups > 0 {
        said.push(format!("{} slower as a whole", plural(groups, "group")));
    }
    if of(Status::Error) > 0 {
        said.push(plural(of(Status::Error), "error"));
    }
    if of(Status::Missing) > 0 {
        said.push(format!("{} missing", of(Status::Missing)));
    }
    for (status, word) in [
        (Status::Suspect, "suspect"),
        (Status::Flaky, "flaky"),
        (Status::New, "new"),
    ] {
        if of(status) > 0 {
            said.push(format!("{} {word}", of(status)));
        }
    }
    if of(Status::Improvement) > 0 {
        said.push(plural(of(Status::Improvement), "improvement"));
    }
    said.push(format!("{} of {total} within band", of(Status::Within)));
    let mut text = said.join(", ");
    if comparison.verdict == Verdict::Fail
        && let Some(worst) = worst(comparison)
    {
        text.push_str("; worst: ");
        text.push_str(&worst);
    }
    text
}

/// Returns `1 place`, `4 places`.
pub(crate) fn plural(number: usize, word: &str) -> String {
    if number == 1 {
        format!("1 {word}")
    } else {
        format!("{number} {word}s")
    }
}

/// Names what weighs most: the first primary regression, else the first error, group, missing metric or gain.
fn worst(comparison: &Comparison) -> Option<String> {
    let of = |status: Status| {
        comparison
            .incidents
            .iter()
            .find(|incident| incident.status == status && primary(comparison, incident))
    };
    if let Some(incident) = of(Status::Regression) {
        return Some(say(comparison, incident));
    }
    if let Some(error) = comparison.errors.first() {
        return Some(format!("{}: {}", error.place, error.message));
    }
    if let Some(group) = comparison
        .groups
        .iter()
        .filter(|group| group.status == Status::Regression)
        .max_by(|a, b| a.bands.unwrap_or(0.0).total_cmp(&b.bands.unwrap_or(0.0)))
    {
        return Some(format!("{} {:+.1} %", group.id, group.score.unwrap_or(0.0)));
    }
    if let Some(incident) = of(Status::Missing) {
        return Some(format!(
            "{} / {} / {} is missing",
            incident.profile, incident.test, incident.iteration
        ));
    }
    of(Status::Improvement).map(|incident| say(comparison, incident))
}

fn primary(comparison: &Comparison, incident: &Incident) -> bool {
    let ids: BTreeSet<_> = incident.metrics.iter().collect();
    comparison
        .metrics
        .iter()
        .any(|check| check.primary && ids.contains(&check.id))
}

fn say(comparison: &Comparison, incident: &Incident) -> String {
    let place = format!(
        "{} / {} / {}",
        incident.profile, incident.test, incident.iteration
    );
    let Some(check) = incident
        .metrics
        .first()
        .and_then(|id| comparison.metrics.iter().find(|check| check.id == *id))
    else {
        return place;
    };
    let spread = if check.check == crate::metric::Check::Stddev {
        " stddev"
    } else {
        ""
    };
    let unit = if spread.is_empty() { "%" } else { "points" };
    let change = check
        .change_pct
        .map(|change| format!(" {change:+.1} {unit}"))
        .unwrap_or_else(|| " from 0".into());
    let bands = check
        .bands
        .map(|bands| format!(", {bands:.1} x the band"))
        .unwrap_or_default();
    let since = match (&incident.since, comparison.references.is_empty()) {
        (Some(build), _) => format!(", since build {build}"),
        (None, false) => ", new in this build".to_owned(),
        (None, true) => String::new(),
    };
    format!("{place} {}{spread}{change}{bands}{since}", check.metric)
}
