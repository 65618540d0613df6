//! Series into a model: the steps of `docs/detection.md`, in their order.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::goodness::{Goodness, Transform};
use super::model::{Entry, HistoryModel, Metadata, ProfileInfo, Step, TwoStates, is_level};
use super::robust::{huber, noise_between_neighbours, pooled_variance};
use super::segments::segments;
use super::shrink::{Observed, Prior, moderated};
use super::student::quantile;
use super::training::{MetricSeries, Training};
use super::{drift, host, states};
use crate::analysis::stats;
use crate::metric::Check;

/// One night in a hundred lies outside the normal range, on each side.
pub const EDGE: f64 = 0.99;
/// Fewest nights for a host effect.
const FEWEST_FOR_HOST: usize = 5;
/// Fewest nights for the wild-history rule.
const FEWEST_FOR_WILD: usize = 8;
/// A residual beyond this many standard deviations is wild.
const WILD: f64 = 4.5;
/// Degrees of freedom of a metric that throws wild nights.
pub const WILD_FREEDOM: f64 = 5.0;
/// A variance of exactly 0 is believed from this many nights on: a size, a count.
const CONSTANT: usize = 5;

/// What a person can choose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Score at the edge of the normal range.
    pub tolerance: f64,
    /// Floor of the half width of that range, percent.
    pub min_effect_pct: f64,
    /// Night (index in order of time) whose level was accepted by hand; `None`: the first level counts.
    pub accepted_from: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tolerance: 5.0,
            min_effect_pct: 0.5,
            accepted_from: None,
        }
    }
}

/// One metric while it is learned.
struct Work<'a> {
    series: &'a MetricSeries,
    goodness: Goodness,
    /// Goodness of each value of the series.
    x: Vec<f64>,
    fit: Fit,
    host: bool,
}

/// Segments, levels and residuals.
#[derive(Default)]
struct Fit {
    /// Indices into `x`.
    starts: Vec<usize>,
    levels: Vec<f64>,
    residuals: Vec<f64>,
}

impl Fit {
    fn new(x: &[f64]) -> Self {
        let sd = noise_between_neighbours(x);
        let mut starts = segments(x, sd);
        if starts.len() > 1 && has_states(x) {
            // Nights that go back and forth between two levels are no accepted changes.
            starts.truncate(1);
        }
        let mut fit = Self {
            residuals: Vec::with_capacity(x.len()),
            levels: Vec::with_capacity(starts.len()),
            starts,
        };
        for (index, start) in fit.starts.iter().enumerate() {
            let end = fit.starts.get(index + 1).copied().unwrap_or(x.len());
            let part = &x[*start..end];
            let level = huber(part, sd).unwrap_or(0.0);
            fit.levels.push(level);
            fit.residuals.extend(part.iter().map(|value| value - level));
        }
        fit
    }
}

fn has_states(x: &[f64]) -> bool {
    let middle = stats::median(x).unwrap_or(0.0);
    states::find(&x.iter().map(|value| value - middle).collect::<Vec<_>>()).is_some()
}

impl Work<'_> {
    fn refit(&mut self) {
        self.fit = Fit::new(&self.x);
    }

    /// Nights of the values.
    fn nights(&self) -> impl Iterator<Item = usize> + '_ {
        self.series.values.iter().map(|(night, _)| *night)
    }

    /// The night of a value; the last one for indices beyond.
    fn night(&self, index: usize) -> usize {
        let values = &self.series.values;
        values
            .get(index)
            .or(values.last())
            .map_or(0, |(night, _)| *night)
    }

    fn variance(&self) -> Option<f64> {
        pooled_variance(&self.fit.residuals, self.fit.starts.len())
    }
}

