//! A history model: what is normal for every metric, learned from many nights.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::goodness::{Goodness, Transform};
use super::shrink::Prior;
use crate::metric::Check;

/// What is known about one night.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BuildInfo {
    /// Name of the result.
    pub name: String,
    /// When it began, RFC 3339.
    #[serde(default)]
    pub started: Option<String>,
    /// Metadata `build`.
    #[serde(default)]
    pub build: Option<String>,
    /// Metadata `machine`: addresses of the hosts.
    #[serde(default)]
    pub machine: Option<String>,
}

impl BuildInfo {
    /// Returns the build as people call it: its number, else the name of the result.
    pub fn label(&self) -> &str {
        self.build.as_deref().unwrap_or(&self.name)
    }
}

/// What is known about the host shift of one profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileInfo {
    /// Robust standard deviation of the shift over the nights, in log units; 0 when not known.
    pub host_mad: f64,
    /// Primary metrics of it.
    pub metrics: usize,
}

/// A level accepted by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Accepted {
    /// From this build on.
    pub build: String,
    /// When it was accepted, RFC 3339.
    #[serde(default)]
    pub at: String,
    /// Who.
    #[serde(default)]
    pub by: String,
    /// Why.
    #[serde(default)]
    pub note: String,
}

/// What the model as a whole says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metadata {
    /// 3.
    pub version: u32,
    /// Score at the edge of the normal range.
    pub tolerance: f64,
    /// Floor of the half width of that range, percent.
    #[serde(default)]
    pub min_effect_pct: f64,
    /// Version of the program that wrote it.
    #[serde(default)]
    pub tool: String,
    /// Nights, oldest first.
    #[serde(default)]
    pub builds: Vec<BuildInfo>,
    /// Version of the benchmark program by test, in the newest night that states it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, String>,
    /// Host shifts by profile.
    #[serde(default)]
    pub profiles: BTreeMap<String, ProfileInfo>,
    /// What variances are like; `None` with few metrics.
    #[serde(default)]
    pub prior: Option<Prior>,
    /// Levels accepted by hand, oldest first.
    #[serde(default)]
    pub accepted: Vec<Accepted>,
}

/// A change of the level, near a night.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Index into the builds: the first night of the new level, about.
    pub near: usize,
    /// Size as measured, percent of the level before.
    pub pct: f64,
}

/// Two states of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TwoStates {
    /// Level of the upper and the lower state, in goodness.
    pub mu: [f64; 2],
    /// Standard deviations inside them.
    pub sd: [f64; 2],
    /// Share of the nights in the lower state.
    pub share_low: f64,
    /// Results in each.
    #[serde(default)]
    pub counts: [usize; 2],
    /// Newest nights in a row in the lower state.
    #[serde(default)]
    pub low_run: usize,
}

impl TwoStates {
    /// Returns the share of the lower state before the newest nights that were all in it: a long
    /// absence of the upper state must not make itself look usual.
    pub fn share_low_before(&self) -> f64 {
        let low = self.counts[1].saturating_sub(self.low_run);
        match low + self.counts[0] {
            0 => self.share_low,
            nights => low as f64 / nights as f64,
        }
    }
}

/// What is normal for one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// `[a, b]`: the score of a value y is `a y + b`, falling where larger is worse.
    pub equation: [f64; 2],
    /// Level, in the metric's unit.
    pub raw: f64,
    /// Lower edge of the normal range, percent of the level.
    pub mmin: f64,
    /// Upper edge.
    pub mmax: f64,
    /// Nights that have the metric.
    #[serde(default)]
    pub n: usize,
    /// Index into the builds: first night of the present level.
    #[serde(default)]
    pub segment_start: usize,
    /// Nights of the present level.
    #[serde(default)]
    pub n_seg: usize,
    /// Changes of the level, oldest first.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Night-to-night standard deviation after shrinking, in log units.
    #[serde(default)]
    pub sd: f64,
    /// Its degrees of freedom; 0: not known, judged by `--tolerance`.
    #[serde(default)]
    pub dof: f64,
    /// +1, -1 or 0 (unknown, judged two-sided).
    #[serde(default)]
    pub dir: i8,
    /// Unit of the nights it was learned from.
    #[serde(default)]
    pub unit: Option<String>,
    /// Two states, when it has them.
    #[serde(default)]
    pub states: Option<TwoStates>,
    /// The level is a forecast.
    #[serde(default)]
    pub drifting: bool,
    /// Whether the host shift is subtracted on every night.
    #[serde(default)]
    pub host: bool,
    /// A night was wilder than 4.5 standard deviations.
    #[serde(default)]
    pub wild: bool,
    /// Of the last ten nights, how many have it.
    #[serde(default)]
    pub seen_last10: usize,
    /// Level of the accepted reference, in goodness.
    #[serde(default)]
    pub mu_ref: Option<f64>,
    /// Typical magnitude by which values are divided where a logarithm is not possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear: Option<f64>,
    /// A main metric of its iteration.
    #[serde(default)]
    pub primary: bool,
}

