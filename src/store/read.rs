//! What the right half sees of a result directory.
//!
//! Read leniently: unknown fields are ignored, a file that cannot be read is one recorded problem
//! and the rest goes on. Order: profile, test, serial by name; inside a file iterations as they
//! stand there, throughput before latency, each metric's mean before its spread.
//!
//! - `walk`: which directories and files belong to a result
//! - `parse`, `params`, `entry`, `lenient`: one `result.json`
//! - `failure`: one `__errorN__`

mod entry;
mod failure;
mod lenient;
mod params;
mod parse;
#[cfg(test)]
mod tests;
pub(super) mod walk;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::StoreError;
use super::metadata::Metadata;
use crate::metric::{Better, Check, MetricId, Parts};

/// What to read beyond the figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Include {
    /// Also serial directories that do not start with a digit, and `-failN` iterations.
    pub incorrect: bool,
    /// Also the value of every sample.
    pub samples: bool,
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
    /// Every recorded failure, from the root down.
    pub failures: Vec<Failure>,
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

/// Reads a result directory, its files in parallel.
///
/// # Errors
/// When it does not exist, cannot be listed, or holds nothing a result holds. A bad file inside is
/// a [`Failure`], not an error.
pub fn read_result(name: &str, path: &Path, include: Include) -> Result<ResultData, StoreError> {
    let found = walk::find(path, include)?;
    let mut warnings = found.warnings;
    let mut failures = found.failures;
    let metadata = match Metadata::read(path) {
        Ok((metadata, more)) => {
            warnings.extend(more);
            metadata
        }
        Err(error) => {
            warnings.push(format!("{error}: {}", error.reason()));
            Metadata::default()
        }
    };

    // A result may carry metadata of any name; where it ran stays a parameter.
    let run_key = |key: &str| key != "profile" && metadata.values.contains_key(key);
    let files: Vec<_> = found
        .files
        .par_iter()
        .map(|file| read_file(path, file, include, &run_key))
        .collect();
    let mut measurements = Vec::new();
    for file in files {
        match file {
            Ok((figures, more)) => {
                measurements.extend(figures);
                warnings.extend(more);
            }
            Err(failure) => failures.push(*failure),
        }
    }
    let records: Vec<_> = found
        .errors
        .par_iter()
        .map(|place| failure::read(path, place))
        .collect();
    for (failure, more) in records {
        failures.push(failure);
        warnings.extend(more);
    }
    failures.sort_by(|a, b| {
        let depth = |failure: &Failure| failure.place.components().count();
        depth(a).cmp(&depth(b)).then_with(|| a.place.cmp(&b.place))
    });
    Ok(ResultData {
        name: name.to_owned(),
        path: path.to_owned(),
        metadata,
        measurements,
        failures,
        warnings,
    })
}

/// Reads one `result.json`, given below the result.
fn read_file(
    result: &Path,
    file: &walk::ResultFile,
    include: Include,
    run_key: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(Vec<Measurement>, Vec<String>), Box<Failure>> {
    // One buffer per thread: a fresh one per file costs more in page faults than the reading.
    thread_local!(static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    /// A buffer that one large file made larger than this is given back.
    const KEPT: usize = 4 << 20;

    let parsed = BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        let parsed = read_regular(&result.join(&file.path), buffer)
            .map_err(|error| format!("cannot be read: {error}"))
            .and_then(|()| parse::parse(buffer, include, &|key| run_key(key)));
        buffer.shrink_to(KEPT);
        parsed
    });
    let parsed = parsed.map_err(|reason| {
        Box::new(Failure::unreadable(
            &file.place(),
            file.path.clone(),
            &reason,
        ))
    })?;
    let warnings = parsed
        .warnings
        .iter()
        .map(|text| format!("{}: {text}", file.path.display()))
        .collect();
    let figures = parsed
        .iterations
        .into_iter()
        .filter(|iteration| include.incorrect || !is_failed_try(&iteration.name))
        .flat_map(|iteration| measurements(file, iteration))
        .collect();
    Ok((figures, warnings))
}

/// Reads a file whole, unless it is something that may never end.
fn read_regular(path: &Path, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    // Asked before opening: opening a pipe waits for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    buffer.reserve(usize::try_from(size).unwrap_or(0).saturating_add(1));
    file.read_to_end(buffer)?;
    Ok(())
}

/// Returns whether an iteration is a try that pbench gave up (`read-4KiB-fail2`).
fn is_failed_try(iteration: &str) -> bool {
    iteration.rsplit_once("-fail").is_some_and(|(_, count)| {
        !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Returns the figures of one iteration.
fn measurements(file: &walk::ResultFile, iteration: parse::Iteration) -> Vec<Measurement> {
    let parse::Iteration {
        name,
        params,
        primary,
        throughput,
        latency,
    } = iteration;
    let place = file.place();
    let percent: Arc<str> = "%".into();
    let mut figures = Vec::with_capacity((throughput.len() + latency.len()) * 2);
    let metrics = throughput.into_iter().map(|metric| ("throughput", metric));
    for (kind, metric) in metrics.chain(latency.into_iter().map(|metric| ("latency", metric))) {
        let id = |check| {
            MetricId::new(Parts {
                profile: &place[0],
                test: &place[1],
                serial: &place[2],
                iteration: &name,
                kind,
                metric: &metric.name,
                check,
            })
        };
        let primary = primary.contains(&metric.name);
        for entry in metric.all {
            let figure = |check, value, unit, better, samples| Measurement {
                id: id(check),
                value,
                primary,
                unit,
                better,
                clients: metric.clients.max(1),
                samples,
                params: Arc::clone(&params),
            };
            figures.extend(entry.mean.map(|mean| {
                figure(
                    Check::Mean,
                    mean,
                    entry.unit.clone(),
                    entry.better,
                    entry.samples,
                )
            }));
            // A spread is in percent of the mean and the smaller the better, whatever the metric.
            figures.extend(entry.stddevpct.map(|spread| {
                figure(
                    Check::Stddev,
                    spread,
                    Some(Arc::clone(&percent)),
                    Some(Better::Lower),
                    Vec::new(),
                )
            }));
        }
    }
    figures
}
