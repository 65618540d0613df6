//! Groups: a wide loss that hides below every single limit.
//!
//! The scores of primary levels are averaged under the merged names of
//! [`crate::analysis::grouping::JUDGED`]. Scores are turned, so a group may mix throughput and
//! latency: negative is worse for each member. Its limit is `tolerance · u(n) / 2`.
//!
//! Left out are members without a score (missing, new, a source of 0), flaky ones (they do not
//! fail alone, so they do not fail a group) and those whose direction nobody knows (every change
//! of theirs is negative, which would add up). Modifiers are in the members' scores already.

use std::collections::BTreeMap;

use super::judge::{Judged, named};
use super::score::{Side, side};
use super::since::{Past, flaky, run};
use super::types::{CheckResult, Part, Status};
use crate::analysis::grouping::{JUDGED, merged};
use crate::analysis::stats;
use crate::metric::{Better, Check, MetricId};

/// Judges the groups of these checks; in the order of the groupings, then of first appearance.
pub(crate) fn judge(checks: &[Judged], tolerance: f64, references: &[String]) -> Vec<CheckResult> {
    let members: Vec<&Judged> = checks.iter().filter(|one| counts(&one.result)).collect();
    let mut groups = Vec::new();
    for fields in JUDGED {
        let mut order: Vec<MetricId> = Vec::new();
        let mut by_name: BTreeMap<MetricId, Vec<&Judged>> = BTreeMap::new();
        for member in &members {
            let name = merged(&member.result.id, fields);
            let entry = by_name.entry(name.clone()).or_default();
            if entry.is_empty() {
                order.push(name);
            }
            entry.push(member);
        }
        groups.extend(
            order
                .iter()
                .map(|name| judge_group(name, &by_name[name], tolerance, references)),
        );
    }
    groups
}

fn counts(check: &CheckResult) -> bool {
    check.primary
        && check.check == Check::Mean
        && check.better != Better::Unknown
        && check.score.is_some()
        && check.status != Status::Flaky
}

/// Returns the limit of a group of `n`.
pub(crate) fn limit(tolerance: f64, n: usize) -> f64 {
    tolerance * stats::uncertainty_factor(n).unwrap_or(1.0) / 2.0
}

fn judge_group(
    name: &MetricId,
    members: &[&Judged],
    tolerance: f64,
    references: &[String],
) -> CheckResult {
    let scores: Vec<f64> = members
        .iter()
        .filter_map(|member| member.result.score)
        .collect();
    let past: Vec<Option<(f64, f64)>> = (0..references.len())
        .map(|index| {
            let scores: Vec<f64> = members
                .iter()
                .filter_map(|member| member.past_scores.get(index).copied().flatten())
                .collect();
            stats::mean(&scores).map(|mean| (mean, limit(tolerance, scores.len())))
        })
        .collect();
    let mut group = named(name, Better::Higher);
    group.labels.push("group".into());
    group.unit = "%".into();
    let limit = limit(tolerance, scores.len());
    let Some(score) = stats::mean(&scores) else {
        return group;
    };
    group.score = Some(score);
    group.tolerance = Some(limit);
    group.band_pct = Some([0.0 - limit, limit]);
    group.bands = Some(score.abs() / limit).filter(|bands| bands.is_finite());
    group.change_pct = geometric_change(members);
    group.basis = Some(format!(
        "mean score of {} check{}",
        scores.len(),
        if scores.len() == 1 { "" } else { "s" }
    ));
    group.history = past.iter().map(|past| past.map(|(mean, _)| mean)).collect();
    group.checks = vec![Part {
        name: "mean".into(),
        reference: None,
        diff_pct: score,
        weight: 1.0,
    }];

    let verdict = side(score, limit);
    if verdict == Side::Inside {
        if group.bands.is_some_and(|bands| bands > 0.5) {
            group.labels.push("minor".into());
        }
        return group;
    }
    let states: Vec<Past> = past
        .iter()
        .map(|past| match past {
            None => Past::Unknown,
            Some((mean, limit)) if side(*mean, *limit) == verdict => Past::Outside,
            Some(_) => Past::Inside,
        })
        .collect();
    let found = run(&states);
    group.since = found.first.and_then(|index| references.get(index).cloned());
    group.outside_builds = found.builds;
    group.status = match verdict {
        Side::Worse if flaky(&states, found) => Status::Flaky,
        Side::Worse => Status::Regression,
        _ => Status::Improvement,
    };
    group
}

/// Returns the geometric mean of DST / SRC over the pairs, turned so that larger is better, as a
/// change in percent; `None` when a value is 0 or negative.
fn geometric_change(members: &[&Judged]) -> Option<f64> {
    let ratios: Option<Vec<f64>> = members
        .iter()
        .map(|member| {
            let ratio = member.result.dst? / member.result.src?;
            let turned = if member.result.better == Better::Lower {
                1.0 / ratio
            } else {
                ratio
            };
            (turned.is_finite() && turned > 0.0).then_some(turned)
        })
        .collect();
    stats::geometric_mean(&ratios?)
        .map(|mean| (mean - 1.0) * 100.0)
        .filter(|change| change.is_finite())
}
