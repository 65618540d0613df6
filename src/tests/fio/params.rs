//! Parameters of the test `fio`: those of pbench-fio, a few of ours, and why some are refused.
//!
//! Defaults are those run-perf always gave pbench (types, ramp, runtime, samples), then pbench's.

use std::path::Path;

use serde_json::{Map, Value};

use super::job::{Given, Template};
use crate::tests::params::{Param, ParamError, Params};
use crate::text;

const fn param(
    name: &'static str,
    aliases: &'static [&'static str],
    default: &'static str,
    summary: &'static str,
) -> Param {
    Param {
        name,
        aliases,
        default,
        summary,
    }
}

/// Said of parameters that only pbench can honour.
const PBENCH_ONLY: &str = "Accepted from command lines for pbench and without effect";

/// Every parameter, in the order `--list` shows them.
pub const PARAMS: &[Param] = &[
    param(
        "test-types",
        &["type", "types", "test-type"],
        "read,write,rw",
        "read, write, rw, randread, randwrite, randrw",
    ),
    param(
        "block-sizes",
        &["block-size"],
        "4,64,1024",
        "Block sizes in KiB",
    ),
    param(
        "targets",
        &["target"],
        "/tmp/fio",
        "Absolute paths of files, directories or block devices; files that fio makes are removed afterwards",
    ),
    param(
        "runtime",
        &[],
        "180",
        "Seconds of each sample, after the ramp",
    ),
    param(
        "ramptime",
        &["ramp-time"],
        "10",
        "Seconds before figures count",
    ),
    param("samples", &[], "3", "Samples of each iteration"),
    param(
        "iodepth",
        &[],
        "32",
        "I/O operations in flight in each process",
    ),
    param(
        "ioengine",
        &[],
        "libaio",
        "How I/O is issued; `fio --enghelp` lists them",
    ),
    param("direct", &[], "1", "1: past the page cache, 0: through it"),
    param(
        "sync",
        &[],
        "0",
        "1: each write reaches the medium before it counts; also none, sync, dsync",
    ),
    param(
        "rate-iops",
        &[],
        "",
        "Upper limit of operations a second: N, or READ,WRITE",
    ),
    param(
        "numjobs",
        &[],
        "1",
        "Processes for each target; `__PER_WORKER_CPUS__` for the host's guest_cpus by workers",
    ),
    param("file-size", &[], "4096", "Size of each target in MiB"),
    param(
        "job-mode",
        &[],
        "concurrent",
        "concurrent: all targets at once; serial: one iteration for each",
    ),
    param(
        "job-file",
        &[],
        "",
        "Job file in place of the built-in one; $target and $@ (type, size) are filled in",
    ),
    param(
        "max-stddev",
        &[],
        "",
        "Repeat an iteration whose primary metric spreads by more percent; without it none is repeated",
    ),
    param(
        "max-failures",
        &[],
        "6",
        "Tries of an iteration under max-stddev",
    ),
    param(
        "histogram-interval-sec",
        &[],
        "10",
        "Seconds between entries of the latency histogram log",
    ),
    param(
        "log-interval-msec",
        &["log-interval"],
        "1000; 200 when runtime is below 4",
        "Milliseconds between points of the time series",
    ),
    param(
        "pre-iteration-script",
        &[],
        "",
        "Executable on the machine under test, run before each sample",
    ),
    param(
        "driver",
        &[],
        "native",
        "native: fio alone; nothing else is needed on the machine",
    ),
    param(
        "__ALLOW_DEVICE_WRITE__",
        &["allow-device-write"],
        "0",
        "1: also write to a block device that is in use or holds data",
    ),
    param("config", &[], "", PBENCH_ONLY),
    param("sysinfo", &[], "", PBENCH_ONLY),
    param("tool-group", &[], "", PBENCH_ONLY),
    param("tool-label-pattern", &[], "", PBENCH_ONLY),
    param("pbench_tools", &["pbench-tools"], "", PBENCH_ONLY),
];

