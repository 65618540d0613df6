//! Reading the values, each with what was expected when it does not fit.

use std::path::Path;

use super::{JobMode, PER_WORKER_CPUS, base_name};
use crate::tests::fio::job::{Given, Template};
use crate::tests::params::{ParamError, Params};
use crate::text;

/// Below this many seconds a run may end before fio has logged one interval of a second.
const SHORT_RUNTIME_S: u64 = 4;
/// Interval of such runs.
const SHORT_INTERVAL_MSEC: u64 = 200;

/// Access patterns that can be asked for.
const TYPES: &[&str] = &["read", "write", "rw", "randread", "randwrite", "randrw"];

/// Reads what may be given as [`PER_WORKER_CPUS`].
pub(in crate::tests) struct Reader<'a> {
    pub(in crate::tests) params: &'a Params,
    /// Stands in for it.
    pub(in crate::tests) cpus: u64,
}

impl Reader<'_> {
    /// Returns a whole number of at least `least`; empty text is the default, as pbench has it.
    pub(in crate::tests) fn number(
        &self,
        name: &str,
        default: u64,
        least: u64,
    ) -> Result<u64, ParamError> {
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

    pub(super) fn options(
        &self,
        runtime: u64,
        ramp: u64,
        size: u64,
    ) -> Result<Vec<Given>, ParamError> {
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

pub(super) fn types(params: &Params, default: &[&str]) -> Result<Vec<String>, ParamError> {
    let types = list(params, "test-types", default)?;
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

pub(super) fn block_sizes(params: &Params) -> Result<Vec<u64>, ParamError> {
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

pub(super) fn targets(params: &Params) -> Result<Vec<String>, ParamError> {
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

pub(super) fn job_mode(params: &Params, targets: &[String]) -> Result<JobMode, ParamError> {
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

pub(super) fn max_stddev(params: &Params) -> Result<Option<f64>, ParamError> {
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

pub(super) fn pre_script(params: &Params) -> Result<Option<String>, ParamError> {
    let script = given_text(params, "pre-iteration-script")?;
    if let Some(path) = script.as_deref().filter(|path| !path.starts_with('/')) {
        return Err(params.invalid(
            "pre-iteration-script",
            format!("expected an absolute path on the machine under test, found `{path}`"),
        ));
    }
    Ok(script)
}

pub(super) fn template(params: &Params, builtin: Template) -> Result<Template, ParamError> {
    if let Some(driver) = given_text(params, "driver")?.filter(|driver| driver != "native") {
        let message = format!("expected native or pbench, found `{driver}`");
        return Err(params.invalid("driver", message));
    }
    let Some(path) = given_text(params, "job-file")? else {
        return Ok(builtin);
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
