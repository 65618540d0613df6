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

/// The same parameter with another default.
pub(in crate::tests) const fn with_default(param: Param, default: &'static str) -> Param {
    Param { default, ..param }
}

/// Said of parameters that only pbench can honour.
pub(in crate::tests) const PBENCH_ONLY: &str =
    "Accepted from command lines for pbench and without effect";

pub(in crate::tests) const TEST_TYPES: Param = param(
    "test-types",
    &["type", "types", "test-type"],
    "read,write,rw",
    "read, write, rw, randread, randwrite, randrw",
);
pub(in crate::tests) const BLOCK_SIZES: Param = param(
    "block-sizes",
    &["block-size"],
    "4,64,1024",
    "Block sizes in KiB",
);
pub(in crate::tests) const TARGETS: Param = param(
    "targets",
    &["target"],
    "/tmp/fio",
    "Absolute paths of files, directories or block devices; files that fio makes are removed afterwards",
);
pub(in crate::tests) const RUNTIME: Param = param(
    "runtime",
    &[],
    "180",
    "Seconds of each sample, after the ramp",
);
pub(in crate::tests) const RAMPTIME: Param = param(
    "ramptime",
    &["ramp-time"],
    "10",
    "Seconds before figures count",
);
pub(in crate::tests) const SAMPLES: Param = param("samples", &[], "3", "Samples of each iteration");
pub(in crate::tests) const IODEPTH: Param = param(
    "iodepth",
    &[],
    "32",
    "I/O operations in flight in each process",
);
pub(in crate::tests) const IOENGINE: Param = param(
    "ioengine",
    &[],
    "libaio",
    "How I/O is issued; `fio --enghelp` lists them",
);
pub(in crate::tests) const DIRECT: Param =
    param("direct", &[], "1", "1: past the page cache, 0: through it");
pub(in crate::tests) const SYNC: Param = param(
    "sync",
    &[],
    "0",
    "1: each write reaches the medium before it counts; also none, sync, dsync",
);
pub(in crate::tests) const RATE_IOPS: Param = param(
    "rate-iops",
    &[],
    "",
    "Upper limit of operations a second: N, or READ,WRITE",
);
pub(in crate::tests) const NUMJOBS: Param = param(
    "numjobs",
    &[],
    "1",
    "Processes for each target; `__PER_WORKER_CPUS__` for the host's guest_cpus by workers",
);
pub(in crate::tests) const FILE_SIZE: Param =
    param("file-size", &[], "4096", "Size of each target in MiB");
pub(in crate::tests) const JOB_MODE: Param = param(
    "job-mode",
    &[],
    "concurrent",
    "concurrent: all targets at once; serial: one iteration for each",
);
pub(in crate::tests) const JOB_FILE: Param = param(
    "job-file",
    &[],
    "",
    "Job file in place of the built-in one; $target and $@ (type, size) are filled in",
);
pub(in crate::tests) const MAX_STDDEV: Param = param(
    "max-stddev",
    &[],
    "",
    "Repeat an iteration whose primary metric spreads by more percent; without it none is repeated",
);
pub(in crate::tests) const MAX_FAILURES: Param = param(
    "max-failures",
    &[],
    "6",
    "Tries of an iteration under max-stddev",
);
pub(in crate::tests) const HISTOGRAM_INTERVAL_SEC: Param = param(
    "histogram-interval-sec",
    &[],
    "10",
    "Seconds between entries of the latency histogram log",
);
pub(in crate::tests) const LOG_INTERVAL_MSEC: Param = param(
    "log-interval-msec",
    &["log-interval"],
    "1000; 200 when runtime is below 4",
    "Milliseconds between points of the time series",
);
pub(in crate::tests) const PRE_ITERATION_SCRIPT: Param = param(
    "pre-iteration-script",
    &[],
    "",
    "Executable on the machine under test, run before each sample",
);
pub(in crate::tests) const DRIVER: Param = param(
    "driver",
    &[],
    "native",
    "native: fio alone; pbench: pbench-fio of pbench-agent, which gets all other parameters unchecked",
);
pub(in crate::tests) const ALLOW_DEVICE_WRITE: Param = param(
    "__ALLOW_DEVICE_WRITE__",
    &["allow-device-write"],
    "0",
    "1: also write to a block device that is in use or holds data",
);
pub(in crate::tests) const CONFIG: Param = param("config", &[], "", PBENCH_ONLY);
pub(in crate::tests) const SYSINFO: Param = param("sysinfo", &[], "", PBENCH_ONLY);
pub(in crate::tests) const TOOL_GROUP: Param = param("tool-group", &[], "", PBENCH_ONLY);
pub(in crate::tests) const TOOL_LABEL_PATTERN: Param =
    param("tool-label-pattern", &[], "", PBENCH_ONLY);
pub(in crate::tests) const PBENCH_TOOLS: Param =
    param("pbench_tools", &["pbench-tools"], "", PBENCH_ONLY);
pub(in crate::tests) const CLIENT_SERVER: Param = param(
    "client-server",
    &[],
    "0",
    "1: a fio server on each worker and one client on the controller start all together; 0: a fio of its own on each, started at the same time",
);

/// Every parameter, in the order `--list` shows them.
pub const PARAMS: &[Param] = &[
    TEST_TYPES,
    BLOCK_SIZES,
    TARGETS,
    RUNTIME,
    RAMPTIME,
    SAMPLES,
    IODEPTH,
    IOENGINE,
    DIRECT,
    SYNC,
    RATE_IOPS,
    NUMJOBS,
    FILE_SIZE,
    JOB_MODE,
    JOB_FILE,
    MAX_STDDEV,
    MAX_FAILURES,
    HISTOGRAM_INTERVAL_SEC,
    LOG_INTERVAL_MSEC,
    PRE_ITERATION_SCRIPT,
    CLIENT_SERVER,
    DRIVER,
    ALLOW_DEVICE_WRITE,
    CONFIG,
    SYSINFO,
    TOOL_GROUP,
    TOOL_LABEL_PATTERN,
    PBENCH_TOOLS,
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
