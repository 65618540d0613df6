//! The rules that look at all metrics together: a history model, or SRC against DST with a pooled
//! scale.
//!
//! Each metric gets a probability of being as bad as it is if nothing changed; which of them are
//! called is decided over the whole night (Benjamini and Hochberg), so that 400 metrics do not mean
//! four false alarms. What the numbers mean is in `docs/detection.md`, the formulas in
//! [`crate::analysis::detect`].

use std::collections::{BTreeMap, BTreeSet};

use super::groups;
use super::judge::{CLIENTS_DIFFER, Judged, named};
use super::records::Indexed;
use super::score::{Judge, Limits, Scored, difference, line_band, turn};
use super::types::{CheckResult, Part, Rule, Status};
use crate::analysis::detect::goodness::Goodness;
use crate::analysis::detect::judge::{Candidate, Evidence, State};
use crate::analysis::detect::model::{Entry, HistoryModel};
use crate::analysis::detect::multiple::q_values;
use crate::analysis::detect::pairwise;
use crate::analysis::detect::student::quantile;
use crate::analysis::detect::train::EDGE;
use crate::analysis::grouping::{JUDGED, merged};
use crate::analysis::stats;
use crate::metric::{Better, Check, MetricId};

/// Target false-discovery rate unless one is given; chosen by measurement, see `docs/detection.md`.
pub const DEFAULT_FDR: f64 = 0.10;
/// Smallest effect that is called, percent.
pub const DEFAULT_MIN_EFFECT_PCT: f64 = 0.5;
/// Limit of a host shift, percent.
pub const DEFAULT_GROUP_PCT: f64 = 1.0;
/// Beyond this probability a metric that is not called is suspect: the edge of the normal range.
const SUSPECT: f64 = 0.01;
/// Absent in so many of the last ten nights, a metric that is missing is flaky.
const OFTEN_ABSENT: usize = 2;

/// Label of a check without enough data for the rule in force: judged by `--tolerance`.
pub(crate) const NOT_ENOUGH_DATA: &str = "not-enough-data";
/// Label of a group check that is the shift of a whole host.
pub(crate) const HOST_SHIFT: &str = "host-shift";

/// Limits of the history rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistoryLimits {
    /// Target false-discovery rate.
    pub fdr: f64,
    /// Smallest effect that is called, percent.
    pub min_effect_pct: f64,
    /// Limit of a host shift, percent.
    pub group_pct: f64,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            fdr: DEFAULT_FDR,
            min_effect_pct: DEFAULT_MIN_EFFECT_PCT,
            group_pct: DEFAULT_GROUP_PCT,
        }
    }
}

/// A history model as a rule for single pairs: its stored lines, for references and "since".
#[derive(Debug)]
pub(crate) struct ModelRule<'a> {
    pub(crate) name: &'a str,
    pub(crate) model: &'a HistoryModel,
    pub(crate) limits: Limits<'a>,
}

impl Judge for ModelRule<'_> {
    fn rule(&self) -> Rule {
        Rule::Model
    }

    fn score(&self, id: &MetricId, src: f64, dst: f64, better: Better) -> Scored {
        let Some(entry) = self
            .model
            .get(id.as_str())
            .filter(|entry| entry.has_scale())
        else {
            return self.limits.score(id, src, dst, better);
        };
        let check = id.check();
        let change = difference(check, src, dst);
        if check != Check::Mean {
            let off = turn(dst - entry.raw, better);
            return Scored {
                parts: vec![level_part(entry.raw, off)],
                score: Some(off),
                weight: 1.0,
                change,
                tolerance: self.limits.spread_points,
                band: None,
            };
        }
        let tolerance = self.model.metadata.tolerance;
        let [a, b] = entry.equation;
        let score = a * dst + b;
        let score = if better == Better::Unknown {
            0.0 - score.abs()
        } else {
            score
        };
        Scored {
            parts: Vec::new(),
            score: score.is_finite().then_some(score),
            weight: 1.0,
            change,
            tolerance,
            band: line_band(check, src, a, b, tolerance),
        }
    }

    fn describe(&self) -> Vec<String> {
        let metadata = &self.model.metadata;
        let mut lines = vec![format!(
            "model {}: {} metrics, {} nights{}",
            self.name,
            self.model.metrics.len(),
            metadata.builds.len(),
            match (metadata.builds.first(), metadata.builds.last()) {
                (Some(first), Some(last)) =>
                    format!(", builds {} to {}", first.label(), last.label()),
                _ => String::new(),
            }
        )];
        lines.extend(
            self.limits
                .describe()
                .into_iter()
                .map(|line| format!("without a history: {line}")),
        );
        lines
    }
}

