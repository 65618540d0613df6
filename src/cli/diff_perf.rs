//! `diff-perf`.

use super::exit::{ExitCode, FAILED};

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    FAILED
}