/// Learns what is normal.
///
/// Pure; the same training gives the same model. Metrics without a value, or whose numbers are beyond
/// double precision, are left out; all others have an entry.
pub fn train(training: &Training, settings: Settings) -> HistoryModel {
    let nights = training.builds.len();
    let mut work: Vec<Work> = training
        .metrics
        .par_iter()
        .filter_map(|series| {
            let values: Vec<f64> = series.values.iter().map(|(_, value)| *value).collect();
            let goodness = Goodness::choose(&values, series.better.sign())?;
            let x = values.iter().map(|value| goodness.of(*value)).collect();
            let mut work = Work {
                series,
                goodness,
                x,
                fit: Fit::default(),
                host: false,
            };
            work.refit();
            Some(work)
        })
        .collect();

    let shifts = host_shifts(&work, nights);
    let profiles = profiles(&work, &shifts);
    work.par_iter_mut().for_each(|work| {
        if let Some(shifts) = shifts.get(work.series.id.profile())
            && is_level(work.series.id.check())
            && work.goodness.transform == Transform::Log
        {
            subtract(work, shifts, profiles[work.series.id.profile()].host_mad);
        }
    });

    let priors = [Check::Mean, Check::Stddev].map(|check| {
        let of = |primary: bool| -> Vec<Observed> {
            work.iter()
                .filter(|work| work.series.id.check() == check)
                .filter(|work| work.series.primary || !primary)
                .filter_map(observed)
                .collect()
        };
        // Secondary metrics often repeat a primary one (a latency is the inverse of a rate).
        Prior::fit(&of(true)).or_else(|| Prior::fit(&of(false)))
    });
    let metrics: Vec<(String, Entry)> = work
        .par_iter()
        .map(|work| {
            let prior = match work.series.id.check() {
                Check::Stddev => priors[1],
                Check::Mean | Check::Error => priors[0],
            };
            (
                work.series.id.to_string(),
                entry(work, prior, nights, settings),
            )
        })
        .collect();
    HistoryModel {
        metadata: Metadata {
            version: 3,
            tolerance: settings.tolerance,
            min_effect_pct: settings.min_effect_pct,
            tool: env!("CARGO_PKG_VERSION").into(),
            builds: training.builds.clone(),
            tools: training.tools.clone(),
            profiles,
            prior: priors[0],
            accepted: Vec::new(),
        },
        metrics: metrics.into_iter().collect(),
    }
}

/// Returns whether a metric tells about its host: primary levels do.
fn tells(work: &Work) -> bool {
    work.series.primary
        && is_level(work.series.id.check())
        && work.goodness.transform == Transform::Log
}

/// The shift of each profile in each night; profiles with too few metrics or nights are absent.
fn host_shifts<'a>(work: &[Work<'a>], nights: usize) -> BTreeMap<&'a str, Vec<Option<f64>>> {
    let mut by_profile: BTreeMap<&str, Vec<&Work>> = BTreeMap::new();
    for one in work.iter().filter(|one| tells(one)) {
        by_profile
            .entry(one.series.id.profile())
            .or_default()
            .push(one);
    }
    if nights < FEWEST_FOR_HOST {
        return BTreeMap::new();
    }
    by_profile
        .into_iter()
        .filter(|(_, metrics)| metrics.len() >= host::FEWEST_METRICS)
        .map(|(profile, metrics)| {
            let variances: Vec<f64> = metrics
                .iter()
                .map(|one| one.variance().unwrap_or(0.0))
                .collect();
            let mut by_night: Vec<Vec<(f64, f64)>> = vec![Vec::new(); nights];
            for (one, weight) in metrics.iter().zip(host::weights(&variances)) {
                for (night, residual) in one.nights().zip(&one.fit.residuals) {
                    by_night[night].push((*residual, weight));
                }
            }
            let shifts = by_night
                .par_iter()
                .map(|pairs| host::shift(pairs))
                .collect();
            (profile, shifts)
        })
        .collect()
}