fn level_part(level: f64, diff: f64) -> Part {
    Part {
        name: "level".into(),
        reference: Some(level),
        diff_pct: diff,
        weight: 1.0,
    }
}

/// One metric before it is decided which are called.
struct Finding {
    /// Index into the judged checks.
    index: usize,
    p_worse: f64,
    p_better: f64,
    /// Whether the effect is large enough to be called, on either side.
    counts: bool,
    /// The upper of two states is no longer seen.
    upper_lost: bool,
}

/// Everything the history rules add to a comparison.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    /// Host shifts.
    pub(crate) groups: Vec<CheckResult>,
    /// What a reader should know, one line each.
    pub(crate) notes: Vec<String>,
}

/// Judges DST (and its repetitions) by a history model; overrides what single pairs said.
pub(crate) fn by_model(
    judged: &mut Vec<Judged>,
    model: &HistoryModel,
    dst: &[Indexed<'_>],
    limits: HistoryLimits,
    tolerance: f64,
    references: usize,
) -> Decided {
    let results: Vec<BTreeMap<&str, f64>> = dst.iter().map(by_id).collect();
    add_missing(judged, model, &results, references);
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
        if check.status == Status::Missing && often_absent(model, entry) {
            check.status = Status::Flaky;
        }
        if check.labels.iter().any(|label| label == CLIENTS_DIFFER) || check.check == Check::Error {
            continue;
        }
        let Some(found) = candidate.judge(model, &check.id) else {
            without_scale(check, entry, tolerance);
            continue;
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
    let groups = host_shifts(model, &candidate, limits.group_pct);
    let mut notes = notes(judged, model, dst, &findings, limits);
    notes.extend(drifted);
    Decided { groups, notes }
}

fn by_id<'a>(result: &Indexed<'a>) -> BTreeMap<&'a str, f64> {
    result.iter().map(|m| (m.id.as_str(), m.value)).collect()
}

fn often_absent(model: &HistoryModel, entry: &Entry) -> bool {
    model.recent() >= entry.seen_last10 + OFTEN_ABSENT
}

