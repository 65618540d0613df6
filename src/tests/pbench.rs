//! From samples to pbench-like iterations: aggregate over clients, mean, spread, closest sample.
//!
//! Every test hands its samples to an [`IterationBuilder`]; the rules are pbench's (docs/results.md).

use serde_json::{Map, Value};

use crate::metric::Better;
use crate::store::result_json::{Iteration, Point};

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
    /// Metric; holds no dot.
    pub metric: String,
    /// Client (`192.0.2.7-1`).
    pub client: String,
    /// Unit (`IOPS`).
    pub unit: String,
    /// Good direction.
    pub better: Better,
    /// One sentence.
    pub description: String,
    /// Mean of the series, or the single figure; finite.
    pub value: f64,
    /// May be empty.
    pub series: Vec<Point>,
    /// Whether the builder makes the `all` entry of this metric (percentiles of several clients: no).
    pub aggregate: bool,
}

/// Collects the samples of one iteration.
#[derive(Debug, Clone)]
pub struct IterationBuilder {
    number: u32,
    name: String,
    benchmark: Map<String, Value>,
    user: Vec<Map<String, Value>>,
    samples: Vec<Vec<SampleEntry>>,
    failed: Vec<crate::store::result_json::SampleError>,
}

impl IterationBuilder {
    /// Starts an iteration; `benchmark` holds `benchmark_name` and `primary_metric`.
    pub fn new(number: u32, name: impl Into<String>, benchmark: Map<String, Value>, user: Vec<Map<String, Value>>) -> Self {
        Self { number, name: name.into(), benchmark, user, samples: Vec::new(), failed: Vec::new() }
    }

    /// Adds a sample that was measured.
    pub fn sample(&mut self, entries: Vec<SampleEntry>) {
        self.samples.push(entries);
    }

    /// Records that sample number `sample` (from 1) failed and has no number.
    pub fn failed_sample(&mut self, sample: u32, class: &str, message: &str) {
        self.failed.push(crate::store::result_json::SampleError { sample, class: class.into(), message: message.into() });
    }

    /// Returns the iteration as it stands; may be called after each sample.
    pub fn build(&self) -> Iteration {
        let _ = (&self.samples, &self.user);
        Iteration { iteration_number: self.number, iteration_name: self.name.clone(), ..Iteration::default() }
    }
}