/// pbench parameters that would break what a run promises, and why.
const REFUSED: &[(&str, &str)] = &[
    (
        "clients",
        "the workers are those of the profile; choose them with --hosts and --profiles",
    ),
    (
        "client-file",
        "the workers are those of the profile; choose them with --hosts and --profiles",
    ),
    (
        "servers",
        "fio has no servers of its own here; choose machines with --hosts and --profiles",
    ),
    (
        "unique-ports",
        "run-perf chooses the ports of fio's servers",
    ),
    (
        "postprocess-only",
        "figures are always read from a run of their own; use compare-perf on results that exist",
    ),
    ("run-dir", "results lie in the directory named by --output"),
    (
        "install",
        "install fio on the machine before the run, or with --host-setup-script",
    ),
];

/// Below this many seconds a run may end before fio has logged one interval of a second.
const SHORT_RUNTIME_S: u64 = 4;
/// Interval of such runs.
const SHORT_INTERVAL_MSEC: u64 = 200;

/// What stands for the number of CPUs each worker has.
pub const PER_WORKER_CPUS: &str = "__PER_WORKER_CPUS__";

/// Access patterns that can be asked for.
const TYPES: &[&str] = &["read", "write", "rw", "randread", "randwrite", "randrw"];

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
    /// Whether a device that holds something may be written.
    pub allow_device_write: bool,
    /// Whether some value waits for the number of CPUs.
    pub per_worker_cpus: bool,
    /// Given, but without effect here.
    pub ignored: Vec<&'static str>,
}

/// Checks names and spellings.
///
/// # Errors
/// [`ParamError`] naming the parameter, what was expected and found.
pub fn check(given: &Map<String, Value>) -> Result<Params, ParamError> {
    for (name, why) in REFUSED {
        if given.contains_key(*name) {
            return Err(ParamError::Invalid {
                item: super::NAME.into(),
                name: (*name).into(),
                message: format!("not supported: {why}"),
            });
        }
    }
    Params::check(super::NAME, given, PARAMS)
}