/// Adds what only the model, or a repetition, knows: missing metrics of the last nights.
fn add_missing(
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
    limits: HistoryLimits,
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
    let floor = entry.goodness().floor(entry.mu(), limits.min_effect_pct);
    let (p_worse, p_better) = if two_sided {
        ((2.0 * found.p_worse.min(found.p_better)).min(1.0), 1.0)
    } else {
        (found.p_worse, found.p_better)
    };
    check.p = Some(p_worse.min(p_better));
    Finding {
        index,
        p_worse,
        p_better,
        counts: found.effect.abs() >= floor,
        upper_lost: found.state == Some(State::UpperLost),
    }
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

/// Decides which findings are called: primary and secondary levels are families of their own, and so
/// are worse and better.
fn settle(judged: &mut [Judged], findings: &[Finding], fdr: f64) {
    for primary in [true, false] {
        let family: Vec<&Finding> = findings
            .iter()
            .filter(|finding| judged[finding.index].result.primary == primary)
            .collect();
        let worse = q_values(&family.iter().map(|of| of.p_worse).collect::<Vec<_>>());
        let better = q_values(&family.iter().map(|of| of.p_better).collect::<Vec<_>>());
        for ((finding, q_worse), q_better) in family.into_iter().zip(worse).zip(better) {
            let check = &mut judged[finding.index].result;
            check.q = Some(if finding.p_worse <= finding.p_better {
                q_worse
            } else {
                q_better
            });
            check.labels.retain(|label| label != "minor");
            check.status = if finding.counts && q_worse <= fdr {
                Status::Regression
            } else if finding.counts && q_better <= fdr {
                Status::Improvement
            } else if finding.upper_lost || (finding.counts && finding.p_worse < SUSPECT) {
                Status::Suspect
            } else {
                Status::Within
            };
            if check.status == Status::Within {
                (check.since, check.outside_builds) = (None, 0);
                if check.bands.is_some_and(|bands| bands > 0.5) {
                    check.labels.push("minor".into());
                }
            }
        }
    }
}

/// Marks metrics whose present level is worse than the accepted one by more than `tolerance` percent:
/// many small losses, none of which was worth a call.
///
/// Once a level was accepted by hand that is a regression until the next acceptance: a lasting loss
/// must not become normal by itself. Before, the first level is only guessed to be the right one.
fn cumulative_drift(
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

/// The name of the group of everything in a profile.
fn of_profile(profile: &str) -> Option<MetricId> {
    let any: MetricId = format!("{profile}/*/*:./*-*/*/*.mean").parse().ok()?;
    JUDGED.last().map(|fields| merged(&any, fields))
}

/// One group check a profile: what its metrics did together.
fn host_shifts(
    model: &HistoryModel,
    candidate: &Candidate<'_>,
    group_pct: f64,
) -> Vec<CheckResult> {
    candidate
        .host_shifts(model)
        .into_iter()
        .filter_map(|(profile, host)| {
            let usual = host.usual.exp_m1() * 100.0;
            let basis = format!(
                "shift shared by {} metrics, usually \u{b1}{usual:.2} %",
                host.metrics
            );
            let limit = (4.0 * usual).max(group_pct);
            shift_check(&profile, host.shift, limit, host.outlier, basis)
        })
        .collect()
}

fn shift_check(
    profile: &str,
    shift: f64,
    limit: f64,
    outlier: bool,
    basis: String,
) -> Option<CheckResult> {
    let mut group = named(&of_profile(profile)?, Better::Higher);
    let pct = shift.exp_m1() * 100.0;
    group.labels = vec!["group".into(), HOST_SHIFT.into()];
    group.unit = "%".into();
    (group.score, group.change_pct) = (Some(pct), Some(pct));
    group.tolerance = Some(limit);
    group.band_pct = Some([0.0 - limit, limit]);
    group.bands = Some(pct.abs() / limit).filter(|bands| bands.is_finite());
    group.basis = Some(basis);
    group.status = match pct {
        pct if outlier && pct < -limit => Status::Regression,
        pct if outlier && pct > limit => Status::Improvement,
        _ => Status::Within,
    };
    Some(group)
}

fn notes(
    judged: &[Judged],
    model: &HistoryModel,
    dst: &[Indexed<'_>],
    findings: &[Finding],
    limits: HistoryLimits,
) -> Vec<String> {
    let mut notes = Vec::new();
    let primary = |finding: &&Finding| judged[finding.index].result.primary;
    let mde: Vec<f64> = findings
        .iter()
        .filter(primary)
        .filter_map(|finding| judged[finding.index].result.mde_pct)
        .collect();
    if let Some(median) = stats::median(&mde) {
        notes.push(format!(
            "{} primary metrics held against the model at a target false-discovery rate of {:.0} %; half of them would show a change of {median:.1} %",
            mde.len(),
            limits.fdr * 100.0
        ));
    }
    let without = judged
        .iter()
        .filter(|one| {
            one.result
                .labels
                .iter()
                .any(|label| label == NOT_ENOUGH_DATA)
        })
        .count();
    if without > 0 {
        notes.push(format!(
            "{without} metrics have too few nights in the model and are held against --tolerance"
        ));
    }
    let other_unit = judged
        .iter()
        .filter(|one| {
            let unit = model
                .get(one.result.id.as_str())
                .and_then(|entry| entry.unit.as_deref());
            unit.is_some_and(|unit| !one.result.unit.is_empty() && one.result.unit != unit)
        })
        .count();
    if other_unit > 0 {
        notes.push(format!("{other_unit} metrics have another unit than the model was trained on; their numbers are compared as they stand"));
    }
    let trained_on = model
        .metadata
        .builds
        .last()
        .and_then(|build| build.machine.as_deref());
    let tonight = dst.first().and_then(|one| one.data.metadata.get("machine"));
    if let (Some(trained), Some(tonight)) = (trained_on, tonight)
        && trained != tonight
    {
        notes.push(format!(
            "the model was trained on {trained}, DST ran on {tonight}"
        ));
    }
    notes
}

/// Judges DST against SRC with a scale pooled over all metrics; `None` when there are too few pairs,
/// or nothing to learn a scale from.
pub(crate) fn pairwise(
    judged: &mut [Judged],
    src: &Indexed<'_>,
    dst: &[Indexed<'_>],
    limits: HistoryLimits,
    tolerance: f64,
) -> Option<Decided> {
    let results: Vec<BTreeMap<&str, f64>> = dst.iter().map(by_id).collect();
    let mut known = Vec::new();
    for (index, one) in judged.iter().enumerate() {
        let check = &one.result;
        let fewer = check.labels.iter().any(|label| label == CLIENTS_DIFFER);
        let values: Vec<f64> = results
            .iter()
            .filter_map(|of| of.get(check.id.as_str()).copied())
            .collect();
        let (Some(before), Some(now), Check::Mean, false) =
            (check.src, stats::median(&values), check.check, fewer)
        else {
            continue;
        };
        let Some(goodness) = Goodness::choose(&[before, now], check.better.sign()) else {
            continue;
        };
        if before != 0.0 {
            known.push((
                index,
                goodness,
                goodness.of(now) - goodness.of(before),
                goodness.of(before),
            ));
        }
    }
    let primary = known
        .iter()
        .filter(|(index, ..)| judged[*index].result.primary)
        .count();
    if primary < pairwise::FEWEST {
        return None;
    }
    let mut spreads: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for m in std::iter::once(src).chain(dst).flat_map(Indexed::iter) {
        if m.id.check() == Check::Stddev {
            spreads
                .entry(m.id.stem())
                .or_default()
                .push((m.value / 100.0).powi(2));
        }
    }
    let within = |id: &MetricId| stats::mean(spreads.get(id.stem())?);
    let ids: Vec<MetricId> = known
        .iter()
        .map(|(index, ..)| judged[*index].result.id.clone())
        .collect();
    let pairs: Vec<pairwise::Pair<'_>> = known
        .iter()
        .zip(&ids)
        .map(|((_, _, d, _), id)| pairwise::Pair {
            profile: id.profile(),
            d: *d,
            within: within(id),
        })
        .collect();
    let verdicts = pairwise::judge(&pairs)?;
    let shifts = shared(&pairs, &verdicts);

    let edge = quantile(EDGE, pairwise::FREEDOM);
    let mut findings = Vec::new();
    for ((index, goodness, _, level), verdict) in known.iter().zip(&verdicts) {
        let check = &mut judged[*index].result;
        let two_sided = check.better == Better::Unknown;
        let percent = |d: f64| goodness.change_pct(*level, d);
        let t = verdict.d / verdict.sd;
        let score = if t.is_finite() {
            tolerance * t / edge
        } else {
            0.0
        };
        let score = if two_sided { 0.0 - score.abs() } else { score };
        check.score = Some(score);
        check.tolerance = Some(tolerance);
        check.bands = Some(score.abs() / tolerance).filter(|bands| bands.is_finite());
        let half = quantile(0.975, pairwise::FREEDOM) * verdict.sd;
        let (low, high) = (percent(verdict.d - half), percent(verdict.d + half));
        check.ci_pct =
            (low.is_finite() && high.is_finite()).then(|| [low.min(high), low.max(high)]);
        let normal = [percent(-edge * verdict.sd), percent(edge * verdict.sd)];
        check.band_pct = normal
            .iter()
            .all(|edge| edge.is_finite())
            .then(|| [normal[0].min(normal[1]), normal[0].max(normal[1])]);
        let seen = (edge + quantile(0.80, pairwise::FREEDOM)) * verdict.sd;
        check.mde_pct = Some(percent(-seen * goodness.sign).abs()).filter(|mde| mde.is_finite());
        check.basis = Some("SRC against DST, with the noise of all metrics".into());
        let turned = turn(percent(verdict.d), check.better);
        if turned.is_finite() {
            check.checks = vec![level_part(check.src.unwrap_or(0.0), turned)];
        }
        let (p_worse, p_better) = if two_sided {
            ((2.0 * verdict.p_worse.min(verdict.p_better)).min(1.0), 1.0)
        } else {
            (verdict.p_worse, verdict.p_better)
        };
        check.p = Some(p_worse.min(p_better));
        findings.push(Finding {
            index: *index,
            p_worse,
            p_better,
            counts: verdict.d.abs() >= goodness.floor(*level, limits.min_effect_pct),
            upper_lost: false,
        });
    }
    settle(judged, &findings, limits.fdr);
    let groups = shifts
        .into_iter()
        .filter_map(|(profile, (shift, metrics))| {
            let limit = groups::limit(tolerance, metrics).max(limits.group_pct);
            let basis = format!("change shared by {metrics} metrics");
            shift_check(profile, shift, limit, true, basis)
        })
        .collect();
    let notes = vec![format!(
        "{} metrics, SRC against DST without a history, at a target false-discovery rate of {:.0} %; a model of many nights sees smaller changes (analyze-perf --model)",
        findings.len(),
        limits.fdr * 100.0
    )];
    Some(Decided { groups, notes })
}

/// What was taken out of every pair of a profile, and how many pairs that is.
fn shared<'a>(
    pairs: &[pairwise::Pair<'a>],
    verdicts: &[pairwise::Verdict],
) -> BTreeMap<&'a str, (f64, usize)> {
    let mut shifts: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for (pair, verdict) in pairs.iter().zip(verdicts) {
        let entry = shifts.entry(pair.profile).or_insert((0.0, 0));
        if pair.d.is_finite() {
            entry.0 = pair.d - verdict.d;
        }
        entry.1 += 1;
    }
    shifts
}
