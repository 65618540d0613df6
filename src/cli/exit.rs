//! Exit codes; one table for all programs is in docs/exit-codes.md.

/// A program's exit code.
pub type ExitCode = u8;

/// Everything went well.
pub const OK: ExitCode = 0;
/// The work could not be carried out, or an unexpected error.
pub const FAILED: ExitCode = 1;
/// Wrong usage or configuration; nothing was touched. compare-perf: a regression.
pub const USAGE: ExitCode = 2;
/// compare-perf: something failed the comparison.
pub const REGRESSION: ExitCode = 2;
/// run-perf: a test or profile failed after all attempts. compare-perf: nothing to compare.
/// analyze-perf, strip-run-perf: no usable result.
pub const INCOMPLETE: ExitCode = 3;
/// run-perf: machines could not be left clean.
pub const NOT_CLEAN: ExitCode = 4;
/// compare-perf: wrong usage (2 means a regression there).
pub const COMPARE_USAGE: ExitCode = 4;
/// Interrupted by a signal.
pub const INTERRUPTED: ExitCode = 130;
/// diff-perf: any error, wrong usage included.
pub const DIFF_ERROR: ExitCode = 255;