impl Settings {
    /// Reads the values; `cpus` stands in for [`PER_WORKER_CPUS`] (any number while planning).
    ///
    /// # Errors
    /// [`ParamError::Invalid`].
    pub fn read(params: &Params, cpus: u64) -> Result<Self, ParamError> {
        let read = Reader { params, cpus };
        let targets = targets(params)?;
        let mode = job_mode(params, &targets)?;
        let runtime = read.number("runtime", 180, 1)?;
        let ramp = read.number("ramptime", 10, 0)?;
        let size = read.number("file-size", 4096, 1)?;
        Ok(Self {
            types: types(params)?,
            block_sizes_kib: block_sizes(params)?,
            mode,
            runtime_s: runtime,
            ramp_s: ramp,
            samples: u32::try_from(read.number("samples", 3, 1)?)
                .map_err(|_| params.invalid("samples", "expected at most 4294967295"))?,
            max_stddev: max_stddev(params)?,
            max_failures: u32::try_from(read.number("max-failures", 6, 1)?).unwrap_or(u32::MAX),
            template: template(params)?,
            options: read.options(runtime, ramp, size)?,
            size_mib: size,
            pre_script: pre_script(params)?,
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

struct Reader<'a> {
    params: &'a Params,
    cpus: u64,
}

impl Reader<'_> {
    /// Returns a whole number of at least `least`; empty text is the default, as pbench has it.
    fn number(&self, name: &str, default: u64, least: u64) -> Result<u64, ParamError> {
        let Some(text) = given_text(self.params, name)? else {
            return Ok(default);
        };
        if text == PER_WORKER_CPUS {
            return Ok(self.cpus.max(least));
        }
        match text.parse() {
            Ok(number) if number >= least => Ok(number),
            _ => Err(self.params.invalid(
                name,
                format!("expected a whole number of at least {least}, found `{text}`"),
            )),
        }
    }

    fn options(&self, runtime: u64, ramp: u64, size: u64) -> Result<Vec<Given>, ParamError> {
        let mut options = Vec::new();
        let mut add = |key, value: String, name: &str| -> Result<(), ParamError> {
            // run-perf always hands these two to pbench; the others only when they are given.
            let force = given_text(self.params, name)?.is_some();
            if force || matches!(name, "runtime" | "ramptime") {
                options.push(Given { key, value, force });
            }
            Ok(())
        };
        add("runtime", runtime.to_string(), "runtime")?;
        add("ramp_time", ramp.to_string(), "ramptime")?;
        add("size", format!("{size}M"), "file-size")?;
        add(
            "iodepth",
            self.number("iodepth", 32, 1)?.to_string(),
            "iodepth",
        )?;
        add(
            "numjobs",
            self.number("numjobs", 1, 1)?.to_string(),
            "numjobs",
        )?;
        add(
            "log_hist_msec",
            self.number("histogram-interval-sec", 10, 1)?
                .saturating_mul(1000)
                .to_string(),
            "histogram-interval-sec",
        )?;
        add(
            "log_avg_msec",
            self.number("log-interval-msec", 1000, 1)?.to_string(),
            "log-interval-msec",
        )?;
        if runtime < SHORT_RUNTIME_S && given_text(self.params, "log-interval-msec")?.is_none() {
            options.push(Given {
                key: "log_avg_msec",
                value: SHORT_INTERVAL_MSEC.to_string(),
                force: true,
            });
        }
        let mut add = |key, value: String, name: &str| -> Result<(), ParamError> {
            if given_text(self.params, name)?.is_some() {
                options.push(Given {
                    key,
                    value,
                    force: true,
                });
            }
            Ok(())
        };
        add("direct", self.word("direct", &["0", "1"])?, "direct")?;
        add(
            "sync",
            self.word("sync", &["0", "1", "none", "sync", "dsync"])?,
            "sync",
        )?;
        let engine = given_text(self.params, "ioengine")?.unwrap_or_default();
        if engine.contains(char::is_whitespace) || engine.contains(['\n', '=']) {
            return Err(self.params.invalid(
                "ioengine",
                format!("expected a name such as libaio, found `{engine}`"),
            ));
        }
        add("ioengine", engine, "ioengine")?;
        let rate = given_text(self.params, "rate-iops")?.unwrap_or_default();
        if rate
            .split(',')
            .any(|part| !part.chars().all(|c| c.is_ascii_digit()))
            || rate.split(',').count() > 3
        {
            return Err(self.params.invalid(
                "rate-iops",
                format!("expected N or READ,WRITE in operations a second, found `{rate}`"),
            ));
        }
        add("rate_iops", rate, "rate-iops")?;
        Ok(options)
    }

    fn word(&self, name: &str, known: &[&str]) -> Result<String, ParamError> {
        let text = match given_text(self.params, name)?
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_str()
        {
            "true" | "yes" | "on" => "1".to_owned(),
            "false" | "no" | "off" => "0".to_owned(),
            other => other.to_owned(),
        };
        if text.is_empty() || known.contains(&text.as_str()) {
            return Ok(text);
        }
        Err(self.params.invalid(
            name,
            format!("expected one of {}, found `{text}`", known.join(", ")),
        ))
    }
}

/// Returns the text of a parameter; the empty text counts as not given.
fn given_text(params: &Params, name: &str) -> Result<Option<String>, ParamError> {
    let text = params
        .text(name)?
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    match text {
        Some(text) if text.contains(['\n', '\r', '\0']) => {
            Err(params.invalid(name, "expected one line"))
        }
        text => Ok(text),
    }
}

/// Returns a list without repetitions; the empty list counts as not given.
fn list(params: &Params, name: &str, default: &[&str]) -> Result<Vec<String>, ParamError> {
    let items = params.list(name)?.filter(|items| !items.is_empty());
    let items = items.unwrap_or_else(|| default.iter().map(|item| (*item).to_owned()).collect());
    for (index, item) in items.iter().enumerate() {
        if items[..index].contains(item) {
            return Err(params.invalid(
                name,
                format!("`{item}` is there twice; iterations are told apart by it"),
            ));
        }
    }
    Ok(items)
}

fn types(params: &Params) -> Result<Vec<String>, ParamError> {
    let types = list(params, "test-types", &["read", "write", "rw"])?;
    for kind in &types {
        if !TYPES.contains(&kind.as_str()) {
            let near = text::nearest(kind, TYPES.iter().copied())
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            return Err(params.invalid(
                "test-types",
                format!("expected {}, found `{kind}`{near}", TYPES.join(", ")),
            ));
        }
    }
    Ok(types)
}

fn block_sizes(params: &Params) -> Result<Vec<u64>, ParamError> {
    let sizes = list(params, "block-sizes", &["4", "64", "1024"])?;
    sizes
        .iter()
        .map(|size| {
            let digits = size.trim_end_matches("iB").trim_end_matches(['k', 'K']);
            // fio holds a block size in 32 bits of bytes.
            digits
                .parse()
                .ok()
                .filter(|kib| (1..4_194_304).contains(kib))
                .ok_or_else(|| {
                    params.invalid(
                        "block-sizes",
                        format!("expected sizes in KiB such as 4,64,1024, found `{size}`"),
                    )
                })
        })
        .collect()
}

fn targets(params: &Params) -> Result<Vec<String>, ParamError> {
    // An empty list may be a variable of a script that was not set; the default would then be
    // written to where nobody meant it.
    if params
        .list("targets")?
        .is_some_and(|targets| targets.is_empty())
    {
        return Err(params.invalid("targets", "expected at least one path, found none"));
    }
    let targets = list(params, "targets", &["/tmp/fio"])?;
    for target in &targets {
        if !target.starts_with('/') {
            return Err(params.invalid(
                "targets",
                format!("expected absolute paths on the machine under test, found `{target}`"),
            ));
        }
        if target.contains(['\n', '\r', '\0', ']', '[']) {
            return Err(params.invalid(
                "targets",
                format!("expected paths without brackets and line ends, found `{target}`"),
            ));
        }
    }
    Ok(targets)
}

/// Returns what an iteration in serial mode is named after.
pub fn base_name(target: &str) -> &str {
    target
        .rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or("root")
}

fn job_mode(params: &Params, targets: &[String]) -> Result<JobMode, ParamError> {
    match given_text(params, "job-mode")?.as_deref() {
        None | Some("concurrent") => Ok(JobMode::Concurrent),
        Some("serial") => {
            for (index, target) in targets.iter().enumerate() {
                if let Some(other) = targets[..index]
                    .iter()
                    .find(|other| base_name(other) == base_name(target))
                {
                    let message = format!(
                        "`{other}` and `{target}` have the same last name, and serial iterations are told apart by it"
                    );
                    return Err(params.invalid("targets", message));
                }
            }
            Ok(JobMode::Serial)
        }
        Some(other) => Err(params.invalid(
            "job-mode",
            format!("expected serial or concurrent, found `{other}`"),
        )),
    }
}

fn max_stddev(params: &Params) -> Result<Option<f64>, ParamError> {
    let Some(text) = given_text(params, "max-stddev")? else {
        return Ok(None);
    };
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(percent) if percent.is_finite() && percent > 0.0 => Ok(Some(percent)),
        _ => Err(params.invalid(
            "max-stddev",
            format!("expected percent above 0, found `{text}`"),
        )),
    }
}

fn pre_script(params: &Params) -> Result<Option<String>, ParamError> {
    let script = given_text(params, "pre-iteration-script")?;
    if let Some(path) = script.as_deref().filter(|path| !path.starts_with('/')) {
        return Err(params.invalid(
            "pre-iteration-script",
            format!("expected an absolute path on the machine under test, found `{path}`"),
        ));
    }
    Ok(script)
}

fn template(params: &Params) -> Result<Template, ParamError> {
    if let Some(driver) = given_text(params, "driver")?.filter(|driver| driver != "native") {
        let message = if driver == "pbench" {
            "not in this build yet; expected native"
        } else {
            "expected native"
        };
        return Err(params.invalid("driver", format!("{message}, found `{driver}`")));
    }
    let Some(path) = given_text(params, "job-file")? else {
        return Ok(Template::builtin());
    };
    let content = std::fs::read(Path::new(&path))
        .map_err(|error| params.invalid("job-file", format!("cannot read `{path}`: {error}")))?;
    let content = String::from_utf8(content).map_err(|_| {
        params.invalid(
            "job-file",
            format!("expected text in `{path}`, found bytes that are not UTF-8"),
        )
    })?;
    Template::parse(&content)
        .map_err(|error| params.invalid("job-file", format!("`{path}`: {error}")))
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    fn read(given: Value) -> Result<Settings, ParamError> {
        let given = given.as_object().cloned().unwrap_or_default();
        Settings::read(&check(&given)?, 1)
    }

    fn option<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
        settings
            .options
            .iter()
            .find(|option| option.key == key)
            .map(|option| option.value.as_str())
    }

