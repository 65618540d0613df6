//! Parameters of the test `fio`: those of pbench-fio, a few of ours, and why some are refused.
//!
//! Defaults are those run-perf always gave pbench (types, ramp, runtime, samples), then pbench's.
//! `table` is what can be given, `values` reads it.

pub(in crate::tests) mod table;
#[cfg(test)]
mod unit;
pub(in crate::tests) mod values;

use serde_json::{Map, Value};

pub use self::table::PARAMS;
use self::table::{PBENCH_ONLY, REFUSED};
use self::values::{
    Reader, block_sizes, job_mode, max_stddev, pre_script, targets, template, types,
};
use super::job::{Given, Template};
use crate::tests::params::{Param, ParamError, Params};

/// What stands for the number of CPUs each worker has.
pub const PER_WORKER_CPUS: &str = "__PER_WORKER_CPUS__";

/// Whether targets are worked on at once or one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobMode {
    /// One job file holds all targets.
    Concurrent,
    /// Each target is an iteration of its own.
    Serial,
}

/// Parameters, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Access patterns, in the order they run.
    pub types: Vec<String>,
    /// KiB.
    pub block_sizes_kib: Vec<u64>,
    /// Absolute paths.
    pub targets: Vec<String>,
    /// How targets are taken.
    pub mode: JobMode,
    /// Seconds.
    pub runtime_s: u64,
    /// Seconds.
    pub ramp_s: u64,
    /// Samples of each iteration.
    pub samples: u32,
    /// Percent; `None`: no iteration is repeated.
    pub max_stddev: Option<f64>,
    /// Tries of an iteration under `max_stddev`.
    pub max_failures: u32,
    /// Built-in, or the user's.
    pub template: Template,
    /// Options beside `bs` and `rw`.
    pub options: Vec<Given>,
    /// MiB, for the time a layout may take.
    pub size_mib: u64,
    /// Path on the machine.
    pub pre_script: Option<String>,
    /// Whether one client starts servers on all workers.
    pub client_server: bool,
    /// Whether a device that holds something may be written.
    pub allow_device_write: bool,
    /// Whether some value waits for the number of CPUs.
    pub per_worker_cpus: bool,
    /// Given, but without effect here.
    pub ignored: Vec<&'static str>,
}

/// What holds where nothing is given, for a test over fio.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// Access patterns.
    pub types: &'static [&'static str],
    /// Seconds.
    pub runtime_s: u64,
    /// Seconds.
    pub ramp_s: u64,
    /// Samples of each iteration.
    pub samples: u64,
    /// Job file when the user brings none.
    pub template: Template,
    /// MiB each process works on.
    pub size_mib: u64,
    /// What fio works on in place of `targets`, for people to read.
    pub served: Option<&'static str>,
}

impl Defaults {
    /// Of the test `fio` itself: what run-perf always gave pbench.
    fn fio() -> Self {
        Self {
            types: &["read", "write", "rw"],
            runtime_s: 180,
            ramp_s: 10,
            samples: 3,
            template: Template::builtin(),
            size_mib: 4096,
            served: None,
        }
    }
}

/// Checks names and spellings of the parameters of a test over fio.
///
/// # Errors
/// [`ParamError`] naming the parameter, what was expected and found.
pub fn check(
    item: &str,
    known: &[Param],
    given: &Map<String, Value>,
) -> Result<Params, ParamError> {
    for (name, why) in REFUSED {
        if given.contains_key(*name) {
            return Err(ParamError::Invalid {
                item: item.into(),
                name: (*name).into(),
                message: format!("not supported: {why}"),
            });
        }
    }
    Params::check(item, given, known)
}

impl Settings {
    /// Reads the values of the test `fio`; `cpus` stands in for [`PER_WORKER_CPUS`] (any number while
    /// planning).
    ///
    /// # Errors
    /// [`ParamError::Invalid`].
    pub fn read(params: &Params, cpus: u64) -> Result<Self, ParamError> {
        Self::read_with(params, cpus, Defaults::fio())
    }

    /// Reads the values of a test that has other defaults.
    ///
    /// # Errors
    /// [`ParamError::Invalid`].
    pub fn read_with(params: &Params, cpus: u64, defaults: Defaults) -> Result<Self, ParamError> {
        let read = Reader { params, cpus };
        let targets = match defaults.served {
            Some(what) => vec![what.to_owned()],
            None => targets(params)?,
        };
        let mode = job_mode(params, &targets)?;
        let runtime = read.number("runtime", defaults.runtime_s, 1)?;
        let ramp = read.number("ramptime", defaults.ramp_s, 0)?;
        let size = match defaults.served {
            Some(_) => defaults.size_mib,
            None => read.number("file-size", defaults.size_mib, 1)?,
        };
        Ok(Self {
            types: types(params, defaults.types)?,
            block_sizes_kib: block_sizes(params)?,
            mode,
            runtime_s: runtime,
            ramp_s: ramp,
            samples: u32::try_from(read.number("samples", defaults.samples, 1)?)
                .map_err(|_| params.invalid("samples", "expected at most 4294967295"))?,
            max_stddev: max_stddev(params)?,
            max_failures: u32::try_from(read.number("max-failures", 6, 1)?).unwrap_or(u32::MAX),
            template: template(params, defaults.template)?,
            options: read.options(runtime, ramp, size)?,
            size_mib: size,
            pre_script: pre_script(params)?,
            client_server: params.switch("client-server")?.unwrap_or(false),
            allow_device_write: params.switch("__ALLOW_DEVICE_WRITE__")?.unwrap_or(false),
            per_worker_cpus: params.iter().any(|(_, value)| value == PER_WORKER_CPUS),
            ignored: PARAMS
                .iter()
                .filter(|p| p.summary == PBENCH_ONLY && params.get(p.name).is_some())
                .map(|p| p.name)
                .collect(),
            targets,
        })
    }
}

/// Returns what an iteration in serial mode is named after.
pub fn base_name(target: &str) -> &str {
    target
        .rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or("root")
}
