//! From samples to pbench-like iterations: aggregate over clients, mean, spread, closest sample.
//!
//! Every test hands its samples to an [`IterationBuilder`]; the rules are pbench's, without its
//! faults. [`aggregate`] is the entry over all clients, [`stats`] the figures over samples.

pub mod aggregate;
pub mod stats;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::metric::Better;
use crate::store::result_json::{
    Iteration, IterationData, MetricEntry, Parameters, Point, Sample, SampleError,
};

/// Client name of the entry over all clients; the only one that comparisons read.
pub const ALL: &str = "all";
/// Template of an entry's identity, as pbench writes it.
const UID: &str = "client_hostname:%client_hostname%";
/// Template of a benchmark's identity.
const BENCHMARK_UID: &str = "benchmark_name:%benchmark_name%-controller_host:%controller_host%";
/// Limit of the spread in percent when the test has none of its own; pbench's default.
const MAX_STDDEVPCT: u32 = 5;

/// Class of a metric in `iteration_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// More work in the same time; aggregates add up over clients.
    Throughput,
    /// Time for a piece of work; aggregates are means over clients.
    Latency,
}

/// One metric of one client in one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleEntry {
    /// Where it is filed.
    pub class: Class,
    /// Metric; holds no dot (an id is cut there): the builder replaces dots by underscores.
    pub metric: String,
    /// Client (`192.0.2.7-1`); [`ALL`] for an aggregate the test made itself.
    pub client: String,
    /// Unit (`IOPS`).
    pub unit: String,
    /// Good direction.
    pub better: Better,
    /// One sentence.
    pub description: String,
    /// Mean of the series, or the single figure; finite.
    pub value: f64,
    /// Sorted by date; may be empty.
    pub series: Vec<Point>,
    /// Whether the builder makes the `all` entry of this metric (percentiles of several clients: no).
    pub aggregate: bool,
}

/// Collects the samples of one iteration.
///
/// ```
/// use runperf::metric::Better;
/// use runperf::tests::pbench::{Class, IterationBuilder, SampleEntry};
///
/// let benchmark = serde_json::json!({"benchmark_name": "redis", "primary_metric": "get_per_s"});
/// let mut builder = IterationBuilder::new(1, "get", benchmark.as_object().cloned().unwrap_or_default(), Vec::new());
/// for value in [99.0, 101.0] {
///     builder.sample(vec![SampleEntry {
///         class: Class::Throughput, metric: "get_per_s".into(), client: "192.0.2.7-1".into(),
///         unit: "1/s".into(), better: Better::Higher, description: "Requests a second".into(),
///         value, series: Vec::new(), aggregate: true,
///     }]);
/// }
/// assert_eq!(builder.build().primary(), Some((100.0, "1/s")));
/// ```
#[derive(Debug, Clone)]
pub struct IterationBuilder {
    number: u32,
    name: String,
    benchmark: Map<String, Value>,
    user: Vec<Map<String, Value>>,
    /// Sample number (from 1) and what was measured.
    samples: Vec<(u32, Vec<SampleEntry>)>,
    failed: Vec<SampleError>,
    /// Keys of each client beside its name.
    identities: BTreeMap<String, Vec<(&'static str, String)>>,
}

impl IterationBuilder {
    /// Starts an iteration; `benchmark` holds `benchmark_name` and `primary_metric`. `uid` and
    /// `max_stddevpct` (5) are added when absent.
    pub fn new(
        number: u32,
        name: impl Into<String>,
        benchmark: Map<String, Value>,
        user: Vec<Map<String, Value>>,
    ) -> Self {
        Self {
            number,
            name: name.into(),
            benchmark,
            user,
            samples: Vec::new(),
            failed: Vec::new(),
            identities: BTreeMap::new(),
        }
    }

