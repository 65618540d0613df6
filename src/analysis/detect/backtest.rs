//! How the rule would have judged the nights that are there: each held against those before it.
//!
//! Nobody has labels for a year of nights, and yet it can be told how good a rule is: what it called
//! either turned out to be the start of a lasting change, which the whole history shows, or it did
//! not. The second kind were false alarms, or faults of a single night.

mod report;

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decide::{Call, Doubt, Thresholds, decide};
use super::judge::{Candidate, HostShift};
use super::model::{BuildInfo, Entry, HistoryModel};
use super::train::{Settings, train};
use super::training::Training;
use crate::metric::{Better, Check};

/// Fewest nights before the one that is judged.
pub const FEWEST_BEFORE: usize = 2;
/// Nights that are replayed unless more are asked for.
pub const DEFAULT_NIGHTS: usize = 60;
/// How far before its place a step may have been noticed: segments are near a night, not on it.
const NEAR: usize = 1;

/// A replay of the newest nights; `runperf-backtest/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Backtest {
    /// `runperf-backtest/1`.
    pub schema: String,
    /// Nights in the history.
    pub history: usize,
    /// Target false-discovery rate.
    pub fdr: f64,
    /// Smallest effect that is called, percent.
    pub min_effect_pct: f64,
    /// Limit of a host shift, percent.
    pub group_pct: f64,
    /// Sums over the nights.
    pub total: Total,
    /// Nights that were replayed, oldest first.
    pub nights: Vec<ReplayedNight>,
    /// Lasting changes of primary metrics that began in those nights, by night and id.
    pub changes: Vec<LastingChange>,
}

/// Sums over all replayed nights; primary metrics only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Total {
    /// Metrics judged, summed over the nights.
    pub judged: usize,
    /// Called worse.
    pub worse: usize,
    /// Called better.
    pub better: usize,
    /// Worse than normal, but not called.
    pub suspect: usize,
    /// Called worse without a lasting change behind it.
    pub false_alarms: usize,
    /// The same per 1000 judged metrics; null when none was judged.
    pub false_alarms_per_1000: Option<f64>,
    /// Nights without a metric called worse and without a red host shift.
    pub green_nights: usize,
    /// Lasting changes for the worse, and how many of them were called in their first night, within
    /// four nights, later, never.
    pub worse_changes: usize,
    /// Called in their first night.
    pub noticed_at_once: usize,
    /// Called one to three nights later.
    pub noticed_soon: usize,
    /// Called after that.
    pub noticed_late: usize,
    /// Taken for the new level without a call.
    pub never_noticed: usize,
}

/// One night as it would have been judged; primary metrics only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedNight {
    /// Name of the result.
    pub name: String,
    /// Metadata `build`.
    pub build: Option<String>,
    /// When it began, RFC 3339.
    pub started: Option<String>,
    /// Metrics that were judged.
    pub judged: usize,
    /// Metrics it has that there were too few nights of.
    pub without_history: usize,
    /// Called worse.
    pub worse: usize,
    /// Called better.
    pub better: usize,
    /// Worse than normal, but not called.
    pub suspect: usize,
    /// Called worse without a lasting change behind it.
    pub false_alarms: usize,
    /// Ids of those.
    pub false_alarm_ids: Vec<String>,
    /// Red host shifts: percent by profile, negative is worse.
    pub host_shifts: BTreeMap<String, f64>,
}

/// A change of a metric's level that lasted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastingChange {
    /// The metric.
    pub id: String,
    /// Build near which it began.
    pub near: String,
    /// As measured, percent of the level before.
    pub change_pct: f64,
    /// Whether it is one for the worse; where nobody knows, it is.
    pub worse: bool,
    /// Build in which it was called first.
    pub noticed: Option<String>,
    /// Nights from the first with the new level to that one.
    pub after_nights: Option<usize>,
}

/// One call of one night.
struct Called {
    /// Index into the metrics of the training.
    metric: usize,
    worse: bool,
    /// First night of the level it was held against.
    level_since: usize,
}

/// What one night gave.
struct Replay {
    night: ReplayedNight,
    calls: Vec<Called>,
}

