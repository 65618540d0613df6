//! Result directories, their files in parallel.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::super::StoreError;
use super::super::metadata::Metadata;
use super::shared::Shared;
use super::{BUFFER_KEPT, ClientValue, Failure, Include, IterationParams, Measurement, ResultData};
use super::{failure, parse, walk};
use crate::metric::{Better, Check, Names, Parts};

/// Reads a result directory, its files in parallel.
///
/// # Errors
/// When it does not exist, cannot be listed, or holds nothing a result holds. A bad file inside is
/// a [`Failure`], not an error.
pub fn read_result(name: &str, path: &Path, include: Include) -> Result<ResultData, StoreError> {
    Reader::default().read(name, path, include)
}

/// Reads results that have much in common: names, units and parameters are kept once for all.
#[derive(Debug, Default)]
pub struct Reader {
    names: Names,
    units: Shared<str>,
    params: Shared<IterationParams>,
}

impl Reader {
    /// Reads a result directory, as [`read_result`] does.
    ///
    /// # Errors
    /// As [`read_result`].
    pub fn read(
        &self,
        name: &str,
        path: &Path,
        include: Include,
    ) -> Result<ResultData, StoreError> {
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
            .map(|file| self.read_file(path, file, include, &run_key))
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
        let (retried, failures) = failures
            .into_iter()
            .partition(|failure| failure.passed_later.is_some());
        measurements.shrink_to_fit();
        Ok(ResultData {
            name: name.to_owned(),
            path: path.to_owned(),
            metadata,
            measurements,
            failures,
            retried,
            warnings,
        })
    }

    /// Reads one `result.json`, given below the result.
    fn read_file(
        &self,
        result: &Path,
        file: &walk::ResultFile,
        include: Include,
        run_key: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<(Vec<Measurement>, Vec<String>), Box<Failure>> {
        // One buffer per thread: a fresh one per file costs more in page faults than the reading.
        thread_local!(static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
        let parsed = BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            let parsed = read_regular(&result.join(&file.path), buffer)
                .map_err(|error| format!("cannot be read: {error}"))
                .and_then(|()| parse::parse(buffer, include, &|key| run_key(key)));
            buffer.shrink_to(BUFFER_KEPT);
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
            .flat_map(|iteration| self.measurements(file, iteration))
            .collect();
        Ok((figures, warnings))
    }

    /// Returns the figures of one iteration.
    fn measurements(
        &self,
        file: &walk::ResultFile,
        iteration: parse::Iteration,
    ) -> Vec<Measurement> {
        let parse::Iteration {
            name,
            params,
            primary,
            throughput,
            latency,
        } = iteration;
        let place = file.place();
        let percent = self.units.share("%".into());
        let params = self.params.share(params);
        let mut figures = Vec::with_capacity((throughput.len() + latency.len()) * 2);
        let metrics = throughput.into_iter().map(|metric| ("throughput", metric));
        for (kind, metric) in metrics.chain(latency.into_iter().map(|metric| ("latency", metric))) {
            let id = |check| {
                self.names.id(Parts {
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
            let by_client: Vec<ClientValue> = metric
                .by_client
                .into_iter()
                .map(|one| ClientValue {
                    client: self.units.share(one.client),
                    ..one
                })
                .collect();
            for entry in metric.all {
                let figure = |check, value, unit, better, samples| Measurement {
                    id: id(check),
                    value,
                    primary,
                    unit,
                    better,
                    clients: metric.clients.max(1),
                    by_client: match check {
                        Check::Mean => by_client.clone(),
                        Check::Stddev | Check::Error => Vec::new(),
                    },
                    samples,
                    params: Arc::clone(&params),
                };
                figures.extend(entry.mean.map(|mean| {
                    figure(
                        Check::Mean,
                        mean,
                        entry.unit.map(|unit| self.units.share(unit)),
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