    /// Adds keys that belong to the identity of a client's entries (`server_hostname`,
    /// `server_port`), in this order; the entry over all clients has them with the value [`ALL`].
    pub fn identify(&mut self, client: &str, keys: Vec<(&'static str, String)>) {
        self.identities.insert(client.to_owned(), keys);
    }

    /// Adds keys to the benchmark's parameters, replacing those of the same name: for what is known
    /// only after the first sample (the options a tool says it used).
    pub fn add_parameters(&mut self, parameters: Map<String, Value>) {
        self.benchmark.extend(parameters);
    }

    /// Adds a sample that was measured; its number follows the last measured or failed one. Figures
    /// that are not finite are left out and recorded as failed.
    pub fn sample(&mut self, mut entries: Vec<SampleEntry>) {
        let number = self.last_number().saturating_add(1);
        entries.retain(|entry| {
            let finite = entry.value.is_finite();
            if !finite {
                let message = format!(
                    "{} of {} is not a finite number",
                    entry.metric, entry.client
                );
                self.failed.push(SampleError {
                    sample: number,
                    class: "not-finite".into(),
                    message,
                });
            }
            finite
        });
        self.samples.push((number, entries));
    }

    /// Records that sample number `sample` (from 1) failed and has no number.
    pub fn failed_sample(&mut self, sample: u32, class: &str, message: &str) {
        self.failed.push(SampleError {
            sample,
            class: class.into(),
            message: message.into(),
        });
    }

    fn last_number(&self) -> u32 {
        let measured = self.samples.iter().map(|(number, _)| *number);
        measured
            .chain(self.failed.iter().map(|error| error.sample))
            .max()
            .unwrap_or(0)
    }

    /// Returns the iteration as it stands; may be called after each sample.
    ///
    /// Entries are in pbench's order: clients in the reverse of their order in the samples, `all` last.
    pub fn build(&self) -> Iteration {
        let mut data = IterationData {
            parameters: self.parameters(),
            ..IterationData::default()
        };
        for row in self.rows() {
            let Some((_, first)) = row.first() else {
                continue;
            };
            let class = match first.class {
                Class::Throughput => &mut data.throughput,
                Class::Latency => &mut data.latency,
            };
            class
                .entry(metric_name(&first.metric))
                .or_default()
                .push(self.entry(&row));
        }
        for entries in data
            .throughput
            .values_mut()
            .chain(data.latency.values_mut())
        {
            entries.reverse();
        }
        Iteration {
            iteration_number: self.number,
            iteration_name: self.name.clone(),
            iteration_name_format: "%d-%s".into(),
            iteration_data: data,
        }
    }

    fn parameters(&self) -> Parameters {
        let mut benchmark = self.benchmark.clone();
        benchmark
            .entry("uid")
            .or_insert_with(|| BENCHMARK_UID.into());
        benchmark
            .entry("max_stddevpct")
            .or_insert_with(|| MAX_STDDEVPCT.into());
        Parameters {
            benchmark: vec![benchmark],
            user: self.user.clone(),
        }
    }

    /// Returns for each metric and client, aggregates first, its value in every sample that has one.
    fn rows(&self) -> Vec<Vec<(u32, SampleEntry)>> {
        let mut places: BTreeMap<(Class, String, bool, String), usize> = BTreeMap::new();
        let mut rows: Vec<Vec<(u32, SampleEntry)>> = Vec::new();
        for (number, entries) in &self.samples {
            for entry in aggregate::with_aggregates(entries) {
                let client = entry.client != ALL;
                let key = (
                    entry.class,
                    entry.metric.clone(),
                    client,
                    entry.client.clone(),
                );
                let place = *places.entry(key).or_insert_with(|| {
                    rows.push(Vec::new());
                    rows.len() - 1
                });
                rows[place].push((*number, entry));
            }
        }
        rows.sort_by_key(|row| row.first().map(|(_, entry)| entry.client != ALL));
        rows
    }

    fn entry(&self, row: &[(u32, SampleEntry)]) -> MetricEntry {
        let values: Vec<f64> = row.iter().map(|(_, entry)| entry.value).collect();
        let figures = stats::figures(&values);
        let closest = row.get(figures.closest).map_or(1, |(number, _)| *number);
        let mut out = MetricEntry {
            mean: figures.mean,
            stddev: figures.stddev,
            stddevpct: figures.stddevpct,
            closest_sample: closest.to_string(),
            samples: row
                .iter()
                .map(|(_, entry)| Sample {
                    value: entry.value,
                    timeseries: entry.series.clone(),
                })
                .collect(),
            errors: self.failed.clone(),
            uid: UID.into(),
            ..MetricEntry::default()
        };
        if let Some((_, first)) = row.first() {
            out.client_hostname = first.client.clone();
            out.role = if first.client == ALL {
                "aggregate"
            } else {
                "client"
            }
            .into();
            out.description = first.description.clone();
            out.unit = first.unit.clone();
            out.better = first.better;
            let keys = if first.client == ALL {
                self.identities.values().next()
            } else {
                self.identities.get(&first.client)
            };
            for (key, value) in keys.into_iter().flatten() {
                out.uid.push_str(&format!("-{key}:%{key}%"));
                let value = if first.client == ALL { ALL } else { value };
                out.extra.insert((*key).to_owned(), value.into());
            }
        }
        out
    }
}

/// Returns the name without dots, which would cut an id in the wrong place.
fn metric_name(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod unit {
    use super::*;

    fn entry(class: Class, client: &str, value: f64) -> SampleEntry {
        SampleEntry {
            class,
            metric: "m.x".into(),
            client: client.into(),
            unit: "IOPS".into(),
            better: Better::Higher,
            description: "What it is".into(),
            value,
            series: Vec::new(),
            aggregate: true,
        }
    }

    fn builder() -> IterationBuilder {
        IterationBuilder::new(2, "read-4KiB", Map::new(), Vec::new())
    }

    #[test]
    fn all_comes_last_and_sums_throughput_but_averages_latency() {
        let mut it = builder();
        for class in [Class::Throughput, Class::Latency] {
            it.sample(vec![entry(class, "a-1", 10.0), entry(class, "a-2", 30.0)]);
        }
        let data = it.build().iteration_data;
        let hosts: Vec<&str> = data.throughput["m_x"]
            .iter()
            .map(|e| e.client_hostname.as_str())
            .collect();
        assert_eq!(hosts, ["a-2", "a-1", "all"]);
        assert!((data.throughput["m_x"][2].mean - 40.0).abs() < 1e-12);
        assert!((data.latency["m_x"][2].mean - 20.0).abs() < 1e-12);
        assert_eq!(data.latency["m_x"][2].role, "aggregate");
        assert_eq!(data.parameters.benchmark[0]["max_stddevpct"], 5);
    }

    #[test]
    fn the_closest_of_twelve_samples_is_named_by_its_number() {
        // pbench reads samples in text order (1, 10, 11, 12, 2, …) and would say 5 here.
        let mut it = builder();
        for number in 1..=12 {
            it.sample(vec![entry(
                Class::Throughput,
                "a-1",
                if number == 11 {
                    100.0
                } else {
                    200.0 * f64::from(number % 2)
                },
            )]);
        }
        assert_eq!(
            it.build().iteration_data.throughput["m_x"][1].closest_sample,
            "11"
        );
    }

    #[test]
    fn a_failed_sample_has_no_number_and_the_next_one_keeps_its_own() {
        let mut it = builder();
        it.sample(vec![entry(Class::Throughput, "a-1", 1.0)]);
        it.failed_sample(2, "timeout", "no end within 5 s");
        it.sample(vec![entry(Class::Throughput, "a-1", 2.0)]);
        it.sample(vec![entry(Class::Throughput, "a-1", 9.0)]);
        let all = it.build().iteration_data.throughput["m_x"][1].clone();
        assert_eq!(all.samples.len(), 3);
        assert_eq!(all.closest_sample, "3", "the mean is 4, 2 is nearest");
        assert_eq!(
            all.errors,
            [SampleError {
                sample: 2,
                class: "timeout".into(),
                message: "no end within 5 s".into()
            }]
        );
    }

    #[test]
    fn a_figure_that_is_not_finite_is_an_error_not_a_number() {
        let mut it = builder();
        it.sample(vec![entry(Class::Throughput, "a-1", f64::NAN)]);
        it.sample(vec![entry(Class::Throughput, "a-1", 3.0)]);
        let all = it.build().iteration_data.throughput["m_x"][1].clone();
        assert_eq!(
            (
                all.samples.len(),
                all.errors[0].class.as_str(),
                all.closest_sample.as_str()
            ),
            (1, "not-finite", "2")
        );
    }

    #[test]
    fn an_aggregate_the_test_made_itself_is_kept_and_is_last() {
        let mut it = builder();
        let own = |client: &str, value| SampleEntry {
            aggregate: false,
            ..entry(Class::Latency, client, value)
        };
        it.sample(vec![own("all", 7.0), own("a-1", 5.0), own("a-2", 6.0)]);
        let entries = it.build().iteration_data.latency["m_x"].clone();
        assert_eq!(entries.len(), 3);
        assert_eq!(
            (entries[2].client_hostname.as_str(), entries[2].mean),
            ("all", 7.0)
        );
    }

    #[test]
    fn servers_belong_to_the_identity_of_an_entry() {
        let mut it = builder();
        it.identify("a-1", vec![("server_hostname", "b".into())]);
        it.sample(vec![entry(Class::Throughput, "a-1", 1.0)]);
        let entries = it.build().iteration_data.throughput["m_x"].clone();
        let server: Vec<_> = entries
            .iter()
            .map(|entry| entry.extra["server_hostname"].clone())
            .collect();
        assert_eq!(server, ["b", "all"]);
        let uid = "client_hostname:%client_hostname%-server_hostname:%server_hostname%";
        assert!(entries.iter().all(|entry| entry.uid == uid));
    }

    #[test]
    fn nothing_measured_is_an_iteration_without_metrics() {
        let data = builder().build().iteration_data;
        assert!(data.throughput.is_empty() && data.latency.is_empty());
    }
}
