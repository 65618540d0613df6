//! Many results as one value per metric and build.
//!
//! Builds are kept in the order of their names and metrics in the order of theirs, so that what is
//! computed from a history does not depend on the order in which results were named or read. The
//! same values as a polars table: [`super::frame`].

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::metric::{Better, Check, MetricId};
use crate::store::read::{IterationParams, ResultData};

/// One result directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Night {
    /// Distinct among the nights of a history.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// When it was made, as far as that is known.
    pub time: Option<Timestamp>,
    /// Metadata `build`, unless it is `Unknown`.
    pub build: Option<String>,
    /// Metadata `machine`.
    pub machine: Option<String>,
    /// Version of the benchmark program by test, as far as stated.
    pub tools: BTreeMap<String, String>,
    /// Number of figures read.
    pub figures: usize,
    /// Number of recorded failures, unreadable files included.
    pub failures: usize,
}

/// What one metric (or one place of failures) said in each night.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Whether it was a main metric in any night.
    pub primary: bool,
    /// Unit stated last.
    pub unit: Option<Arc<str>>,
    /// Direction stated last.
    pub better: Option<Better>,
    /// Index of the night and value, ascending by night; a night that lacks the metric is absent.
    pub values: Vec<(usize, f64)>,
    /// Units as they were stated: from that night on (by index), until the next entry.
    units: Vec<(usize, Option<Arc<str>>)>,
    /// Index of the night and text of the failure, ascending by night.
    pub failures: Vec<(usize, String)>,
}

impl Series {
    /// Returns the values without their nights, in the order of the nights' names.
    pub fn numbers(&self) -> Vec<f64> {
        self.values.iter().map(|(_, value)| *value).collect()
    }

    /// Returns the value of a night.
    pub fn at(&self, night: usize) -> Option<f64> {
        let index = self
            .values
            .binary_search_by_key(&night, |(night, _)| *night);
        index.ok().map(|index| self.values[index].1)
    }

    /// Returns the unit a night stated.
    pub fn unit_of(&self, night: usize) -> Option<&str> {
        let after = self.units.partition_point(|(from, _)| *from <= night);
        self.units[..after].last()?.1.as_deref()
    }
}

/// Everything that was read, by metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// In the order of their names.
    pub nights: Vec<Night>,
    /// In the order of their ids.
    pub metrics: BTreeMap<MetricId, Series>,
    /// Oddities met while building it, one line each.
    pub warnings: Vec<String>,
}

impl History {
    /// Builds a history; names of results must differ ([`super::nights::distinct_names`]).
    ///
    /// An id that stands twice in one result counts with its last value and is warned about. Several
    /// failures at one place are joined, one text a line.
    pub fn new(mut results: Vec<ResultData>) -> Self {
        results.sort_by(|a, b| a.name.cmp(&b.name));
        let mut builder = Builder::default();
        for result in results {
            builder.add(result);
        }
        builder.finish()
    }

    /// Returns the nights from the oldest to the newest; those without a date come first, by name.
    pub fn by_time(&self) -> Vec<&Night> {
        let mut nights: Vec<&Night> = self.nights.iter().collect();
        nights.sort_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
        nights
    }

    /// Returns the metrics that have numbers and no failure text, in order.
    pub fn numeric(&self) -> impl Iterator<Item = (&MetricId, &Series)> {
        self.metrics
            .iter()
            .filter(|(_, series)| series.failures.is_empty() && !series.values.is_empty())
    }

    /// Returns the levels (no spreads, no failures) of primary metrics, in order.
    pub fn primary_levels(&self) -> impl Iterator<Item = (&MetricId, &Series)> {
        self.numeric()
            .filter(|(id, series)| series.primary && id.check() == Check::Mean)
    }
}

/// A history in the making: results come one by one, in the order of their names.
#[derive(Debug, Default)]
pub struct Builder {
    nights: Vec<Night>,
    /// Place of a metric in `series`. Nights name their metrics in much the same order, so that the
    /// next one is mostly where the last night had it, and is not looked up.
    places: HashMap<MetricId, usize>,
    series: Vec<(MetricId, Series)>,
    warnings: Vec<String>,
}

impl Builder {
    /// Takes the next result; its name must come after those before it.
    pub fn add(&mut self, result: ResultData) {
        let index = self.nights.len();
        self.nights.push(Night {
            time: result.date(),
            build: known(&result, "build"),
            machine: known(&result, "machine"),
            tools: tool_versions(&result),
            figures: result.measurements.len(),
            failures: result.failures.len(),
            name: result.name,
            path: result.path,
        });
        let mut twice = 0;
        let mut next = 0;
        for measurement in result.measurements {
            let place = self.place(measurement.id, next);
            next = place + 1;
            let series = &mut self.series[place].1;
            series.primary |= measurement.primary;
            if series.units.last().map(|(_, unit)| unit) != Some(&measurement.unit) {
                series.units.push((index, measurement.unit.clone()));
            }
            series.unit = measurement.unit.or(series.unit.take());
            series.better = measurement.better.or(series.better);
            match series.values.last_mut() {
                Some((night, value)) if *night == index => {
                    *value = measurement.value;
                    twice += 1;
                }
                _ => series.values.push((index, measurement.value)),
            }
        }
        if twice > 0 {
            let name = &self.nights[index].name;
            self.warnings.push(format!(
                "{name}: {twice} figures stand there twice; the last one of each counts"
            ));
        }
        for failure in result.failures {
            let place = self.place(failure.id, usize::MAX);
            let series = &mut self.series[place].1;
            series.primary = true;
            match series.failures.last_mut() {
                Some((night, text)) if *night == index => {
                    text.push('\n');
                    text.push_str(&failure.message);
                }
                _ => series.failures.push((index, failure.message)),
            }
        }
    }

