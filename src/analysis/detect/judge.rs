//! A candidate held against the model: how far, how sure.

use std::collections::BTreeMap;

use super::goodness::Transform;
use super::host;
use super::model::{Entry, HistoryModel};
use super::repeat::combine;
use super::states::upper_lost;
use super::student::{cdf, quantile};
use super::train::EDGE;
use crate::metric::{Check, MetricId};

/// What one metric of the candidate says.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Probability of a value as bad as this one or worse, if nothing changed.
    pub p_worse: f64,
    /// Likewise for better.
    pub p_better: f64,
    /// Difference from the level in goodness: negative is worse.
    pub effect: f64,
    /// The same as measured, percent of the level.
    pub effect_pct: f64,
    /// 95 % interval of it, `[low, high]`; `None` when not finite.
    pub ci_pct: Option<[f64; 2]>,
    /// Smallest change that would be seen in four of five cases, percent.
    pub mde_pct: Option<f64>,
    /// Turned by direction: ±tolerance is the edge of normal.
    pub score: f64,
    /// Level it was held against, in the metric's unit, host shift taken back in.
    pub level: f64,
    /// State the candidate is nearest to.
    pub state: Option<State>,
    /// A host shift was subtracted from it.
    pub host_corrected: bool,
}

impl Evidence {
    /// Returns the same evidence where the other direction is the better one.
    pub fn turned(self) -> Self {
        Self {
            p_worse: self.p_better,
            p_better: self.p_worse,
            effect: -self.effect,
            score: 0.0 - self.score,
            ..self
        }
    }
}

/// Which of two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The upper one.
    High,
    /// The lower one.
    Low,
    /// The lower one, for so long that the upper one seems lost.
    UpperLost,
}

/// The shift of one profile in the candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostShift {
    /// Shift in goodness; of several results the median.
    pub shift: f64,
    /// How it usually varies, in log units.
    pub usual: f64,
    /// Metrics it is taken from.
    pub metrics: usize,
    /// Far outside the usual.
    pub outlier: bool,
}

/// The candidate results: for each, value by metric.
#[derive(Debug, Default)]
pub struct Candidate<'a> {
    results: Vec<BTreeMap<&'a str, f64>>,
    /// By profile: shift of each result.
    shifts: BTreeMap<String, Vec<Option<f64>>>,
}

impl<'a> Candidate<'a> {
    /// Takes the values of one or more results of the same build, and finds the shift of each host.
    pub fn new(model: &HistoryModel, results: Vec<BTreeMap<&'a str, f64>>) -> Self {
        let mut shifts: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
        for (index, values) in results.iter().enumerate() {
            for (profile, shift) in shifts_of(model, values) {
                let of = shifts
                    .entry(profile)
                    .or_insert_with(|| vec![None; results.len()]);
                of[index] = Some(shift);
            }
        }
        Self { results, shifts }
    }

    /// Returns the shift of each profile whose usual variation is known.
    pub fn host_shifts(&self, model: &HistoryModel) -> BTreeMap<String, HostShift> {
        self.shifts
            .iter()
            .filter_map(|(profile, shifts)| {
                let info = model.metadata.profiles.get(profile)?;
                let known: Vec<f64> = shifts.iter().flatten().copied().collect();
                let shift = crate::analysis::stats::median(&known)?;
                let usual = info.host_mad;
                let outlier = usual > 0.0 && host::is_outlier(shift, usual);
                Some((
                    profile.clone(),
                    HostShift {
                        shift,
                        usual,
                        metrics: info.metrics,
                        outlier,
                    },
                ))
            })
            .collect()
    }

