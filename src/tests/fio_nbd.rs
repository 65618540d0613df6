//! `fio-nbd`: fio over a network block device that `qemu-nbd` serves on the worker itself.
//!
//! fio is driven as in the test [`fio`](super::fio); this module serves a file of random data over a
//! unix socket in each worker's private folder.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Test;
use super::fio::job::Template;
use super::fio::machine::Machine;
use super::fio::params::table::{self, with_default};
use super::fio::params::values::Reader;
use super::fio::params::{Defaults, Settings, check};
use super::fio::run::build_with;
use super::fio::served::{Backend, Served, needs_engine, needs_program, wait_for_socket};
use super::params::{Param, ParamError, Params};
use crate::shell::{CommandLine, Limits, ShellExt};
use crate::tests::TestError;

/// Name in the registry.
pub const NAME: &str = "fio-nbd";
/// Other names.
pub const ALIASES: &[&str] = &["fio_nbd", "FioNBD"];
/// One sentence for `--list`.
pub const SUMMARY: &str = "fio over a network block device served by qemu-nbd on the worker";

/// Every parameter, in the order `--list` shows them.
pub const PARAMS: &[Param] = &[
    with_default(table::TEST_TYPES, "read,randread"),
    table::BLOCK_SIZES,
    with_default(table::RUNTIME, "30"),
    with_default(table::RAMPTIME, "5"),
    with_default(table::SAMPLES, "5"),
    table::IODEPTH,
    table::RATE_IOPS,
    Param {
        name: "numjobs",
        aliases: &[],
        default: "4",
        summary: "Processes, each on a part of the export of its own; `__PER_WORKER_CPUS__` as in fio",
    },
    Param {
        name: "file-size",
        aliases: &[],
        default: "256",
        summary: "Size of the export in MiB",
    },
    Param {
        name: "job-file",
        aliases: &[],
        default: "",
        summary: "Job file in place of the built-in one; $target is the path of the socket, $@ type or size",
    },
    table::MAX_STDDEV,
    table::MAX_FAILURES,
    table::HISTOGRAM_INTERVAL_SEC,
    table::LOG_INTERVAL_MSEC,
    table::PRE_ITERATION_SCRIPT,
    table::CLIENT_SERVER,
    table::CONFIG,
    table::SYSINFO,
    table::TOOL_GROUP,
    table::TOOL_LABEL_PATTERN,
    table::PBENCH_TOOLS,
];

/// How long writing the random data may take.
const FILL: Duration = Duration::from_secs(600);

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with what was expected.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    let params = check(NAME, PARAMS, given)?;
    let size_mib = size(&params)?;
    build_with(name, params, read, Some(Box::new(QemuNbd { size_mib })))
}

fn size(params: &Params) -> Result<u64, ParamError> {
    Reader { params, cpus: 1 }.number("file-size", 256, 1)
}

fn read(params: &Params, cpus: u64) -> Result<Settings, ParamError> {
    let jobs = Reader { params, cpus }.number("numjobs", 4, 1)?;
    let size = size(params)?;
    let part = size / jobs;
    if part == 0 {
        let message = format!("expected at most one process for each of {size} MiB, found {jobs}");
        return Err(params.invalid("numjobs", message));
    }
    let template = format!(
        "[global]\nbs=$@\nruntime=30\nioengine=nbd\niodepth=32\ndirect=1\nsync=0\ntime_based=1\n\
         clocksource=gettimeofday\nramp_time=5\nwrite_bw_log=fio\nwrite_iops_log=fio\nwrite_lat_log=fio\n\
         log_avg_msec=1000\nwrite_hist_log=fio\nlog_hist_msec=10000\nlog_unix_epoch=1\n\n\
         [nbd]\nuri=nbd+unix:///?socket=$target\nrw=$@\nsize={part}M\noffset_increment={part}M\nnumjobs={jobs}\n"
    );
    let template = Template::parse(&template)
        .map_err(|error| params.invalid("job-file", error.to_string()))?;
    let defaults = Defaults {
        types: &["read", "randread"],
        runtime_s: 30,
        ramp_s: 5,
        samples: 5,
        template,
        size_mib: part,
        served: Some("a file served by qemu-nbd"),
    };
    Settings::read_with(params, cpus, defaults)
}

#[derive(Debug)]
struct QemuNbd {
    size_mib: u64,
}

impl Backend for QemuNbd {
    fn describe(&self) -> String {
        format!(
            "on each worker: qemu-nbd serves {} MiB of random data on a unix socket",
            self.size_mib
        )
    }

    fn start(&self, machine: &Machine, limits: &Limits) -> Result<Served, TestError> {
        needs_engine(machine, "nbd", limits)?;
        needs_program(
            machine,
            "qemu-nbd",
            "qemu-utils (Debian), qemu-img (Fedora)",
            limits,
        )?;
        let fill = CommandLine::script(r#"head -c "$1" /dev/urandom >disk.img"#)
            .arg("fill")
            .arg((self.size_mib << 20).to_string())
            .current_dir(machine.folder());
        machine.shell().text(&fill, &limits.clone().within(FILL))?;
        let socket = machine.folder().join("nbd.sock");
        let path = socket.to_string_lossy().into_owned();
        // As many clients as processes may come: fio opens the export once more to look at its size.
        let serve = CommandLine::new("qemu-nbd")
            .args(["--persistent", "--shared=0", "--format=raw"])
            .arg(format!("--socket={path}"))
            .arg("disk.img")
            .current_dir(machine.folder());
        let mut process = machine.shell().start(&serve)?;
        wait_for_socket(machine, process.as_mut(), "qemu-nbd", &socket, limits)?;
        Ok(Served {
            path,
            processes: vec![process],
        })
    }
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    fn built(given: Value) -> Result<Box<dyn Test>, ParamError> {
        build(NAME.into(), given.as_object().expect("an object"))
    }

    #[test]
    fn the_export_is_shared_out_over_the_processes() {
        let params = check(NAME, PARAMS, &Map::new()).expect("known");
        let settings = read(&params, 1).expect("good");
        assert_eq!(settings.types, ["read", "randread"]);
        assert_eq!(
            (settings.runtime_s, settings.ramp_s, settings.samples),
            (30, 5, 5)
        );
        let test = built(json!({"numjobs": 300}))
            .map(|_| ())
            .expect_err("too many");
        assert!(test.to_string().contains("256 MiB, found 300"), "{test}");
        let lines = built(json!({"file-size": 64}))
            .expect("good")
            .describe()
            .join("\n");
        assert!(lines.contains("qemu-nbd serves 64 MiB"), "{lines}");
    }

    #[test]
    fn parameters_of_other_disks_are_refused() {
        let error = built(json!({"targets": "/dev/sda"}))
            .map(|_| ())
            .expect_err("no targets");
        assert!(
            error
                .to_string()
                .contains("`fio-nbd` has no parameter `targets`"),
            "{error}"
        );
    }
}
