//! `uperf`: streams and request-response between workers, driven directly.
//!
//! [`params`] checks what was asked, [`profile`] writes uperf's profiles, [`output`] reads its
//! time-stamped counters, [`fault`] says why there are none, [`responses`] sums up response times,
//! [`run`] measures. Servers and pairs are those of [`net`](super::net).

pub mod fault;
pub mod output;
pub mod params;
pub mod profile;
#[cfg(test)]
mod recorded;
pub mod responses;
pub mod run;

pub use params::PARAMS;
pub use run::build;

use super::tool::install::Program;

/// Name in the registry.
pub const NAME: &str = "uperf";
/// Other names.
pub const ALIASES: &[&str] = &[];
/// One sentence for `--list`.
pub const SUMMARY: &str = "Network: streams and request-response between workers, as pbench-uperf";

/// The program.
pub const PROGRAM: Program = Program {
    name: "uperf",
    debian: None,
    fedora: None,
    suse: None,
    otherwise: "build it from https://github.com/uperf/uperf and put it on PATH or name it with `binary`; or use the test iperf3",
};
