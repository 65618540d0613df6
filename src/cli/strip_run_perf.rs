//! `strip-run-perf`: a small copy of a result that compares like the original.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{CommandFactory, Parser};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::common::{self, Common};
use super::exit::{ExitCode, FAILED, INCOMPLETE, INTERRUPTED, OK, USAGE};
use crate::store::StoreError;
use crate::store::strip::{StripError, StripOptions, Stripped, strip};
use crate::text::size;

const ABOUT: &str = "Make a small copy of a result that compares like the original";

const LONG_ABOUT: &str = "\
Make a small copy of a result that compares like the original.

Kept are RUNPERF_METADATA, every PROFILE/TEST/SERIAL/result.json reduced to names, parameters, means, \
spreads and samples (no time series, no raw output), RUNPERF_METADATA.json beside it, and every recorded failure \
(__errorN__) whole. compare-perf and analyze-perf say the same about both, byte for byte. SRC is never changed.

What is in DST already stays there. A file that differs from what would be written is refused before \
anything is written, unless --force is given.";

const AFTER_HELP: &str = "\
Examples:
  strip-run-perf result_20260301_020000 small/result_20260301_020000
  for result in result_*; do strip-run-perf \"$result\" \"archive/$result\"; done

Exit codes:
  0    written
  1    unexpected error
  2    wrong usage
  3    no usable result
  130  interrupted (SIGINT, SIGTERM, SIGHUP)";

/// The command line of strip-run-perf.
#[derive(Debug, Clone, Parser)]
#[command(name = "strip-run-perf", version, long_version = super::common::long_version(), about = ABOUT, long_about = LONG_ABOUT, after_long_help = AFTER_HELP,
          infer_long_args = true, max_term_width = 100,
          override_usage = "strip-run-perf [OPTIONS] SRC DST")]
pub struct Cli {
    /// Result directory to read
    #[arg(value_name = "SRC", required_unless_present_any = ["show_config", "generate"])]
    from: Option<PathBuf>,

    /// Directory to write the small result to; created when missing
    #[arg(value_name = "DST", required_unless_present_any = ["show_config", "generate"])]
    to: Option<PathBuf>,

    /// Also keep results in directories that do not start with a digit
    #[arg(short, long, help_heading = "What to keep")]
    include_incorrect: bool,

    /// Also copy the machines' logs: __sysinfo*__ of the run and of each profile
    #[arg(short = 's', long, help_heading = "What to keep")]
    attach_sysinfo: bool,

    /// Replace files in DST that differ
    #[arg(long, help_heading = "What to keep")]
    force: bool,

    #[command(flatten)]
    common: Common,
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    run(std::env::args_os().collect())
}

fn run(args: Vec<OsString>) -> ExitCode {
    let cli: Cli = match common::parse(args, USAGE) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let color = cli.common.color;
    if let Some(what) = cli.common.generate {
        let schema = schemars::schema_for!(Vec<crate::store::result_json::Iteration>);
        let written =
            super::generate::generate(what, Cli::command(), &schema, &mut std::io::stdout().lock());
        return if written.is_ok() { OK } else { FAILED };
    }
    if let Err(error) = common::start_logging(&cli.common) {
        return common::finish(Err(error), color);
    }
    // Both are there unless something else was asked for, which was answered above.
    let (Some(from), Some(to)) = (&cli.from, &cli.to) else {
        return OK;
    };
    let options = StripOptions {
        include_incorrect: cli.include_incorrect,
        attach_sysinfo: cli.attach_sysinfo,
        force: cli.force,
    };
    match strip(from, to, options, &stop_flag()) {
        Ok(done) => {
            for warning in &done.warnings {
                tracing::warn!("{warning}");
            }
            answer(&summary(&done, to))
        }
        Err(error) => {
            let code = match &error {
                StripError::Store(StoreError::NoResult { .. }) | StripError::Empty { .. } => {
                    INCOMPLETE
                }
                StripError::Overlap { .. } => USAGE,
                StripError::Interrupted => INTERRUPTED,
                StripError::Store(StoreError::Io { source, path, .. })
                    if source.kind() == std::io::ErrorKind::NotFound && path == from =>
                {
                    INCOMPLETE
                }
                StripError::Store(_)
                | StripError::Unreadable { .. }
                | StripError::Differs { .. } => FAILED,
            };
            let hint = error.hint();
            common::print_error(&anyhow::Error::new(error), hint.as_deref(), color);
            code
        }
    }
}

/// Returns a flag that the first signal sets; the second ends the program at once.
fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Without the handler a signal ends the program as it always did.
        let _ = signal_hook::flag::register_conditional_shutdown(
            signal,
            INTERRUPTED.into(),
            Arc::clone(&stop),
        )
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)));
    }
    stop
}

fn summary(done: &Stripped, to: &std::path::Path) -> String {
    let plural = |number: usize, noun: &str| {
        if number == 1 {
            format!("1 {noun}")
        } else {
            format!("{number} {noun}s")
        }
    };
    let (before, after) = done.bytes;
    format!(
        "{}: {}, {}; {} of {}\n",
        to.display(),
        plural(done.results, "result.json file"),
        plural(done.failures, "recorded failure"),
        size(after),
        size(before),
    )
}

/// Writes the answer to standard output; a reader that went away is no error.
fn answer(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => FAILED,
        _ => OK,
    }
}
