//! `linpack`: dense linear algebra on every worker at the same time, by Intel's binary or by the HPL
//! in HPC Challenge.
//!
//! [`params`] checks what was asked, [`program`] finds what can compute on a machine, [`input`] writes
//! its input file, [`output`] reads what it says, [`run`] measures.

pub mod input;
pub mod output;
pub mod params;
pub mod program;
pub mod run;

pub use params::PARAMS;
pub use run::build;

use super::tool::install::Program;

/// Name in the registry.
pub const NAME: &str = "linpack";
/// Other names.
pub const ALIASES: &[&str] = &[];
/// One sentence for `--list`.
pub const SUMMARY: &str =
    "CPU: billions of floating point operations per second of Intel's linpack or HPL";

/// The program.
pub const PROGRAM: Program = Program {
    name: "linpack",
    debian: Some("hpcc"),
    fedora: None,
    suse: None,
    otherwise: "put Intel's xlinpack_xeon64 on PATH, name it with `linpack-binary`, or install HPC Challenge (hpcc) and mpirun",
};
