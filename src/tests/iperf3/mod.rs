//! `iperf3`: streams between workers, for systems without uperf packages.
//!
//! [`params`] checks what was asked, [`output`] reads the program's JSON, [`fault`] says why there is
//! none of use, [`run`] measures. Servers and pairs are those of [`net`](super::net), names of
//! iterations and of the primary metric those of [`uperf`](super::uperf).

pub mod fault;
pub mod output;
pub mod params;
pub mod run;

pub use params::PARAMS;
pub use run::build;

use super::tool::install::Program;

/// Name in the registry.
pub const NAME: &str = "iperf3";
/// Other names.
pub const ALIASES: &[&str] = &["iperf"];
/// One sentence for `--list`.
pub const SUMMARY: &str =
    "Network: TCP and UDP streams between workers, for systems without uperf packages";

/// The program.
pub const PROGRAM: Program = Program {
    name: "iperf3",
    debian: Some("iperf3"),
    fedora: Some("iperf3"),
    suse: Some("iperf"),
    otherwise: "build it from https://github.com/esnet/iperf",
};