    #[test]
    fn the_classic_command_line_is_understood() {
        let given = json!({"type":"read","ramptime":"1","runtime":"10","samples":"1","file-size":"100","targets":"/fio"});
        let settings = read(given).expect("good parameters");
        assert_eq!(
            (settings.types.as_slice(), settings.samples),
            (["read".to_owned()].as_slice(), 1)
        );
        assert_eq!((settings.ramp_s, settings.runtime_s), (1, 10));
        assert_eq!(option(&settings, "size"), Some("100M"));
        assert_eq!(settings.targets, ["/fio"]);
    }

    #[test]
    fn defaults_are_run_perfs_before_pbenchs() {
        let settings = read(json!({})).expect("no parameter is needed");
        assert_eq!(settings.types, ["read", "write", "rw"]);
        assert_eq!(settings.block_sizes_kib, [4, 64, 1024]);
        assert_eq!(
            (settings.ramp_s, settings.runtime_s, settings.samples),
            (10, 180, 3)
        );
        assert_eq!(
            settings.max_stddev, None,
            "nothing is repeated unless asked for"
        );
        assert_eq!(
            settings.options.len(),
            2,
            "the template keeps its own size, depth and engine: {:?}",
            settings.options
        );
    }

    #[test]
    fn numbers_lists_and_texts_mean_the_same() {
        let a = read(
            json!({"block-sizes": [4, "64k"], "direct": true, "iodepth": 8, "rate-iops": 500}),
        )
        .expect("good");
        let b = read(
            json!({"block-sizes": "4, 64", "direct": "1", "iodepth": "8", "rate-iops": "500"}),
        )
        .expect("good");
        assert_eq!(a, b);
        assert_eq!(option(&a, "rate_iops"), Some("500"));
    }

