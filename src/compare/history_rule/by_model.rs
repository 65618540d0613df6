//! One night (and its repetitions) held against a history model.

use std::collections::BTreeMap;

use super::absent::{Absence, add_missing};
use super::drift::cumulative_drift;
use super::notes::notes;
use super::shifts::host_shifts;
use super::{Decided, Finding, NOT_ENOUGH_DATA, by_id, level_part, settle};
use crate::analysis::detect::decide::{Doubt, SUSPECT, Thresholds};
use crate::analysis::detect::judge::{Candidate, Evidence, State};
use crate::analysis::detect::model::{Entry, HistoryModel};
use crate::compare::judge::{CLIENTS_DIFFER, Judged};
use crate::compare::records::Indexed;
use crate::compare::score::{difference, turn};
use crate::compare::types::{CheckResult, Status};
use crate::metric::{Better, Check};

/// Judges DST (and its repetitions) by a history model; overrides what single pairs said.
pub(crate) fn by_model(
    judged: &mut Vec<Judged>,
    model: &HistoryModel,
    dst: &[Indexed<'_>],
    limits: Thresholds,
    tolerance: f64,
    references: usize,
) -> Decided {
    let results: Vec<BTreeMap<&str, f64>> = dst.iter().map(by_id).collect();
    add_missing(judged, model, &results, references);
    let absence = Absence::new(model, &results);
    let candidate = Candidate::new(model, results);
    let mut findings = Vec::new();
    for (index, one) in judged.iter_mut().enumerate() {
        let check = &mut one.result;
        let Some(entry) = model.get(check.id.as_str()) else {
            if check.check == Check::Mean && check.src.is_some() && check.dst.is_some() {
                check.labels.push(NOT_ENOUGH_DATA.into());
            }
            continue;
        };
        if check.dst.is_none() {
            check.status = match check.status {
                Status::Missing if absence.is_usual(&check.id, entry) => Status::Flaky,
                // References may have lacked it now and then; the whole test is another matter.
                Status::Flaky if absence.test_is_gone(&check.id) => Status::Missing,
                status => status,
            };
        }
        if check.labels.iter().any(|label| label == CLIENTS_DIFFER) || check.check == Check::Error {
            continue;
        }
        let Some(found) = candidate.judge(model, &check.id) else {
            without_scale(check, entry, tolerance);
            continue;
        };
        let found = if check.better.sign() * entry.goodness().sign < 0.0 {
            // Somebody said which way is better after the model was trained.
            found.turned()
        } else {
            found
        };
        if check.dst.is_none() {
            // Only a repetition has it: that one is judged.
            check.status = Status::Within;
            check.labels.push("only-in-repetition".into());
        }
        if check.check == Check::Stddev {
            spread(check, entry, &found);
            continue;
        }
        let finding = take(check, index, model, entry, &found, limits);
        findings.push(finding);
    }
    settle(judged, &findings, limits.fdr);
    let drifted = cumulative_drift(judged, model, &findings, tolerance);
    let groups = host_shifts(model, &candidate, limits);
    let mut notes = notes(judged, model, dst, &findings, limits);
    notes.extend(absence.note());
    notes.extend(drifted);
    Decided { groups, notes }
}

/// A metric the model has seen, but too seldom for a scale: against its level, by `--tolerance`.
fn without_scale(check: &mut CheckResult, entry: &Entry, tolerance: f64) {
    if check.check != Check::Mean || check.dst.is_none() {
        return;
    }
    if check.src.is_none() {
        check.status = Status::Within;
        if let Some(change) = check
            .dst
            .and_then(|dst| difference(check.check, entry.raw, dst))
        {
            let score = turn(change, check.better);
            check.score = Some(score);
            check.tolerance = Some(tolerance);
            check.bands = Some(score.abs() / tolerance).filter(|bands| bands.is_finite());
            check.checks = vec![level_part(entry.raw, score)];
            if score < -tolerance {
                check.status = Status::Regression;
            } else if score > tolerance {
                check.status = Status::Improvement;
            }
        }
    }
    check.labels.push(NOT_ENOUGH_DATA.into());
}

/// A spread regresses when it is beyond its normal range *and* more points above its level than
/// `--stddev-tolerance`: three samples tell so little about a spread that either alone would cry wolf.
fn spread(check: &mut CheckResult, entry: &Entry, found: &Evidence) {
    check.p = Some(found.p_worse.min(found.p_better));
    check.basis = Some(format!("spread of the last {} nights", entry.n_seg));
    if check.dst.is_none() {
        return;
    }
    let unsure = match check.status {
        Status::Regression | Status::Flaky => found.p_worse >= SUSPECT,
        Status::Improvement => found.p_better >= SUSPECT,
        _ => false,
    };
    let outside = check.bands.is_some_and(|bands| bands > 1.0);
    match check.status {
        Status::Regression | Status::Improvement | Status::Flaky if unsure => {
            check.status = Status::Within;
        }
        Status::Flaky if outside => check.status = Status::Regression,
        Status::New => check.status = Status::Within,
        _ => {}
    }
    if check.status == Status::Within {
        (check.since, check.outside_builds) = (None, 0);
    }
}

/// Writes the evidence into the check and returns what decides about calling it.
fn take(
    check: &mut CheckResult,
    index: usize,
    model: &HistoryModel,
    entry: &Entry,
    found: &Evidence,
    limits: Thresholds,
) -> Finding {
    let tolerance = model.metadata.tolerance;
    let two_sided = check.better == Better::Unknown;
    let score = if two_sided {
        0.0 - found.score.abs()
    } else {
        found.score
    };
    check.score = Some(score);
    check.tolerance = Some(tolerance);
    check.bands = Some(score.abs() / tolerance).filter(|bands| bands.is_finite());
    check.ci_pct = found.ci_pct;
    check.mde_pct = found.mde_pct;
    check.basis = Some(basis(model, entry, found));
    let turned = turn(found.effect_pct, check.better);
    if found.effect_pct.is_finite() && found.level.is_finite() {
        check.checks = vec![level_part(found.level, turned)];
    }
    let mut label = |name: &str| check.labels.push(name.to_owned());
    if found.state.is_some() {
        label("two-states");
    }
    if entry.drifting {
        label("drifting");
    }
    if entry.wild {
        label("wild");
    }
    if found.host_corrected {
        label("host-corrected");
    }
    let doubt = Doubt::new(found, entry, limits.min_effect_pct, two_sided);
    check.p = Some(doubt.p_worse.min(doubt.p_better));
    Finding { index, doubt }
}

fn basis(model: &HistoryModel, entry: &Entry, found: &Evidence) -> String {
    let mut text = model.basis(entry);
    if let Some(states) = &entry.states {
        let goodness = entry.goodness();
        let tonight = match found.state {
            Some(State::High) => "upper",
            Some(State::Low) => "lower",
            Some(State::UpperLost) => "lower, the upper one is no longer seen",
            None => "neither",
        };
        text = format!(
            "two states {:.6} / {:.6} ({:.0} % in the lower one) over {} nights, tonight: {tonight}",
            goodness.value(states.mu[0]),
            goodness.value(states.mu[1]),
            states.share_low * 100.0,
            entry.n,
        );
    }
    if entry.sd > 0.0 {
        text.push_str(&format!(", night-to-night {:.2} %", entry.sd * 100.0));
    }
    text
}
