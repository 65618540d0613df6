//! pbench itself as the driver of a benchmark: `"driver": "pbench"`.
//!
//! For machines that have pbench-agent already, and for whoever compares with nights it measured.
//! [`build`] takes the parameters as they are: pbench checks them. [`args`] writes its command line,
//! [`install`] makes sure of its packages and tools, [`run`] starts it and takes its result.

pub mod args;
pub mod install;
pub mod run;

use serde_json::{Map, Value};

use self::args::Line;
use super::Test;
use super::params::ParamError;

/// A benchmark pbench can drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Benchmark {
    /// As pbench calls it: `fio`.
    pub name: &'static str,
    /// Parameters that are given where the user gives none, sorted by name.
    pub defaults: &'static [(&'static str, &'static str)],
    /// What its command needs beyond parameters and clients.
    pub kind: Kind,
}

/// Commands that are not all alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `pbench-NAME --KEY=VALUE … --clients=…`.
    Plain,
    /// The same with servers, and with pbench's Perl modules in its path.
    WithServers,
    /// An Intel binary that is looked for, and a list of threads.
    Linpack,
}

/// `pbench-fio`.
pub const FIO: Benchmark = Benchmark {
    name: "fio",
    defaults: &[
        ("ramptime", "10"),
        ("runtime", "180"),
        ("samples", "3"),
        ("test-types", "read,write,rw"),
    ],
    kind: Kind::Plain,
};

/// `pbench-uperf`.
pub const UPERF: Benchmark = Benchmark {
    name: "uperf",
    defaults: &[
        ("message-sizes", "1,64,16384"),
        ("protocols", "tcp"),
        ("runtime", "60"),
        ("samples", "3"),
        ("test-types", "stream"),
    ],
    kind: Kind::WithServers,
};

/// `pbench-linpack`, or `pbench-run-benchmark linpack` of older ones.
pub const LINPACK: Benchmark = Benchmark {
    name: "linpack",
    defaults: &[("samples", "3")],
    kind: Kind::Linpack,
};

/// Returns whether these parameters ask for pbench.
pub fn is_asked_for(given: &Map<String, Value>) -> bool {
    given.get("driver").and_then(Value::as_str) == Some("pbench")
}

/// Builds a test that pbench drives.
///
/// # Errors
/// For parameters that would break what a run promises, and values that are no text.
pub fn build(
    benchmark: Benchmark,
    name: String,
    given: &Map<String, Value>,
) -> Result<Box<dyn Test>, ParamError> {
    let line = Line::read(benchmark, given)?;
    Ok(Box::new(run::Driven::new(name, line)))
}