fn profiles(
    work: &[Work],
    shifts: &BTreeMap<&str, Vec<Option<f64>>>,
) -> BTreeMap<String, ProfileInfo> {
    let mut profiles: BTreeMap<String, ProfileInfo> = BTreeMap::new();
    for one in work.iter().filter(|one| tells(one)) {
        let profile = one.series.id.profile();
        profiles.entry(profile.to_owned()).or_default().metrics += 1;
    }
    for (profile, shifts) in shifts {
        profiles.entry((*profile).to_owned()).or_default().host_mad = host::usual(shifts);
    }
    profiles
}

/// Subtracts the host shift where it pays, else on outlier nights only, and fits anew.
fn subtract(work: &mut Work, shifts: &[Option<f64>], usual: f64) {
    let pairs: Vec<(f64, f64)> = work
        .nights()
        .zip(&work.fit.residuals)
        .map(|(night, residual)| (*residual, shifts[night].unwrap_or(0.0)))
        .collect();
    work.host = host::worth_subtracting(&pairs);
    let mut changed = false;
    for ((night, _), x) in work.series.values.iter().zip(&mut work.x) {
        let shift = shifts[*night].unwrap_or(0.0);
        if work.host || host::is_outlier(shift, usual) {
            *x -= shift;
            changed = true;
        }
    }
    if changed {
        work.refit();
    }
}

fn observed(work: &Work) -> Option<Observed> {
    let freedom = work.x.len().checked_sub(work.fit.starts.len())? as f64;
    Some(Observed {
        variance: work.variance()?,
        freedom,
        within: work.series.within,
    })
}

fn entry(work: &Work, prior: Option<Prior>, nights: usize, settings: Settings) -> Entry {
    let fit = &work.fit;
    let n = work.x.len();
    let last_start = fit.starts.last().copied().unwrap_or(0);
    let mut mu = fit.levels.last().copied().unwrap_or(0.0);
    let mut variance = work.variance().unwrap_or(0.0);
    let freedom = n.saturating_sub(fit.starts.len()) as f64;
    let spread = variance.sqrt();
    let wild = n >= FEWEST_FOR_WILD
        && spread > 0.0
        && fit.residuals.iter().any(|r| r.abs() > WILD * spread);

    let level = mu;
    let two = states::find(&fit.residuals);
    let forecast = if two.is_none() {
        drift::forecast(&fit.residuals)
    } else {
        None
    };
    if let Some(forecast) = forecast {
        mu += forecast.next;
        variance = forecast.error * n as f64 / freedom.max(1.0);
    }
    let equal = variance <= 0.0 && n >= CONSTANT;
    let (variance, nu) = match prior {
        _ if freedom <= 0.0 => (0.0, 0.0),
        Some(prior) if !equal => moderated(
            variance,
            freedom,
            prior.expected(work.series.within),
            prior.d0,
        ),
        _ => (variance, freedom),
    };
    let (variance, mut nu) = if variance.is_finite() && nu.is_finite() {
        (variance, nu)
    } else {
        // Values further apart than double precision can square: nothing to judge by.
        (0.0, 0.0)
    };
    if wild {
        nu = nu.min(WILD_FREEDOM);
    }
    let dir = match work.series.better.sign() {
        sign if sign > 0.0 => 1,
        sign if sign < 0.0 => -1,
        _ => 0,
    };
    let first_recent = nights.saturating_sub(10);
    let mut entry = Entry {
        equation: [0.0, 0.0],
        raw: work.goodness.value(mu),
        mmin: 0.0,
        mmax: 0.0,
        n,
        segment_start: work.night(last_start),
        n_seg: n - last_start,
        steps: steps(work),
        sd: variance.sqrt(),
        dof: nu,
        dir,
        unit: work.series.unit.clone(),
        states: two.map(|states| TwoStates {
            mu: states.levels.map(|of| level + of),
            sd: [inner_sd(states.sd, n, prior, work.series.within); 2],
            share_low: states.counts[1] as f64 / n as f64,
            counts: states.counts,
            low_run: states.low_run,
        }),
        drifting: forecast.is_some(),
        host: work.host,
        wild,
        seen_last10: work.nights().filter(|night| *night >= first_recent).count(),
        mu_ref: reference_level(work, settings.accepted_from),
        linear: match work.goodness.transform {
            Transform::Log => None,
            Transform::Linear(typical) => Some(typical),
            Transform::Equality => Some(0.0),
        },
        primary: work.series.primary,
    };
    set_line(&mut entry, mu, settings);
    entry
}