impl Backtest {
    /// Name of the format.
    pub const SCHEMA: &'static str = "runperf-backtest/1";

    /// Replays the newest `nights` of a history; `None` when it has fewer than three.
    ///
    /// Each night is judged by a model of all nights before it, without acceptances: nobody had
    /// accepted anything then. Pure, and the same for the same training.
    pub fn new(
        training: &Training,
        settings: Settings,
        thresholds: Thresholds,
        nights: usize,
    ) -> Option<Self> {
        let all = training.builds.len();
        let first = all.saturating_sub(nights).max(FEWEST_BEFORE);
        if first >= all {
            return None;
        }
        let settings = Settings {
            accepted_from: None,
            ..settings
        };
        let known = train(training, settings);
        let mut replays: Vec<Replay> = (first..all)
            .into_par_iter()
            .map(|night| replay(training, settings, thresholds, night))
            .collect();
        let changes = changes(training, &known, &replays, first);
        for (replay, night) in replays.iter_mut().zip(first..) {
            for called in replay.calls.iter().filter(|called| called.worse) {
                let id = training.metrics[called.metric].id.as_str();
                let steps = known.get(id).map(steps).unwrap_or_default();
                if !steps.iter().any(|step| step.explains(called, night)) {
                    replay.night.false_alarm_ids.push(id.to_owned());
                }
            }
            replay.night.false_alarms = replay.night.false_alarm_ids.len();
        }
        let nights: Vec<ReplayedNight> = replays.into_iter().map(|replay| replay.night).collect();
        Some(Self {
            schema: Self::SCHEMA.into(),
            history: all,
            fdr: thresholds.fdr,
            min_effect_pct: thresholds.min_effect_pct,
            group_pct: thresholds.group_pct,
            total: total(&nights, &changes),
            nights,
            changes,
        })
    }
}

fn replay(training: &Training, settings: Settings, thresholds: Thresholds, night: usize) -> Replay {
    let model = train(&training.before(night), settings);
    let tonight: Vec<(usize, f64)> = training
        .metrics
        .iter()
        .enumerate()
        .filter(|(_, metric)| metric.primary && metric.id.check() == Check::Mean)
        .filter_map(|(index, metric)| {
            let at = metric.values.binary_search_by_key(&night, |(of, _)| *of);
            Some((index, metric.values[at.ok()?].1))
        })
        .collect();
    let values = tonight
        .iter()
        .map(|(index, value)| (training.metrics[*index].id.as_str(), *value))
        .collect();
    let candidate = Candidate::new(&model, vec![values]);
    let judged: Vec<(usize, &Entry, Doubt)> = tonight
        .iter()
        .filter_map(|(index, _)| {
            let metric = &training.metrics[*index];
            let entry = model.get(metric.id.as_str())?;
            let found = candidate.judge(&model, &metric.id)?;
            let two_sided = metric.better == Better::Unknown;
            let doubt = Doubt::new(&found, entry, thresholds.min_effect_pct, two_sided);
            Some((*index, entry, doubt))
        })
        .collect();
    let doubts: Vec<Doubt> = judged.iter().map(|(_, _, doubt)| *doubt).collect();
    let decisions = decide(&doubts, thresholds.fdr);
    let count = |call: Call| decisions.iter().filter(|of| of.call == call).count();
    let BuildInfo {
        name,
        build,
        started,
        ..
    } = training.builds[night].clone();
    let night = ReplayedNight {
        name,
        build,
        started,
        judged: judged.len(),
        without_history: tonight.len() - judged.len(),
        worse: count(Call::Worse),
        better: count(Call::Better),
        suspect: count(Call::Suspect),
        false_alarms: 0,
        false_alarm_ids: Vec::new(),
        host_shifts: candidate
            .host_shifts(&model)
            .into_iter()
            .filter_map(|(profile, host)| Some((profile, red(&host, thresholds)?)))
            .collect(),
    };
    let calls = judged
        .iter()
        .zip(&decisions)
        .filter(|(_, decision)| matches!(decision.call, Call::Worse | Call::Better))
        .map(|((metric, entry, _), decision)| Called {
            metric: *metric,
            worse: decision.call == Call::Worse,
            level_since: entry.segment_start,
        })
        .collect();
    Replay { night, calls }
}