    #[test]
    fn what_is_wrong_is_said_by_name() {
        for (given, message) in [
            (json!({"type": "randraed"}), "did you mean `randread`"),
            (
                json!({"runtme": 1}),
                "no parameter `runtme`; did you mean `runtime`",
            ),
            (
                json!({"type": "read", "test-types": "write"}),
                "given twice",
            ),
            (json!({"type": "read,read"}), "`read` is there twice"),
            (json!({"runtime": 0}), "at least 1, found `0`"),
            (json!({"runtime": "1.5"}), "whole number"),
            (json!({"samples": "many"}), "found `many`"),
            (
                json!({"block-sizes": "4,x"}),
                "KiB such as 4,64,1024, found `x`",
            ),
            (json!({"targets": "fio"}), "absolute paths"),
            (json!({"targets": []}), "at least one path"),
            (json!({"targets": " , "}), "at least one path"),
            (
                json!({"targets": "/a/f,/b/f", "job-mode": "serial"}),
                "same last name",
            ),
            (json!({"job-mode": "both"}), "serial or concurrent"),
            (
                json!({"job-file": "/nonexistent/job.fio"}),
                "cannot read `/nonexistent/job.fio`",
            ),
            (json!({"max-stddev": "-1"}), "percent above 0"),
            (
                json!({"clients": "a,b"}),
                "the workers are those of the profile",
            ),
            (json!({"driver": "pbench"}), "not in this build yet"),
            (json!({"direct": "2"}), "expected one of 0, 1, found `2`"),
            (json!({"rate-iops": "fast"}), "operations a second"),
            (json!({"targets": {"a": 1}}), "expected text or a number"),
            (
                json!({"targets": "/a\n/b"}),
                "without brackets and line ends",
            ),
        ] {
            let error = read(given.clone())
                .expect_err(&given.to_string())
                .to_string();
            assert!(error.contains(message), "{given}: {error}");
        }
    }

    #[test]
    fn pbenchs_own_parameters_are_taken_and_named_as_ignored() {
        let settings =
            read(json!({"sysinfo": "default", "pbench_tools": ["sar"], "config": "nightly"}))
                .expect("taken");
        assert_eq!(settings.ignored, ["config", "sysinfo", "pbench_tools"]);
    }

    #[test]
    fn cpus_of_a_worker_stand_in_for_their_name() {
        let given = json!({"numjobs": "__PER_WORKER_CPUS__"})
            .as_object()
            .cloned()
            .unwrap_or_default();
        let settings = Settings::read(&check(&given).expect("known"), 6).expect("good");
        assert!(settings.per_worker_cpus);
        assert_eq!(option(&settings, "numjobs"), Some("6"));
    }
}
