//! What the right half sees of a result directory.
//!
//! Read leniently: unknown fields are ignored, a file that cannot be read is one recorded problem
//! and the rest goes on. Order: profile, test, serial by name; inside a file iterations as they
//! stand there, throughput before latency, each metric's mean before its spread.
//!
//! - `walk`: which directories and files belong to a result
//! - `reader`: a result directory, its files in parallel; `shared`: what many results have in common
//! - `elide`: what is not asked for is left out before parsing
//! - `parse`, `params`, `entry`, `lenient`: one `result.json`
//! - `failure`: one `__errorN__`

mod elide;
mod entry;
mod failure;
mod lenient;
mod params;
mod parse;
mod reader;
mod shared;
#[cfg(test)]
mod tests;
pub(super) mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use reader::{Reader, read_result};

use super::metadata::Metadata;
use crate::metric::{Better, MetricId};

/// A thread's buffer that one large file made larger than this is given back, in bytes.
const BUFFER_KEPT: usize = 4 << 20;

/// What to read beyond the figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Include {
    /// Also serial directories that do not start with a digit, and `-failN` iterations.
    pub incorrect: bool,
    /// Also the value of every sample.
    pub samples: bool,
    /// Also the mean of every single client.
    pub clients: bool,
}

/// What one client contributed to a figure of all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientValue {
    /// Its name as the result has it: an address or a host, often with a number.
    pub client: Arc<str>,
    /// Mean of its samples; finite.
    pub value: f64,
}

/// Parameters of one iteration: group (`fio`, `user0`) → key → value, as text.
pub type IterationParams = BTreeMap<String, BTreeMap<String, String>>;

/// One figure of the entry `all`.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// Its name; two results compare where ids are equal.
    pub id: MetricId,
    /// Finite.
    pub value: f64,
    /// Whether the iteration names the metric as its main one.
    pub primary: bool,
    /// Unit the result states.
    pub unit: Option<Arc<str>>,
    /// Direction the result states; `None` when it says nothing.
    pub better: Option<Better>,
    /// Number of clients behind `all`; at least 1, because a stripped result leaves a single one out.
    pub clients: u32,
    /// What each client contributed, when asked for; empty for spread ids.
    pub by_client: Vec<ClientValue>,
    /// Values of the samples, when asked for; empty for spread ids.
    pub samples: Vec<f64>,
    /// Shared by all figures of the iteration.
    pub params: Arc<IterationParams>,
}

/// A failure recorded in the result (`__errorN__`), or a `result.json` that cannot be read.
#[derive(Debug, Clone)]
pub struct Failure {
    /// `P1/P2/P3:./ERROR/ERROR/ERROR.error`.
    pub id: MetricId,
    /// Directory or file, below the result.
    pub place: PathBuf,
    /// `unreadable` for a bad file, else the class kept with the failure, else `error`.
    pub class: String,
    /// Text of `exception`, or what is wrong with the file.
    pub message: String,
    /// File name → SHA-1, of every file of the record.
    pub files: BTreeMap<String, String>,
    /// Serial number under which a later attempt of the same test passed.
    pub passed_later: Option<String>,
}

/// One result directory.
#[derive(Debug, Clone)]
pub struct ResultData {
    /// As named on the command line (`name:path`), else the directory's base name.
    pub name: String,
    /// Directory.
    pub path: PathBuf,
    /// `RUNPERF_METADATA`; empty when missing.
    pub metadata: Metadata,
    /// Every figure, in reading order.
    pub measurements: Vec<Measurement>,
    /// Every recorded failure, from the root down; without those of attempts whose test passed later.
    pub failures: Vec<Failure>,
    /// Failed attempts of tests that passed at a later one, in the same order.
    pub retried: Vec<Failure>,
    /// What was passed over, for the log: one line each.
    pub warnings: Vec<String>,
}

impl ResultData {
    /// Returns when the run began; see [`Metadata::date`].
    pub fn date(&self) -> Option<jiff::Timestamp> {
        let directory = self.path.file_name().unwrap_or(self.path.as_os_str());
        self.metadata.date(&directory.to_string_lossy())
    }
}
