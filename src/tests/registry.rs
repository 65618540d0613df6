//! The table of tests.

use serde_json::{Map, Value};

use super::Test;
use super::params::ParamError;
use super::{command, dummy, fio};
use crate::registry::{Available, Entry};

/// Makes a test: its name in paths and ids, and the parameters as given.
pub type Build = fn(String, &Map<String, Value>) -> Result<Box<dyn Test>, ParamError>;

/// Every test this program knows, in the order of `--list`.
pub static TESTS: &[Entry<Build>] = &[
    Entry {
        name: fio::NAME,
        aliases: fio::ALIASES,
        summary: fio::SUMMARY,
        params: fio::PARAMS,
        available: Available::Built(fio::build),
    },
    Entry {
        name: dummy::NAME,
        aliases: dummy::ALIASES,
        summary: dummy::SUMMARY,
        params: dummy::PARAMS,
        available: Available::Built(dummy::build),
    },
    Entry {
        name: command::NAME,
        aliases: command::ALIASES,
        summary: command::SUMMARY,
        params: command::PARAMS,
        available: Available::Built(command::build),
    },
    Entry::not_yet(
        "uperf",
        "Network: streams and request-response between host and workers",
    ),
    Entry::not_yet(
        "iperf3",
        "Network: streams, for systems without uperf packages",
    ),
    Entry::not_yet("linpack", "CPU: dense linear algebra"),
    Entry::not_yet("stress-ng", "CPU, memory and kernel stressors"),
    Entry::not_yet("sysbench", "CPU, memory and database load"),
    Entry::not_yet(
        "fio-nbd",
        "fio over a network block device served by qemu-nbd",
    ),
    Entry::not_yet("fio-libblkio", "fio over vhost-user-blk with libblkio"),
    Entry::not_yet("payload", "A BenchKit payload archive on each worker"),
    Entry::not_yet(
        "race",
        "Laps and collectors of a racefile over workers grouped by role",
    ),
    Entry::not_yet(
        "vmm-boot",
        "Boot time, image size and memory of a virtual machine monitor",
    ),
    Entry::not_yet("microvm", "Many microVMs following a workload"),
    Entry::not_yet("community", "Figures of a GitHub repository as metrics"),
];
