//! The table of tests.

use serde_json::{Map, Value};

use super::Test;
use super::params::ParamError;
use super::{
    command, dummy, fio, fio_libblkio, fio_nbd, iperf3, linpack, payload, stress_ng, sysbench,
    uperf,
};
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
        name: fio_nbd::NAME,
        aliases: fio_nbd::ALIASES,
        summary: fio_nbd::SUMMARY,
        params: fio_nbd::PARAMS,
        available: Available::Built(fio_nbd::build),
    },
    Entry {
        name: fio_libblkio::NAME,
        aliases: fio_libblkio::ALIASES,
        summary: fio_libblkio::SUMMARY,
        params: fio_libblkio::PARAMS,
        available: Available::Built(fio_libblkio::build),
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
    Entry {
        name: uperf::NAME,
        aliases: uperf::ALIASES,
        summary: uperf::SUMMARY,
        params: uperf::PARAMS,
        available: Available::Built(uperf::build),
    },
    Entry {
        name: iperf3::NAME,
        aliases: iperf3::ALIASES,
        summary: iperf3::SUMMARY,
        params: iperf3::PARAMS,
        available: Available::Built(iperf3::build),
    },
    Entry {
        name: linpack::NAME,
        aliases: linpack::ALIASES,
        summary: linpack::SUMMARY,
        params: linpack::PARAMS,
        available: Available::Built(linpack::build),
    },
    Entry {
        name: stress_ng::NAME,
        aliases: stress_ng::ALIASES,
        summary: stress_ng::SUMMARY,
        params: stress_ng::PARAMS,
        available: Available::Built(stress_ng::build),
    },
    Entry {
        name: sysbench::NAME,
        aliases: sysbench::ALIASES,
        summary: sysbench::SUMMARY,
        params: sysbench::PARAMS,
        available: Available::Built(sysbench::build),
    },
    Entry {
        name: payload::NAME,
        aliases: payload::ALIASES,
        summary: payload::SUMMARY,
        params: payload::PARAMS,
        available: Available::Built(payload::build),
    },
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
