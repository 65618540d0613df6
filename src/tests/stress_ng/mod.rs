//! `stress-ng`: how much of a stressor's work a machine does, on every worker at the same time.
//!
//! [`params`] checks what was asked, [`output`] reads the program's YAML, [`run`] measures.

pub mod output;
pub mod params;
pub mod run;

pub use params::PARAMS;
pub use run::build;

use super::tool::install::Program;

/// Name in the registry.
pub const NAME: &str = "stress-ng";
/// Other names.
pub const ALIASES: &[&str] = &["stress_ng"];
/// One sentence for `--list`.
pub const SUMMARY: &str =
    "CPU, memory, kernel: bogo operations per second of stress-ng's stressors";

/// The program.
pub const PROGRAM: Program = Program {
    name: "stress-ng",
    debian: Some("stress-ng"),
    fedora: Some("stress-ng"),
    suse: Some("stress-ng"),
    otherwise: "build it from https://github.com/ColinIanKing/stress-ng",
};
