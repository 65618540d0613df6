//! `fio-libblkio`: fio over vhost-user-blk through libblkio, served by a storage daemon on the worker.
//!
//! fio is driven as in the test [`fio`](super::fio); this module starts the daemon, and makes the RAM
//! disk it serves unless told otherwise.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Test;
use super::fio::job::Template;
use super::fio::machine::Machine;
use super::fio::params::table::{self, with_default};
use super::fio::params::{Defaults, Settings, check};
use super::fio::run::build_with;
use super::fio::served::{Backend, Served, needs_engine, needs_program, wait_for_socket};
use super::params::{Param, ParamError, Params};
use crate::control::undo::Undo;
use crate::shell::quote::quote;
use crate::shell::{CommandLine, Limits};
use crate::tests::TestError;

/// Name in the registry.
pub const NAME: &str = "fio-libblkio";
/// Other names.
pub const ALIASES: &[&str] = &["fio_libblkio", "FioLibblkio"];
/// One sentence for `--list`.
pub const SUMMARY: &str =
    "fio over vhost-user-blk with libblkio, served by a storage daemon on the worker";

/// Every parameter, in the order `--list` shows them.
pub const PARAMS: &[Param] = &[
    with_default(table::TEST_TYPES, "read,randread"),
    table::BLOCK_SIZES,
    with_default(table::RUNTIME, "10"),
    with_default(table::RAMPTIME, "5"),
    with_default(table::SAMPLES, "5"),
    with_default(table::IODEPTH, "1"),
    table::RATE_IOPS,
    with_default(table::NUMJOBS, "1"),
    Param {
        name: "hipri",
        aliases: &[],
        default: "0",
        summary: "1: completions are polled for",
    },
    Param {
        name: "target",
        aliases: &["targets"],
        default: DEVICE,
        summary: "Block device or file on the worker that the daemon serves; it is written to by types that write",
    },
    Param {
        name: "__SETUP_RAMDISK__",
        aliases: &["setup-ramdisk"],
        default: "1",
        summary: "Load the module brd with one device of 1 GiB first, and unload it afterwards",
    },
    Param {
        name: "__STORAGE_DAEMON_CMD__",
        aliases: &["storage-daemon-cmd"],
        default: "qemu-storage-daemon with one iothread",
        summary: "Shell command that serves a disk; holds %s twice: for the target, then for the socket",
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

/// The RAM disk.
const DEVICE: &str = "/dev/ram0";

/// How long loading a module may take.
const SHORT: Duration = Duration::from_secs(60);

/// Builds the test from its parameters.
///
/// # Errors
/// Unknown parameters and values that do not fit, each with what was expected.
pub fn build(name: String, given: &Map<String, Value>) -> Result<Box<dyn Test>, ParamError> {
    let params = check(NAME, PARAMS, given)?;
    let target = params.text("target")?.unwrap_or_else(|| DEVICE.into());
    if !target.starts_with('/') {
        let message = format!("expected an absolute path on the worker, found `{target}`");
        return Err(params.invalid("target", message));
    }
    let daemon = Daemon {
        target,
        ram_disk: params.switch("__SETUP_RAMDISK__")?.unwrap_or(true),
        command: command(&params)?,
    };
    build_with(name, params, read, Some(Box::new(daemon)))
}

/// Returns the command of the user, split where the target and the socket go.
fn command(params: &Params) -> Result<Option<[String; 3]>, ParamError> {
    let Some(text) = params.text("__STORAGE_DAEMON_CMD__")? else {
        return Ok(None);
    };
    let parts: Vec<String> = text.split("%s").map(str::to_owned).collect();
    <[String; 3]>::try_from(parts).map(Some).map_err(|parts| {
        let message = format!(
            "expected %s exactly twice (target, socket), found {} in `{text}`",
            parts.len() - 1
        );
        params.invalid("__STORAGE_DAEMON_CMD__", message)
    })
}

fn read(params: &Params, cpus: u64) -> Result<Settings, ParamError> {
    let hipri = u8::from(params.switch("hipri")?.unwrap_or(false));
    let template = format!(
        "[global]\nbs=$@\nruntime=10\nioengine=libblkio\niodepth=1\nhipri={hipri}\ndirect=1\nthread=1\ntime_based=1\n\
         clocksource=gettimeofday\nramp_time=5\nwrite_bw_log=fio\nwrite_iops_log=fio\nwrite_lat_log=fio\n\
         log_avg_msec=1000\nwrite_hist_log=fio\nlog_hist_msec=10000\nlog_unix_epoch=1\n\n\
         [libblkio]\nlibblkio_driver=virtio-blk-vhost-user\nlibblkio_path=$target\nrw=$@\nnumjobs=1\n"
    );
    let template = Template::parse(&template)
        .map_err(|error| params.invalid("job-file", error.to_string()))?;
    let defaults = Defaults {
        types: &["read", "randread"],
        runtime_s: 10,
        ramp_s: 5,
        samples: 5,
        template,
        size_mib: 1024,
        served: Some("a disk served by a storage daemon"),
    };
    Settings::read_with(params, cpus, defaults)
}

#[derive(Debug)]
struct Daemon {
    target: String,
    ram_disk: bool,
    /// What stands before the target, between it and the socket, after the socket.
    command: Option<[String; 3]>,
}

impl Daemon {
    /// Loads the RAM disk, to be unloaded when the test is over. One that is there belongs to somebody.
    fn load(&self, machine: &Machine, limits: &Limits) -> Result<(), TestError> {
        let there = CommandLine::new("test").args(["-d", "/sys/module/brd"]);
        if machine.shell().run(&there, limits)?.exit.success() {
            return Err(TestError::Skip {
                reason: format!(
                    "{}: the module brd is loaded already and may hold data; unload it (`modprobe -r brd`), or give \"__SETUP_RAMDISK__\": 0",
                    machine.shell().target()
                ),
            });
        }
        machine.plan(|on| Undo::Command {
            on,
            argv: ["sh", "-c", "[ ! -d /sys/module/brd ] || modprobe -r brd"]
                .map(str::to_owned)
                .to_vec(),
        })?;
        let load =
            CommandLine::new("modprobe").args(["brd", "rd_nr=1", "rd_size=1048576", "max_part=0"]);
        let output = machine.shell().run(&load, limits)?;
        if output.exit.success() {
            return Ok(());
        }
        Err(TestError::Skip {
            reason: format!(
                "{}: no RAM disk can be made ({}); give a disk as `target` and \"__SETUP_RAMDISK__\": 0",
                machine.shell().target(),
                crate::text::one_line(&output.tail())
            ),
        })
    }

    fn daemon(&self, socket: &str) -> CommandLine {
        let (target, socket) = (quote(&self.target), quote(socket));
        match &self.command {
            Some([before, between, after]) => {
                CommandLine::script(format!("{before}{target}{between}{socket}{after}"))
            }
            None => CommandLine::new("qemu-storage-daemon")
                .args(["--object", "iothread,id=iothread0"])
                .arg("--blockdev")
                .arg(format!(
                    "driver={},node-name=disk,filename={},cache.direct=on",
                    if self.target.starts_with("/dev/") { "host_device" } else { "file" },
                    self.target
                ))
                .arg("--export")
                .arg(format!(
                    "type=vhost-user-blk,id=disk,node-name=disk,iothread=iothread0,writable=on,addr.type=unix,addr.path={socket}"
                )),
        }
    }
}

impl Backend for Daemon {
    fn describe(&self) -> String {
        let disk = if self.ram_disk {
            " after loading the module brd"
        } else {
            ""
        };
        format!(
            "on each worker: a storage daemon serves {}{disk}",
            self.target
        )
    }

    fn start(&self, machine: &Machine, limits: &Limits) -> Result<Served, TestError> {
        let limits = limits.clone().within(SHORT);
        needs_engine(machine, "libblkio", &limits)?;
        if self.command.is_none() {
            needs_program(
                machine,
                "qemu-storage-daemon",
                "qemu-system-common (Debian), qemu-kvm-core (Fedora)",
                &limits,
            )?;
        }
        if self.ram_disk {
            self.load(machine, &limits)?;
        }
        let socket = machine.folder().join("vhost-user-blk.sock");
        let path = socket.to_string_lossy().into_owned();
        let command = self.daemon(&path).current_dir(machine.folder());
        let mut process = machine.shell().start(&command)?;
        wait_for_socket(
            machine,
            process.as_mut(),
            "the storage daemon",
            &socket,
            &limits,
        )?;
        Ok(Served {
            path,
            processes: vec![process],
        })
    }
}