    /// Judges one metric; `None` when the model does not know it, has no scale for it, or no result
    /// has it.
    ///
    /// # Formula
    ///
    /// `t = (x − mu) / se`, `se = s~ sqrt(v + 1/n)` with v and the shift of x from [`combine`];
    /// one-sided p from Student's t. Interval `d ± t(nu, .975) se`; smallest visible change
    /// `1 − exp(−(t(nu, .99) + t(nu, .80)) se)`; score `T t / t(nu, .99)` along the line in the
    /// metric's unit.
    pub fn judge(&self, model: &HistoryModel, id: &MetricId) -> Option<Evidence> {
        let entry = model.get(id.as_str())?;
        if !entry.has_scale() {
            return None;
        }
        let goodness = entry.goodness();
        let info = model.metadata.profiles.get(id.profile());
        let shifts = self.shifts.get(id.profile());
        let takes_shift = id.check() == Check::Mean && goodness.transform == Transform::Log;
        let mut host_corrected = false;
        let mut taken = Vec::new();
        let x: Vec<f64> = self
            .results
            .iter()
            .enumerate()
            .filter_map(|(index, values)| {
                let x = goodness.of(*values.get(id.as_str())?);
                let shift = shifts.and_then(|of| of[index]).filter(|_| takes_shift);
                let usual = info.map_or(0.0, |info| info.host_mad);
                let subtracted = match shift {
                    Some(shift) if usual > 0.0 => {
                        let outlier = host::is_outlier(shift, usual);
                        host_corrected |= outlier;
                        if entry.host || outlier { shift } else { 0.0 }
                    }
                    _ => 0.0,
                };
                taken.push(subtracted);
                Some(x - subtracted)
            })
            .collect();
        let taken = crate::analysis::stats::median(&taken)?;
        let combined = combine(&x)?;
        let against = Against::nearest(entry, (combined.worse + combined.better) / 2.0);
        let se = against.sd * (combined.variance + 1.0 / against.n.max(1) as f64).sqrt();
        let noise = combined.shift * against.sd;
        let worse = combined.worse - noise - against.mu;
        let better = combined.better + noise - against.mu;
        // The side that is asked for is the one the value lies on; between both, nothing happened.
        let effect = if worse < 0.0 {
            worse
        } else if better > 0.0 {
            better
        } else {
            0.0
        };
        let edge = (se * quantile(EDGE, against.dof))
            .max(goodness.floor(against.mu, model.metadata.min_effect_pct));
        let interval = quantile(0.975, against.dof) * se;
        let low = goodness.change_pct(against.mu, effect - interval);
        let high = goodness.change_pct(against.mu, effect + interval);
        let seen = (quantile(EDGE, against.dof) + quantile(0.80, against.dof)) * se;
        let mde = goodness.change_pct(against.mu, -seen * goodness.sign).abs();
        Some(Evidence {
            p_worse: probability(worse, se, against.dof),
            p_better: probability(-better, se, against.dof),
            effect,
            effect_pct: goodness.change_pct(against.mu, effect),
            ci_pct: (low.is_finite() && high.is_finite()).then(|| [low.min(high), low.max(high)]),
            mde_pct: mde.is_finite().then_some(mde),
            score: score(entry, &against, effect, edge, model.metadata.tolerance),
            level: goodness.value(against.mu + taken),
            state: against.state,
            host_corrected,
        })
    }
}

/// What a value is held against: the level, or the nearest of two states.
struct Against {
    mu: f64,
    sd: f64,
    dof: f64,
    n: usize,
    state: Option<State>,
}

impl Against {
    fn nearest(entry: &Entry, x: f64) -> Self {
        let Some(states) = &entry.states else {
            return Self {
                mu: entry.mu(),
                sd: entry.sd,
                dof: entry.dof,
                n: entry.n_seg,
                state: None,
            };
        };
        let low = (x - states.mu[1]).abs() < (x - states.mu[0]).abs();
        let index = usize::from(low);
        let dof = states.counts.iter().sum::<usize>().saturating_sub(2) as f64;
        Self {
            mu: states.mu[index],
            sd: states.sd[index],
            dof: if entry.wild {
                dof.min(super::train::WILD_FREEDOM)
            } else {
                dof
            },
            n: states.counts[index],
            state: Some(match low {
                false => State::High,
                true if upper_lost(states.share_low_before(), states.low_run + 1) => {
                    State::UpperLost
                }
                true => State::Low,
            }),
        }
    }
}

/// `P(T <= d / se)`; a scale of 0 makes any difference certain.
fn probability(d: f64, se: f64, dof: f64) -> f64 {
    if se > 0.0 {
        cdf(d / se, dof)
    } else if d < 0.0 {
        0.0
    } else if d > 0.0 {
        1.0
    } else {
        0.5
    }
}

/// The score along the straight line in the metric's unit, ±T at ±`edge`; turned.
///
/// Straight in the value and not in its logarithm, as the stored equation is: for one result the
/// two agree exactly.
fn score(entry: &Entry, against: &Against, effect: f64, edge: f64, tolerance: f64) -> f64 {
    let goodness = entry.goodness();
    let value = goodness.value(against.mu + effect);
    let (worse, better) = (
        goodness.value(against.mu - edge),
        goodness.value(against.mu + edge),
    );
    let score = tolerance - 2.0 * tolerance * (better - value) / (better - worse);
    if score.is_finite() { score } else { 0.0 }
}

/// The shift of each profile in one result: the weighted median of its metrics' residuals.
fn shifts_of(model: &HistoryModel, values: &BTreeMap<&str, f64>) -> BTreeMap<String, f64> {
    let mut by_profile: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for (id, value) in values {
        let Some(entry) = model
            .get(id)
            .filter(|entry| entry.primary && entry.has_scale())
        else {
            continue;
        };
        let goodness = entry.goodness();
        let Some((profile, _)) = id.split_once('/') else {
            continue;
        };
        if goodness.transform != Transform::Log || !id.ends_with(".mean") {
            continue;
        }
        let x = goodness.of(*value);
        let against = Against::nearest(entry, x);
        if (x - against.mu).is_finite() {
            by_profile
                .entry(profile)
                .or_default()
                .push((x - against.mu, against.sd * against.sd));
        }
    }
    by_profile
        .into_iter()
        .filter(|(profile, _)| {
            let info = model.metadata.profiles.get(*profile);
            info.is_some_and(|info| info.host_mad > 0.0)
        })
        .filter_map(|(profile, pairs)| {
            let variances: Vec<f64> = pairs.iter().map(|(_, variance)| *variance).collect();
            let weighted: Vec<(f64, f64)> = pairs
                .iter()
                .map(|(residual, _)| *residual)
                .zip(host::weights(&variances))
                .collect();
            Some((profile.to_owned(), host::shift(&weighted)?))
        })
        .collect()
}
