//! `sysbench`: processor, memory, scheduler, locks and files on every worker at the same time.
//!
//! [`params`] checks what was asked, [`output`] reads the program's text, [`run`] measures.

pub mod output;
pub mod params;
pub mod run;

pub use params::PARAMS;
pub use run::build;

use super::tool::install::Program;

/// Name in the registry.
pub const NAME: &str = "sysbench";
/// Other names.
pub const ALIASES: &[&str] = &[];
/// One sentence for `--list`.
pub const SUMMARY: &str =
    "CPU, memory, threads, locks and files: events per second and latency of sysbench";

/// The program.
pub const PROGRAM: Program = Program {
    name: "sysbench",
    debian: Some("sysbench"),
    fedora: Some("sysbench"),
    suse: Some("sysbench"),
    otherwise: "build it from https://github.com/akopytov/sysbench",
};
