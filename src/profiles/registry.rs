//! The table of profiles.

use serde_json::{Map, Value};

use super::Profile;
use super::localhost::Localhost;
use super::vm_map;
use crate::registry::{Available, Entry};
use crate::tests::params::{Param, ParamError, Params};

/// Makes a profile: its name in paths and ids, and its own parameters as given.
pub type Build = fn(String, &Map<String, Value>) -> Result<Box<dyn Profile>, ParamError>;

const LOCALHOST: &str = "Localhost";

fn localhost(name: String, given: &Map<String, Value>) -> Result<Box<dyn Profile>, ParamError> {
    Params::check(LOCALHOST, given, &[])?;
    Ok(Box::new(Localhost::new(name)))
}

/// Parameters every profile understands; they are taken out before [`Build`] sees the rest.
pub static COMMON_PARAMS: &[Param] = &[
    Param {
        name: "__NAME__",
        aliases: &[],
        default: "its own name",
        summary: "Name in paths and ids",
    },
    Param {
        name: "__KEEP_ASSETS__",
        aliases: &[],
        default: "false",
        summary: "Keep images made for it when it is reverted",
    },
    Param {
        name: "RUNPERF_TESTS",
        aliases: &[],
        default: "[\"$@\"]",
        summary: "Its own list of tests: names, [name, parameters] pairs, `$@` for those of the command line",
    },
];

/// Every profile this program knows, in the order of `--list`.
pub static PROFILES: &[Entry<Build>] = &[
    Entry {
        name: LOCALHOST,
        aliases: &[],
        summary: "The worker is the host itself, as it is",
        params: &[],
        available: Available::Built(localhost),
    },
    Entry::not_yet(
        "DefaultLibvirt",
        "One virtual machine with libvirt's defaults",
    ),
    Entry::not_yet(
        "DefaultLibvirtMulti",
        "Several small virtual machines that share the guest CPUs",
    ),
    Entry::not_yet(
        "TunedLibvirt",
        "One pinned virtual machine on huge pages, on a tuned host",
    ),
    Entry::not_yet(
        "Overcommit1_5",
        "Half as many virtual CPUs again as the host has",
    ),
    Entry::not_yet("KubeVirt", "Virtual machines of a KubeVirt cluster"),
    Entry::not_yet("Pods", "Pods of a racefile, grouped by role"),
    Entry {
        name: vm_map::NAME,
        aliases: &["vmmap"],
        summary: vm_map::SUMMARY,
        params: vm_map::PARAMS,
        available: Available::Built(vm_map::build),
    },
];