/// Returns the level of the segment that a night lies in, or the next one that has the metric; without
/// a night that of the first segment.
fn reference_level(work: &Work, night: Option<usize>) -> Option<f64> {
    let at = match night {
        None => 0,
        Some(night) => work.nights().position(|of| of >= night)?,
    };
    let segment = work.fit.starts.partition_point(|start| *start <= at);
    work.fit.levels.get(segment.checked_sub(1)?).copied()
}

/// Returns the standard deviation inside a state, moderated like any other unless it is exactly 0.
fn inner_sd(sd: f64, n: usize, prior: Option<Prior>, within: Option<f64>) -> f64 {
    let freedom = n.saturating_sub(2) as f64;
    match prior {
        Some(prior) if sd > 0.0 => moderated(sd * sd, freedom, prior.expected(within), prior.d0)
            .0
            .sqrt(),
        _ => sd,
    }
}

fn steps(work: &Work) -> Vec<Step> {
    let fit = &work.fit;
    fit.starts
        .iter()
        .zip(
            fit.levels
                .windows(2)
                .map(|pair| (pair[0], pair[1]))
                .map(Some)
                .chain([None]),
        )
        .filter_map(|(_, pair)| pair)
        .zip(fit.starts.iter().skip(1))
        .filter_map(|((before, after), start)| {
            let pct = work.goodness.change_pct(before, after - before);
            let near = work.night(*start);
            pct.is_finite().then_some(Step { near, pct })
        })
        .collect()
}

/// Sets the line `a y + b` that is ±tolerance at the edges of the normal range of a single result.
///
/// # Formula
///
/// `se = s~ sqrt(1 + 1/n)`, `c = t(nu, 0.99)`; edges `mu ± max(c se, min_effect)` (two states: from the
/// lower state's lower edge to the upper state's upper edge); `a = 2T / (high − low)`,
/// `b = T − a high`, where high is the better edge.
fn set_line(entry: &mut Entry, mu: f64, settings: Settings) {
    let goodness = entry.goodness();
    let floor = goodness.floor(mu, settings.min_effect_pct);
    let half = |sd: f64, dof: f64, n: usize| {
        let wide = sd * (1.0 + 1.0 / n.max(1) as f64).sqrt() * quantile(EDGE, dof);
        if wide.is_finite() {
            wide.max(floor)
        } else {
            floor
        }
    };
    let (worse, better) = match entry.states {
        Some(states) => {
            let dof = states.counts.iter().sum::<usize>().saturating_sub(2) as f64;
            (
                states.mu[1] - half(states.sd[1], dof, states.counts[1]),
                states.mu[0] + half(states.sd[0], dof, states.counts[0]),
            )
        }
        None => {
            let half = half(entry.sd, entry.dof, entry.n_seg);
            (mu - half, mu + half)
        }
    };
    let (worse, better) = (goodness.value(worse), goodness.value(better));
    let slope = 2.0 * settings.tolerance / (better - worse);
    let offset = settings.tolerance - slope * better;
    if slope.is_finite() && offset.is_finite() {
        entry.equation = [slope, offset];
        let percent = |edge: f64| (edge - entry.raw) / entry.raw.abs() * 100.0;
        let (low, high) = (percent(worse.min(better)), percent(worse.max(better)));
        if low.is_finite() && high.is_finite() {
            (entry.mmin, entry.mmax) = (low, high);
        }
    }
}

#[cfg(test)]
mod tests;
