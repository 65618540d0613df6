//! The table of parameters that `--list` and the manual show, and pbench's that are refused.

use crate::tests::params::Param;

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
pub(super) const PBENCH_ONLY: &str = "Accepted from command lines for pbench and without effect";

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
pub(super) const REFUSED: &[(&str, &str)] = &[
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