/// The shift in percent when it is beyond its limit.
fn red(host: &HostShift, thresholds: Thresholds) -> Option<f64> {
    let pct = host.shift.exp_m1() * 100.0;
    (host.outlier && pct.abs() > thresholds.shift_limit_pct(host.usual)).then_some(pct)
}

/// A step of the level as all nights together show it.
#[derive(Debug, Clone, Copy)]
struct Known {
    near: usize,
    pct: f64,
    /// `None` where nobody knows.
    worse: Option<bool>,
}

impl Known {
    /// Whether a call was about this step: made from about its first night on, in its direction, and
    /// still held against a level of before.
    fn explains(&self, called: &Called, night: usize) -> bool {
        let first = self.near.saturating_sub(NEAR);
        night >= first && called.level_since < first && self.worse.is_none_or(|w| w == called.worse)
    }
}

fn steps(entry: &Entry) -> Vec<Known> {
    entry
        .steps
        .iter()
        .map(|step| Known {
            near: step.near,
            pct: step.pct,
            worse: match entry.dir {
                0 => None,
                dir => Some(step.pct * f64::from(dir) < 0.0),
            },
        })
        .collect()
}

fn changes(
    training: &Training,
    known: &HistoryModel,
    replays: &[Replay],
    first: usize,
) -> Vec<LastingChange> {
    let mut calls: BTreeMap<usize, Vec<(usize, &Called)>> = BTreeMap::new();
    for (replay, night) in replays.iter().zip(first..) {
        for called in &replay.calls {
            calls
                .entry(called.metric)
                .or_default()
                .push((night, called));
        }
    }
    let mut found = BTreeSet::new();
    let mut changes = Vec::new();
    for (index, metric) in training.metrics.iter().enumerate() {
        if !metric.primary || metric.id.check() != Check::Mean {
            continue;
        }
        for step in known.get(metric.id.as_str()).map(steps).unwrap_or_default() {
            if step.near < first {
                continue;
            }
            let of = calls.get(&index).into_iter().flatten();
            let noticed = of
                .filter(|(night, called)| step.explains(called, *night))
                .map(|(night, _)| *night)
                .min();
            found.insert((step.near, index, changes.len()));
            changes.push(LastingChange {
                id: metric.id.to_string(),
                near: training.builds[step.near].label().to_owned(),
                change_pct: step.pct,
                worse: step.worse != Some(false),
                noticed: noticed.map(|night| training.builds[night].label().to_owned()),
                after_nights: noticed.map(|night| night.saturating_sub(step.near)),
            });
        }
    }
    found
        .into_iter()
        .map(|(_, _, at)| changes[at].clone())
        .collect()
}

fn total(nights: &[ReplayedNight], changes: &[LastingChange]) -> Total {
    let sum = |of: fn(&ReplayedNight) -> usize| nights.iter().map(of).sum::<usize>();
    let (judged, false_alarms) = (sum(|night| night.judged), sum(|night| night.false_alarms));
    let worse: Vec<&LastingChange> = changes.iter().filter(|change| change.worse).collect();
    let noticed = |when: fn(Option<usize>) -> bool| {
        let after = worse.iter().map(|change| change.after_nights);
        after.filter(|after| when(*after)).count()
    };
    Total {
        judged,
        worse: sum(|night| night.worse),
        better: sum(|night| night.better),
        suspect: sum(|night| night.suspect),
        false_alarms,
        false_alarms_per_1000: (judged > 0).then(|| 1000.0 * false_alarms as f64 / judged as f64),
        green_nights: nights
            .iter()
            .filter(|night| night.worse == 0 && night.host_shifts.values().all(|pct| *pct > 0.0))
            .count(),
        worse_changes: worse.len(),
        noticed_at_once: noticed(|after| after == Some(0)),
        noticed_soon: noticed(|after| matches!(after, Some(1..=3))),
        noticed_late: noticed(|after| matches!(after, Some(4..))),
        never_noticed: noticed(|after| after.is_none()),
    }
}

#[cfg(test)]
mod tests;
