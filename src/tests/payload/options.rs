//! Parameters of the `payload` test.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::lint::{hint, lint};
use crate::archive::{Contents, Limits};
use crate::control::options::expand_home;
use crate::tests::command::metric::Metric;
use crate::tests::params::{Param, ParamError, Params};

/// Name in the registry.
pub const NAME: &str = "payload";
/// Other names.
pub const ALIASES: &[&str] = &["vmrun", "runbench"];
/// One sentence for `--list`.
pub const SUMMARY: &str = "A BenchKit payload archive on every worker at once";
/// Parameters.
pub const PARAMS: &[Param] = &[
    Param {
        name: "archive",
        aliases: &["payload", "path"],
        default: "",
        summary: "The payload: a gzip-compressed tar with payload.sh at the top",
    },
    Param {
        name: "root",
        aliases: &[],
        default: ROOT,
        summary: "Folder on the workers it is unpacked and run in",
    },
    Param {
        name: "samples",
        aliases: &[],
        default: "1",
        summary: "How often payload.sh is run",
    },
    Param {
        name: "metrics",
        aliases: &[],
        default: "every line NAME VALUE [UNIT [higher|lower]]",
        summary: "Numbers to take from standard output, as of the test `command`; [] for none",
    },
    Param {
        name: "clean",
        aliases: &[],
        default: "false",
        summary: "Remove the root folder afterwards; a payload's traces stay otherwise",
    },
    Param {
        name: "timeout",
        aliases: &["run-timeout"],
        default: "0",
        summary: "Seconds a run may take; 0 for no limit",
    },
    Param {
        name: "ready-timeout",
        aliases: &["ready_timeout"],
        default: "120",
        summary: "Seconds a worker has to become reachable; 0 for no limit",
    },
    Param {
        name: "upload-timeout",
        aliases: &["upload_timeout"],
        default: "600",
        summary: "Seconds the upload may take; 0 for no limit",
    },
    Param {
        name: "unpack-timeout",
        aliases: &["unpack_timeout"],
        default: "120",
        summary: "Seconds unpacking may take; 0 for no limit",
    },
    Param {
        name: "max-unpacked-mib",
        aliases: &["max_unpacked_mib"],
        default: "4096",
        summary: "MiB the archive may hold, unpacked",
    },
    Param {
        name: "max-entries",
        aliases: &["max_entries"],
        default: "100000",
        summary: "Files and folders the archive may hold",
    },
];

/// Where payloads go when nobody says.
const ROOT: &str = "/opt/benchkit";

/// Parameters, checked; the archive, too.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) archive: PathBuf,
    pub(super) contents: Contents,
    pub(super) root: String,
    pub(super) samples: u32,
    /// `None`: every line that looks like one.
    pub(super) metrics: Option<Vec<Metric>>,
    pub(super) clean: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) ready: Option<Duration>,
    pub(super) upload: Option<Duration>,
    pub(super) unpack: Option<Duration>,
}

impl Options {
    pub(super) fn parse(given: &Map<String, Value>) -> Result<Self, ParamError> {
        let params = Params::check(NAME, given, PARAMS)?;
        let samples = params.number("samples")?.unwrap_or(1);
        if samples == 0 {
            return Err(params.invalid("samples", "expected at least 1, found 0"));
        }
        let clean = params.switch("clean")?.unwrap_or(false);
        let mib: u64 = params.number("max-unpacked-mib")?.unwrap_or(4096);
        let limits = Limits {
            unpacked: mib.saturating_mul(1 << 20),
            entries: params.number("max-entries")?.unwrap_or(100_000),
        };
        let root = root(&params, clean)?;
        let metrics = metrics(&params)?;
        let seconds = |name, default| seconds(&params, name, default);
        let (timeout, ready) = (seconds("timeout", 0.0)?, seconds("ready-timeout", 120.0)?);
        let (upload, unpack) = (
            seconds("upload-timeout", 600.0)?,
            seconds("unpack-timeout", 120.0)?,
        );
        let archive = params.text("archive")?.ok_or_else(|| {
            params.invalid(
                "archive",
                "expected the path of a payload, found none: payload:'{\"archive\": \"payload.tgz\"}'",
            )
        })?;
        let archive = expand_home(archive.as_ref());
        let contents = lint(&archive, &limits).map_err(|error| {
            params.invalid(
                "archive",
                format!("cannot read {}: {error}", archive.display()),
            )
        })?;
        if let Some(first) = contents.faults.first() {
            let more = match contents.faults.len() as u64 + contents.more_faults - 1 {
                0 => String::new(),
                more => format!(
                    "; and {more} more, see `prep-perf check {}`",
                    archive.display()
                ),
            };
            let next = hint(&contents.faults).map(|hint| format!("; {hint}"));
            return Err(params.invalid(
                "archive",
                format!(
                    "{} is no payload that can be sent: {first}{more}{}",
                    archive.display(),
                    next.unwrap_or_default()
                ),
            ));
        }
        Ok(Self {
            archive,
            contents,
            root,
            samples,
            metrics,
            clean,
            timeout,
            ready,
            upload,
            unpack,
        })
    }
}

fn root(params: &Params, clean: bool) -> Result<String, ParamError> {
    let typed = params.text("root")?.unwrap_or_else(|| ROOT.into());
    let wrong = |expected: &str| {
        Err(params.invalid("root", format!("expected {expected}, found `{typed}`")))
    };
    if !typed.starts_with('/') || typed.chars().any(char::is_control) {
        return wrong("an absolute path");
    }
    let mut parts: Vec<&str> = typed.split('/').collect();
    parts.retain(|part| !part.is_empty() && *part != ".");
    if parts.contains(&"..") {
        return wrong("a path without `..`");
    }
    if clean && parts.len() < 2 {
        return wrong(
            "a folder below one of the system's (`/opt/benchkit`), since `clean` removes it",
        );
    }
    Ok(format!("/{}", parts.join("/")))
}

fn seconds(params: &Params, name: &str, default: f64) -> Result<Option<Duration>, ParamError> {
    let seconds: f64 = params.number(name)?.unwrap_or(default);
    let limit = Duration::try_from_secs_f64(seconds).map_err(|_| {
        params.invalid(
            name,
            format!("expected seconds from 0 on, found `{seconds}`"),
        )
    })?;
    Ok((!limit.is_zero()).then_some(limit))
}

fn metrics(params: &Params) -> Result<Option<Vec<Metric>>, ParamError> {
    let Some(value) = params.get("metrics") else {
        return Ok(None);
    };
    let Some(list) = value.as_array() else {
        return Err(params.invalid("metrics", format!("expected a list, found `{value}`")));
    };
    let mut metrics: Vec<Metric> = Vec::new();
    for (index, entry) in list.iter().enumerate() {
        let metric = Metric::parse(&format!("metrics[{index}] of {NAME}"), entry)?;
        if metric.file.is_some() {
            return Err(params.invalid(
                "metrics",
                format!(
                    "metrics[{index}]: numbers of a payload are read from standard output, not from a file"
                ),
            ));
        }
        if metrics.iter().any(|other| other.name == metric.name) {
            return Err(params.invalid("metrics", format!("`{}` is there twice", metric.name)));
        }
        metrics.push(metric);
    }
    Ok(Some(metrics))
}
