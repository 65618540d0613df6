//! `prep-perf`: everything around a run. So far: `check` and `describe`.

mod print;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};

use clap::{CommandFactory, Parser, ValueEnum};
use serde::Serialize;

use super::common::{self, Common};
use super::exit::{ExitCode, FAILED, INCOMPLETE, OK, USAGE};
use crate::archive::Limits;
use crate::check::{Checked, Kind, Looking, look};
use crate::config::Config;

const ABOUT: &str = "Check and describe what a run is given: payloads, machines, models, results";

const LONG_ABOUT: &str = "\
Check and describe what a run is given and what it left.

check says every fault at once, each with its place, what was expected and found, and the next step. describe says \
what something is. Both take payload archives, maps of machines and Ansible inventories, host parameters, auth files, \
racefiles, models of all versions, result directories and configuration files, which they tell by name and content, \
and tests and profiles as run-perf takes them. Neither changes anything nor touches a machine.";

const AFTER_HELP: &str = "\
Examples:
  prep-perf check payload.tgz hosts run-perf.toml
  prep-perf check 'fio:{\"test-types\": \"randread\"}' model.json result_20260301_020000
  prep-perf describe --json payload.tgz

Exit codes:
  0    done; check: no fault
  1    could not be done, or unexpected error
  2    wrong usage
  3    check: there are faults
  130  interrupted";

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verb {
    /// Say everything that is wrong
    Check,
    /// Say what it is
    Describe,
}

/// The command line of prep-perf.
#[derive(Debug, Clone, Parser)]
#[command(name = "prep-perf", version, long_version = super::common::long_version(), about = ABOUT, long_about = LONG_ABOUT, after_long_help = AFTER_HELP,
          infer_long_args = true, max_term_width = 100,
          override_usage = "prep-perf [OPTIONS] check|describe PATH|ITEM…")]
pub struct Cli {
    /// check: say everything that is wrong; describe: say what it is
    #[arg(value_enum, value_name = "VERB", hide_possible_values = true, required_unless_present_any = ["show_config", "generate"])]
    verb: Option<Verb>,

    /// Files and folders, or tests and profiles as run-perf takes them (NAME or NAME:JSON)
    #[arg(value_name = "PATH|ITEM", required_unless_present_any = ["show_config", "generate"])]
    names: Vec<String>,

    /// Take every PATH for this, instead of telling by name and content
    #[arg(
        long = "as",
        value_enum,
        value_name = "KIND",
        help_heading = "What to look at"
    )]
    kind: Option<Kind>,

    /// Bytes an archive may hold when it is unpacked, in MiB
    #[arg(
        long,
        value_name = "MIB",
        default_value_t = 4096,
        help_heading = "What to look at"
    )]
    max_unpacked_mib: u64,

    /// Files and folders an archive may hold
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100_000,
        help_heading = "What to look at"
    )]
    max_entries: u64,

    /// Print JSON (runperf-check/1) instead of text
    #[arg(long, help_heading = "Output")]
    json: bool,

    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Answer {
    /// `runperf-check/1`.
    schema: &'static str,
    /// In the order of the command line.
    items: Vec<Checked>,
    /// Items with faults.
    bad: usize,
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
        let schema = schemars::schema_for!(Answer);
        let written =
            super::generate::generate(what, Cli::command(), &schema, &mut std::io::stdout().lock());
        return if written.is_ok() { OK } else { FAILED };
    }
    if let Err(error) = common::start_logging(&cli.common) {
        return common::finish(Err(error), color);
    }
    // It is there unless something else was asked for, which was answered above.
    let Some(verb) = cli.verb else { return OK };
    let config = match Config::load(cli.common.config.as_deref()) {
        Ok(config) => Some(config),
        // The file at fault may be the very one to look at.
        Err(error) if cli.common.config.is_none() => {
            tracing::warn!(%error, "declared tests and profiles are not known");
            None
        }
        Err(error) => {
            common::print_error(&anyhow::Error::new(error), None, color);
            return USAGE;
        }
    };
    let looking = Looking {
        kind: cli.kind,
        limits: Limits {
            entries: cli.max_entries,
            unpacked: cli.max_unpacked_mib.saturating_mul(1 << 20),
        },
        config: config.as_ref(),
    };
    let items: Vec<Checked> = cli.names.iter().map(|name| look(name, &looking)).collect();
    let bad = items.iter().filter(|item| !item.is_good()).count();
    let code = match (verb, bad) {
        (_, 0) => OK,
        (Verb::Check, _) => INCOMPLETE,
        // What could not be read at all could not be described.
        (Verb::Describe, _) if items.iter().any(|item| item.about.is_empty()) => FAILED,
        (Verb::Describe, _) => OK,
    };
    let text = if cli.json {
        let answer = Answer {
            schema: "runperf-check/1",
            items,
            bad,
        };
        match serde_json::to_string_pretty(&answer) {
            Ok(text) => text + "\n",
            Err(error) => return common::finish(Err(error.into()), color),
        }
    } else {
        let style = print::Style {
            color: color.wanted(std::io::stdout().is_terminal()),
            quiet: cli.common.quiet,
        };
        match verb {
            Verb::Check => print::check(&items, style),
            Verb::Describe => print::describe(&items, style),
        }
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => FAILED,
        _ => code,
    }
}