    /// Returns where a metric is, made where it is new; `guess` is looked at first.
    fn place(&mut self, id: MetricId, guess: usize) -> usize {
        if self
            .series
            .get(guess)
            .is_some_and(|(known, _)| *known == id)
        {
            return guess;
        }
        *self.places.entry(id).or_insert_with_key(|id| {
            self.series.push((id.clone(), Series::default()));
            self.series.len() - 1
        })
    }

    /// Returns what was taken.
    pub fn finish(mut self) -> History {
        for (_, series) in &mut self.series {
            series.values.shrink_to_fit();
        }
        History {
            nights: self.nights,
            metrics: self.series.into_iter().collect(),
            warnings: self.warnings,
        }
    }
}

/// Returns the version of the benchmark program (`tool_version` of its parameters) by test; of several
/// the first one read.
pub fn tool_versions(result: &ResultData) -> BTreeMap<String, String> {
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<&Arc<IterationParams>> = None;
    for measurement in &result.measurements {
        // All figures of an iteration share their parameters.
        if last.is_some_and(|last| Arc::ptr_eq(last, &measurement.params)) {
            continue;
        }
        last = Some(&measurement.params);
        let stated = measurement
            .params
            .values()
            .find_map(|group| group.get("tool_version"));
        if let Some(version) = stated
            && !versions.contains_key(measurement.id.test())
        {
            versions.insert(measurement.id.test().to_owned(), version.clone());
        }
    }
    versions
}

/// Returns a piece of metadata that says something.
fn known(result: &ResultData, key: &str) -> Option<String> {
    let value = result.metadata.get(key)?;
    (!value.is_empty() && value != "Unknown").then(|| value.to_owned())
}

#[cfg(test)]
pub(crate) mod samples {
    //! Small results for the tests of this folder.

    use std::path::Path;

    use crate::metric::MetricId;
    use crate::store::metadata::Metadata;
    use crate::store::read::{Failure, Measurement, ResultData};

    pub(crate) const IOPS: &str = "P/fio/0000:./read-4KiB/throughput/iops_sec.mean";
    pub(crate) const LAT: &str = "P/fio/0000:./read-4KiB/latency/lat.mean";
    pub(crate) const FAILED: &str = "P/fio/1:./ERROR/ERROR/ERROR.error";

    pub(crate) fn id(text: &str) -> MetricId {
        text.parse().expect("a metric id")
    }

    /// A result of that name; throughput is primary.
    pub(crate) fn result(
        name: &str,
        figures: &[(&str, f64)],
        failures: &[(&str, &str)],
    ) -> ResultData {
        ResultData {
            name: name.to_owned(),
            path: Path::new("/nowhere").join(name),
            metadata: Metadata::default(),
            measurements: figures
                .iter()
                .map(|(text, value)| Measurement {
                    id: id(text),
                    value: *value,
                    primary: text.contains("/throughput/"),
                    unit: None,
                    better: None,
                    clients: 1,
                    by_client: Vec::new(),
                    samples: Vec::new(),
                    params: Default::default(),
                })
                .collect(),
            failures: failures
                .iter()
                .map(|(text, message)| Failure {
                    id: id(text),
                    place: "P/fio/1/__error0__".into(),
                    class: "error".into(),
                    message: (*message).to_owned(),
                    files: Default::default(),
                    passed_later: None,
                })
                .collect(),
            retried: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::*;
    use super::*;

    #[test]
    fn the_order_of_results_does_not_matter() {
        let a = || result("a", &[(IOPS, 1.0), (LAT, 5.0)], &[]);
        let b = || result("b", &[(IOPS, 2.0)], &[(FAILED, "broken")]);
        assert_eq!(History::new(vec![a(), b()]), History::new(vec![b(), a()]));
    }

    #[test]
    fn a_night_that_lacks_a_metric_is_absent_from_its_series() {
        let history = History::new(vec![
            result("a", &[(IOPS, 1.0)], &[]),
            result("b", &[(LAT, 5.0)], &[]),
        ]);
        assert_eq!(history.metrics[&id(LAT)].values, [(1, 5.0)]);
        assert!(history.metrics[&id(IOPS)].primary);
        assert!(!history.metrics[&id(LAT)].primary);
    }

    #[test]
    fn what_stands_twice_counts_once_and_is_said() {
        let history = History::new(vec![result("a", &[(IOPS, 1.0), (IOPS, 3.0)], &[])]);
        assert_eq!(history.metrics[&id(IOPS)].values, [(0, 3.0)]);
        assert_eq!(history.warnings.len(), 1, "{:?}", history.warnings);
    }

    #[test]
    fn failures_at_one_place_are_all_kept() {
        let history = History::new(vec![result("a", &[], &[(FAILED, "one"), (FAILED, "two")])]);
        assert_eq!(
            history.metrics[&id(FAILED)].failures,
            [(0, "one\ntwo".to_owned())]
        );
        assert_eq!(history.numeric().count(), 0);
    }

    #[test]
    fn nights_stand_in_order_of_time() {
        let nights = [
            result("z_20200101_000000", &[], &[]),
            result("a_20210101_000000", &[], &[]),
        ];
        let history = History::new(nights.into());
        let order: Vec<_> = history
            .by_time()
            .into_iter()
            .map(|night| night.name.as_str())
            .collect();
        assert_eq!(order, ["z_20200101_000000", "a_20210101_000000"]);
    }
}
