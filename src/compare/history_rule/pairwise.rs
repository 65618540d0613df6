//! SRC against DST, the noise learned from all pairs.

use std::collections::BTreeMap;

use super::shifts::shift_check;
use super::{Decided, Finding, by_id, level_part, settle};
use crate::analysis::detect::decide::{Doubt, Thresholds};
use crate::analysis::detect::goodness::Goodness;
use crate::analysis::detect::pairwise;
use crate::analysis::detect::student::quantile;
use crate::analysis::detect::train::EDGE;
use crate::analysis::stats;
use crate::compare::groups;
use crate::compare::judge::{CLIENTS_DIFFER, Judged};
use crate::compare::records::Indexed;
use crate::compare::score::turn;
use crate::metric::{Better, Check, MetricId};

/// Judges DST against SRC with a scale pooled over all metrics; `None` when there are too few pairs,
/// or nothing to learn a scale from.
pub(crate) fn pairwise(
    judged: &mut [Judged],
    src: &Indexed<'_>,
    dst: &[Indexed<'_>],
    limits: Thresholds,
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
        let doubt = Doubt {
            p_worse: verdict.p_worse,
            p_better: verdict.p_better,
            counts: verdict.d.abs() >= goodness.floor(*level, limits.min_effect_pct),
            upper_lost: false,
        }
        .two_sided_if(two_sided);
        check.p = Some(doubt.p_worse.min(doubt.p_better));
        findings.push(Finding {
            index: *index,
            doubt,
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