impl Entry {
    /// Returns how values of this metric become comparable.
    pub fn goodness(&self) -> Goodness {
        let sign = if self.dir < 0 { -1.0 } else { 1.0 };
        let transform = match self.linear {
            Some(typical) if typical > 0.0 => Transform::Linear(typical),
            Some(_) => Transform::Equality,
            None => Transform::Log,
        };
        Goodness { sign, transform }
    }

    /// Returns the level in goodness.
    pub fn mu(&self) -> f64 {
        self.goodness().of(self.raw)
    }

    /// Returns whether there is a scale to judge by.
    pub fn has_scale(&self) -> bool {
        self.dof > 0.0 && self.linear.is_none_or(|typical| typical > 0.0)
    }
}

/// What is normal for every metric of many nights.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryModel {
    /// About all of it.
    pub metadata: Metadata,
    /// By id.
    pub metrics: BTreeMap<String, Entry>,
}

impl HistoryModel {
    /// Returns the entry of a metric.
    pub fn get(&self, id: &str) -> Option<&Entry> {
        self.metrics.get(id)
    }

    /// Returns the index of a night by its build or its name; of several the newest.
    pub fn night(&self, build: &str) -> Option<usize> {
        night(&self.metadata.builds, build)
    }

    /// Takes over what was accepted in an earlier model of the same metrics.
    ///
    /// Where the accepted night is not among the nights of this model any more (they are a moving
    /// window), the accepted levels themselves are taken over.
    pub fn inherit(&mut self, earlier: &HistoryModel) {
        self.metadata
            .accepted
            .clone_from(&earlier.metadata.accepted);
        let Some(last) = self.metadata.accepted.last() else {
            return;
        };
        if self.night(&last.build).is_some() {
            return;
        }
        for (id, entry) in &mut self.metrics {
            if let Some(before) = earlier.get(id) {
                entry.mu_ref = before.mu_ref;
            }
        }
    }

    /// Returns by how much the present level of a metric is worse than the accepted one, in percent of
    /// that one; `None` when it is not worse or not known.
    pub fn drift_pct(&self, entry: &Entry) -> Option<f64> {
        let reference = entry.mu_ref?;
        let goodness = entry.goodness();
        let d = entry.mu() - reference;
        if entry.dir == 0 || d >= 0.0 || goodness.transform == Transform::Equality {
            return None;
        }
        let pct = goodness.change_pct(reference, d).abs();
        pct.is_finite().then_some(pct)
    }

    /// Returns the number of nights among the last ten of the model.
    pub fn recent(&self) -> usize {
        self.metadata.builds.len().min(10)
    }

    /// Returns in words what a metric is held against: "level of the last 12 nights since build 1843".
    pub fn basis(&self, entry: &Entry) -> String {
        let nights = if entry.n_seg == 1 { "night" } else { "nights" };
        let since = self
            .metadata
            .builds
            .get(entry.segment_start)
            .map(|build| format!(" since build {}", build.label()))
            .unwrap_or_default();
        let level = if entry.drifting {
            "forecast from"
        } else {
            "level of"
        };
        format!("{level} the last {} {nights}{since}", entry.n_seg)
    }
}

/// Returns the index of a night by its build or its name; of several the newest.
pub fn night(builds: &[BuildInfo], build: &str) -> Option<usize> {
    builds
        .iter()
        .rposition(|of| of.label() == build || of.name == build)
}

/// Returns whether an id names a level (not a spread): levels share in the host shift.
pub(crate) fn is_level(check: Check) -> bool {
    check == Check::Mean
}
