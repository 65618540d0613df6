//! Nights into series: order by time, units that changed, nights that stand there twice.

use std::collections::BTreeMap;

use super::model::BuildInfo;
use crate::analysis::directions::{direction_of, unit_of};
use crate::analysis::history::{History, Series};
use crate::metric::{Better, Check, MetricId};

/// The nights of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSeries {
    /// Its name.
    pub id: MetricId,
    /// Good direction.
    pub better: Better,
    /// Unit of the newest night.
    pub unit: Option<String>,
    /// A main metric of its iteration.
    pub primary: bool,
    /// Index of the night in order of time, and value; ascending.
    pub values: Vec<(usize, f64)>,
    /// Mean variance inside a result, relative to the value; `None` when unknown.
    pub within: Option<f64>,
}

/// Nights in order of time, metrics in order of their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Training {
    /// Oldest first.
    pub builds: Vec<BuildInfo>,
    /// By id.
    pub metrics: Vec<MetricSeries>,
    /// Version of the benchmark program by test, in the newest night that states it.
    pub tools: BTreeMap<String, String>,
    /// What a person should know, one line each.
    pub notes: Vec<String>,
}

impl Training {
    /// Puts a history in order of time: by metadata, then by name, never by the command line.
    ///
    /// A night whose date, build and figures are those of an earlier one (a copied directory) counts
    /// once. Values in another unit than the newest night's are left out of their metric. `given` are
    /// directions by metric name for results that state none.
    pub fn new(history: &History, given: &BTreeMap<String, Better>) -> Self {
        let mut notes = Vec::new();
        let mut order: Vec<usize> = (0..history.nights.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&history.nights[*a], &history.nights[*b]);
            (a.time, &a.name).cmp(&(b.time, &b.name))
        });
        let copies = copies(history, &order);
        for (copy, original) in &copies {
            notes.push(format!(
                "{} is a copy of {}; it counts once",
                history.nights[*copy].name, history.nights[*original].name
            ));
        }
        order.retain(|night| !copies.contains_key(night));
        let mut rank = vec![None; history.nights.len()];
        for (index, night) in order.iter().enumerate() {
            rank[*night] = Some(index);
        }
        let tools = order
            .iter()
            .flat_map(|night| history.nights[*night].tools.clone())
            .collect();
        let builds = order
            .iter()
            .map(|night| {
                let night = &history.nights[*night];
                BuildInfo {
                    name: night.name.clone(),
                    started: night.time.map(|time| time.to_string()),
                    build: night.build.clone(),
                    machine: night.machine.clone(),
                }
            })
            .collect();

        let spreads: BTreeMap<&str, &Series> = history
            .numeric()
            .filter(|(id, _)| id.check() == Check::Stddev)
            .map(|(id, series)| (id.stem(), series))
            .collect();
        let mut other_unit = 0;
        let metrics = history
            .numeric()
            .filter(|(id, _)| id.check() != Check::Error)
            .map(|(id, series)| {
                let newest = series
                    .values
                    .iter()
                    .filter_map(|(night, _)| Some((rank[*night]?, *night)))
                    .max()
                    .map(|(_, night)| night);
                let unit = newest.and_then(|night| series.unit_of(night));
                let mut values: Vec<(usize, f64)> = series
                    .values
                    .iter()
                    .filter(|(night, value)| {
                        let same = match (series.unit_of(*night), unit) {
                            (Some(one), Some(other)) => one == other,
                            _ => true,
                        };
                        same && value.is_finite()
                    })
                    .filter_map(|(night, value)| Some((rank[*night]?, *value)))
                    .collect();
                values.sort_by_key(|(night, _)| *night);
                let known = series
                    .values
                    .iter()
                    .filter(|(night, _)| rank[*night].is_some())
                    .count();
                other_unit += usize::from(values.len() < known);
                let stated = match (id.check(), series.better, given.get(id.metric())) {
                    (Check::Mean, None | Some(Better::Unknown), Some(given)) => Some(*given),
                    (_, stated, _) => stated,
                };
                MetricSeries {
                    better: direction_of(id, stated),
                    unit: unit_of(id, unit).map(str::to_owned),
                    primary: series.primary,
                    within: (id.check() == Check::Mean)
                        .then(|| spreads.get(id.stem()).and_then(|spread| within(spread)))
                        .flatten(),
                    id: id.clone(),
                    values,
                }
            })
            .collect();
        if other_unit > 0 {
            notes.push(format!(
                "{other_unit} metrics changed their unit; only nights in the newest unit count for them"
            ));
        }
        Self {
            builds,
            metrics,
            tools,
            notes,
        }
    }
}

impl Training {
    /// Returns what was known before a night: the nights before it, and the metrics they have.
    ///
    /// The spread inside results stays that of all nights; it says what a metric is like.
    pub fn before(&self, night: usize) -> Self {
        let metrics = self.metrics.iter().filter_map(|metric| {
            let known = metric.values.partition_point(|(of, _)| *of < night);
            (known > 0).then(|| MetricSeries {
                id: metric.id.clone(),
                better: metric.better,
                unit: metric.unit.clone(),
                primary: metric.primary,
                values: metric.values[..known].to_vec(),
                within: metric.within,
            })
        });
        Self {
            builds: self.builds[..night.min(self.builds.len())].to_vec(),
            metrics: metrics.collect(),
            tools: BTreeMap::new(),
            notes: Vec::new(),
        }
    }
}

/// Returns the mean variance inside a result, relative to the value, from spreads in percent.
fn within(spread: &Series) -> Option<f64> {
    let variances: Vec<f64> = spread
        .values
        .iter()
        .map(|(_, percent)| (percent / 100.0) * (percent / 100.0))
        .filter(|variance| variance.is_finite())
        .collect();
    crate::analysis::stats::mean(&variances)
}

/// Returns nights that repeat an earlier one, each with the first of its kind.
fn copies(history: &History, order: &[usize]) -> BTreeMap<usize, usize> {
    // Only nights of equal date and build can be copies; a nightly history has none, so that the
    // figures are hardly ever looked at.
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for night in order {
        let of = &history.nights[*night];
        if let Some(time) = of.time {
            groups
                .entry((time, &of.build, of.figures))
                .or_default()
                .push(*night);
        }
    }
    let mut copies = BTreeMap::new();
    for group in groups.into_values().filter(|group| group.len() > 1) {
        let mut seen: Vec<(usize, Vec<u64>)> = Vec::new();
        for night in group {
            let figures: Vec<u64> = history
                .metrics
                .values()
                .map(|series| series.at(night).map_or(u64::MAX, f64::to_bits))
                .collect();
            match seen.iter().find(|(_, other)| *other == figures) {
                Some((first, _)) => {
                    copies.insert(night, *first);
                }
                None => seen.push((night, figures)),
            }
        }
    }
    copies
}
