//! The types written to `result.json`: pbench's *run* result with a few keys of our own.
//!
//! Written strictly; reading foreign files leniently is [`super::read`]'s work. Keys of pbench:
//! `iteration_name`, `iteration_data.{parameters,throughput,latency}`; ours: `unit`, `better`,
//! `errors` in a metric entry.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::metric::Better;

/// One point of a time series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Milliseconds since the epoch; pbench writes some of them as text.
    #[serde(deserialize_with = "date")]
    pub date: i64,
    /// Value in the metric's unit.
    pub value: f64,
}

/// pbench writes the same field now as a number, now as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(i64),
    Text(String),
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(date) => Ok(date),
        NumberOrText::Text(text) => text.trim().parse().map_err(serde::de::Error::custom),
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match NumberOrText::deserialize(deserializer)? {
        NumberOrText::Number(number) => number.to_string(),
        NumberOrText::Text(text) => text,
    })
}

/// One sample of one client.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Mean of the series, or the single figure.
    pub value: f64,
    /// May be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeseries: Vec<Point>,
}

/// A sample that failed and has no number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SampleError {
    /// From 1.
    pub sample: u32,
    /// `timeout`, `enospc`, …
    pub class: String,
    /// One line.
    pub message: String,
}

/// All samples of one metric for one client, or for `all` of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricEntry {
    /// Client, or `all`.
    pub client_hostname: String,
    /// `client` or `aggregate`.
    pub role: String,
    /// What is measured, one sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Template of the entry's identity: `client_hostname:%client_hostname%`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Unit (`IOPS`, `ns`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Good direction.
    #[serde(default)]
    pub better: Better,
    /// Over the samples.
    pub mean: f64,
    /// Population standard deviation, in the metric's unit.
    pub stddev: f64,
    /// In percent of the mean; 0 when the mean is 0.
    pub stddevpct: f64,
    /// Number (from 1) of the sample closest to the mean, as text like pbench.
    #[serde(deserialize_with = "text")]
    pub closest_sample: String,
    /// Every sample that has a number.
    pub samples: Vec<Sample>,
    /// Samples that have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<SampleError>,
    /// Further identifying keys (`server_hostname`, `server_port`).
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

/// Parameters of an iteration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parameters {
    /// One object for the benchmark, values as text like pbench; holds `primary_metric`.
    pub benchmark: Vec<Map<String, Value>>,
    /// Where it ran: `profile`, `distro`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<Map<String, Value>>,
}

/// What was measured in an iteration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IterationData {
    /// How it was measured.
    pub parameters: Parameters,
    /// Metric → entries; the one of `all` last, as pbench writes it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub throughput: BTreeMap<String, Vec<MetricEntry>>,
    /// As above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub latency: BTreeMap<String, Vec<MetricEntry>>,
}

/// One parameter combination of a test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Iteration {
    /// From 1.
    pub iteration_number: u32,
    /// `read-4KiB`.
    pub iteration_name: String,
    /// `%d-%s`.
    pub iteration_name_format: String,
    /// Figures.
    pub iteration_data: IterationData,
}

impl Iteration {
    /// Returns the mean and unit of the primary metric over all clients.
    pub fn primary(&self) -> Option<(f64, &str)> {
        let data = &self.iteration_data;
        let name = data
            .parameters
            .benchmark
            .iter()
            .find_map(|benchmark| benchmark.get("primary_metric")?.as_str())?;
        let entries = data
            .throughput
            .get(name)
            .or_else(|| data.latency.get(name))?;
        entries
            .iter()
            .find(|entry| entry.client_hostname == "all")
            .map(|entry| (entry.mean, entry.unit.as_str()))
    }
}
