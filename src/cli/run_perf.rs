//! `run-perf`: what was typed, turned into [`RunOptions`].

mod later;
mod list;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{CommandFactory, Parser, ValueEnum};
use serde_json::{Map, Value};

use super::ask::{AskError, ask};
use super::common::{self, Common};
use super::exit::{ExitCode, FAILED, INTERRUPTED, NOT_CLEAN, OK, USAGE};
use super::item::{self, HostArg, Item};
use super::output::Target;
use crate::config::Config;
use crate::control::controller::install_panic_hook;
use crate::control::journal::JournalError;
use crate::control::options::{
    HostKeys, PARALLEL_HOSTS, PasswordError, PasswordSource, RunOptions,
};
use crate::control::plan::{Plan, PlanError};
use crate::control::progress::{Mode, Screen};
use crate::control::reach::Reach;
use crate::control::run::{self, Show};
use crate::control::{recover, resume};
use crate::render;
use crate::secret::{Redactor, Secret};

const ABOUT: &str =
    "Run performance tests under profiles and keep everything about the run in one directory";

const AFTER_HELP: &str = "\
Options that take a list swallow words up to the next option: put `--` before the tests.
Long options may be shortened while unambiguous.

Examples:
  run-perf -- dummy
  run-perf --profiles Localhost -- 'fio:{\"runtime\": 10, \"targets\": \"/var/tmp/fio.file\"}'
  run-perf --list
  run-perf --recover result_20260301_020000
  run-perf --resume result_20260301_020000

Exit codes:
  0    everything ran (a test that skips itself with a reason is a note); --recover: all undone
  1    the run could not be carried out, or an unexpected error
  2    wrong usage or configuration; nothing was touched
  3    a test or profile failed after all attempts, or a host was lost
  4    machines could not be left clean (see --recover)
  130  interrupted (SIGINT, SIGTERM, SIGHUP), machines clean";

/// The command line of run-perf.
#[derive(Debug, Clone, Parser)]
#[command(name = "run-perf", version, long_version = super::common::long_version(), about = ABOUT, after_long_help = AFTER_HELP, infer_long_args = true,
          override_usage = "run-perf [OPTIONS] -- TEST...", max_term_width = 100,
          after_help = "Options that take a list swallow words up to the next option: put `--` before the tests.\n\n\
                        Examples:\n  run-perf -- dummy\n  run-perf -- 'fio:{\"runtime\": 10, \"targets\": \"/var/tmp/fio.file\"}'\n\n\
                        Packages, SSH keys, limits, exit codes and more: --help. Tests and their parameters: --list.")]
pub struct Cli {
    /// Tests, one after another: a name, or a name with parameters as a JSON object
    #[arg(value_name = "TEST", value_parser = item::parse_item,
          required_unless_present_any = ["list", "show_config", "generate", "recover", "resume"])]
    tests: Vec<Item>,

    /// Profiles, one after another; the tests run under each of them [default: Localhost]
    #[arg(long, value_name = "NAME[:JSON]", num_args = 1.., value_parser = item::parse_item, help_heading = "What to run")]
    profiles: Vec<Item>,

    /// Machines under test, the first is the main one [default: localhost:127.0.0.1]
    ///
    /// Other machines are reached over SSH as OpenSSH's configuration says, as root where it says
    /// nothing: `NAME:[USER@]ADDRESS[:PORT]`.
    #[arg(long, value_name = "[NAME:]ADDRESS", num_args = 1.., value_parser = item::parse_host, help_heading = "What to run")]
    hosts: Vec<HostArg>,

    /// Attempts for a test and for applying a profile
    #[arg(hide_short_help = true, long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000),
          help_heading = "What to run")]
    retry_tests: u32,

    /// Stop in good order after this time (90s, 45m, 2h30m); what did not run counts as failed
    #[arg(hide_short_help = true, long, value_name = "DURATION", value_parser = item::parse_duration, help_heading = "What to run")]
    time_limit: Option<Duration>,

    /// Of the profiles and tests, run what this file of compare-perf --suspects names
    ///
    /// Repeat the command line of the run that was compared. The result has the same names, for
    /// compare-perf --repetitions.
    #[arg(hide_short_help = true, long, value_name = "FILE", conflicts_with_all = ["recover", "resume"], help_heading = "What to run")]
    only: Option<PathBuf>,

    /// Print what would run and what it will change, then stop
    #[arg(long, help_heading = "What to run")]
    plan: bool,

    /// List profiles, tests and provisioners with their parameters, then stop
    #[arg(long, help_heading = "What to run")]
    list: bool,

    /// Run this on every host first
    #[arg(hide_short_help = true, long, value_name = "NAME[:JSON]", value_parser = item::parse_item, help_heading = "Preparing hosts")]
    provisioner: Option<Item>,

    /// Distribution on the hosts: a label, and input to provisioners and images
    #[arg(
        hide_short_help = true,
        long,
        value_name = "NAME",
        default_value = "Unknown",
        help_heading = "Preparing hosts"
    )]
    distro: String,

    /// Distribution of guests [default: that of --distro]
    #[arg(
        hide_short_help = true,
        long,
        value_name = "NAME",
        help_heading = "Preparing hosts"
    )]
    guest_distro: Option<String>,

    /// Packages, paths or URLs to install on every host
    #[arg(hide_short_help = true, long, value_name = "PKG", num_args = 1.., alias = "host-packages", help_heading = "Preparing hosts")]
    host_rpms: Vec<String>,

    /// Packages, paths or URLs to install in guests
    #[arg(hide_short_help = true, long, value_name = "PKG", num_args = 1.., alias = "worker-packages", help_heading = "Preparing hosts")]
    worker_rpms: Vec<String>,

    /// Script to run on every host, by `sh -x`
    #[arg(
        hide_short_help = true,
        long,
        value_name = "FILE",
        help_heading = "Preparing hosts"
    )]
    host_setup_script: Option<PathBuf>,

    /// Reboot the hosts after that; never the machine run-perf itself runs on
    #[arg(hide_short_help = true, long, help_heading = "Preparing hosts")]
    host_setup_script_reboot: bool,

    /// Wait at most this long for a host to calm down after it was set up or rebooted; 0s is off
    /// [default: 30m after a reboot or an installation, else off]
    #[arg(hide_short_help = true, long, value_name = "DURATION", value_parser = item::parse_duration, help_heading = "Preparing hosts")]
    calm_limit: Option<Duration>,

    /// Hosts worked on at once
    #[arg(hide_short_help = true, long, value_name = "N", default_value_t = PARALLEL_HOSTS as u32, value_parser = clap::value_parser!(u32).range(1..=1000),
          help_heading = "What to run")]
    parallel_hosts: u32,

    /// Script to run in guests while their image is made
    #[arg(
        hide_short_help = true,
        long,
        value_name = "FILE",
        help_heading = "Preparing hosts"
    )]
    worker_setup_script: Option<PathBuf>,

    /// Parameters of hosts by address: {"ADDRESS": {"guest_cpus": 4}}
    #[arg(hide_short_help = true, long, value_name = "JSON", value_parser = parse_force_params, help_heading = "Preparing hosts")]
    force_params: Option<Forced>,

    /// Folders searched for hosts/ADDRESS.yaml and libvirt/ADDRESS*.xml
    #[arg(hide_short_help = true, long, value_name = "DIR", num_args = 1.., help_heading = "Preparing hosts")]
    paths: Vec<PathBuf>,

    /// Passwords to try: @FILE (one a line), env:NAME, or the password itself, which `ps` shows
    #[arg(hide_short_help = true, long, value_name = "PW", num_args = 1.., help_heading = "Preparing hosts")]
    default_passwords: Vec<PasswordArg>,

    /// Ask once on the terminal for a password to try where a host takes no key
    #[arg(hide_short_help = true, long, help_heading = "Preparing hosts")]
    ask_password: bool,
    /// What was answered.
    #[arg(skip)]
    asked: Option<Secret>,

    /// Whom to believe: hosts whose key is known, new ones too (their key is kept), or any
    #[arg(
        hide_short_help = true,
        long,
        value_enum,
        value_name = "HOW",
        default_value_t,
        help_heading = "Preparing hosts"
    )]
    host_keys: Keys,

    /// Do not clean hosts up after a fatal error
    #[arg(hide_short_help = true, long, help_heading = "Preparing hosts")]
    keep_tmp_files: bool,

    /// Never reboot a host: what needs it fails instead. This machine is never rebooted anyway
    #[arg(
        hide_short_help = true,
        long,
        conflicts_with = "host_setup_script_reboot",
        help_heading = "Preparing hosts"
    )]
    no_reboot: bool,

    /// Result directory; must not exist [default: ./result_YYYYmmdd_HHMMSS]
    #[arg(long, value_name = "DIR", help_heading = "Result")]
    output: Option<PathBuf>,

    /// Replace the result directory if it exists
    #[arg(hide_short_help = true, long, help_heading = "Result")]
    force: bool,

    /// Keep with the result: build, url, project, machine_url_base have a meaning, others are recorded
    #[arg(long, value_name = "KEY=VALUE", num_args = 1.., action = clap::ArgAction::Append,
          value_parser = item::parse_metadata, help_heading = "Result")]
    metadata: Vec<(String, String)>,

    /// Name of the run in metadata and marks [default: generated]
    #[arg(hide_short_help = true, long, value_name = "ID", value_parser = parse_run_id, help_heading = "Result")]
    run_id: Option<String>,

    /// Seconds between two looks at the machine beside each sample; 0 is off
    #[arg(hide_short_help = true, long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_interval, allow_negative_numbers = true, help_heading = "Result")]
    monitor_interval: f64,

    /// Wait this long for a host that another run holds, instead of refusing (90s, 2h)
    #[arg(hide_short_help = true, long, value_name = "DURATION", value_parser = item::parse_duration, help_heading = "What to run")]
    wait_held: Option<Duration>,

    /// Undo what a run that died left on its machines; no TEST
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "tests",
        help_heading = "After a crash"
    )]
    recover: Option<PathBuf>,

    /// Recover, then run what the plan stored with a result still lacks, into that result; no TEST
    #[arg(long, value_name = "DIR", conflicts_with_all = ["tests", "recover", "profiles", "hosts", "output", "force"],
          help_heading = "After a crash")]
    resume: Option<PathBuf>,

    /// With --recover: say what would be undone, and touch nothing
    #[arg(hide_short_help = true, long, help_heading = "After a crash")]
    dry_run: bool,

    /// Show progress as a live block on a terminal, as lines, or not at all
    #[arg(
        hide_short_help = true,
        long,
        value_enum,
        value_name = "HOW",
        default_value_t,
        help_heading = "General"
    )]
    progress: Progress,

    /// Write a report of the run as one HTML file: figures, failures, curves of the machines
    ///
    /// Written at the end, of a run that failed or was interrupted too.
    #[arg(
        hide_short_help = true,
        long,
        value_name = "FILE",
        help_heading = "Result"
    )]
    html: Option<OsString>,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    later: later::Later,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Progress {
    /// A live block on a terminal, else lines
    #[default]
    Auto,
    /// Lines with a time
    Plain,
    /// Nothing
    None,
}

/// What is done about the keys by which hosts are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Keys {
    /// Only hosts of ~/.ssh/known_hosts
    #[default]
    Strict,
    /// New hosts too; a changed key is refused
    AcceptNew,
    /// Any host
    Ignore,
}

/// Host parameters by address, as typed.
pub type Forced = BTreeMap<String, Map<String, Value>>;

/// Where a password comes from; never shown by `Debug`.
#[derive(Clone)]
pub struct PasswordArg(PasswordSource);

impl std::fmt::Debug for PasswordArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::str::FromStr for PasswordArg {
    type Err = std::convert::Infallible;
    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        Ok(Self(PasswordSource::parse(typed)))
    }
}

fn parse_force_params(json: &str) -> Result<Forced, String> {
    item::parse_object(json, "the host parameters")?
        .into_iter()
        .map(|(address, value)| match value {
            Value::Object(params) => Ok((address, params)),
            other => Err(format!(
                "the parameters of `{address}` must be an object, found `{other}`"
            )),
        })
        .collect()
}

fn parse_run_id(typed: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if typed.is_empty() || typed.len() > 63 || !typed.chars().all(fits) {
        return Err("expected 1 to 63 letters, digits, `-`, `_` or `.`".into());
    }
    Ok(typed.to_owned())
}

fn parse_interval(typed: &str) -> Result<f64, String> {
    match typed.parse::<f64>() {
        Ok(0.0) => Ok(0.0),
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected 0 (off) or 0.1 to 3600 seconds".into()),
    }
}

impl Cli {
    /// Turns what was typed into what it means; `args` is the whole command line.
    fn options(&self, args: &[OsString]) -> RunOptions {
        let or_default = |items: &[Item], name: &str| match items {
            [] => vec![Item {
                name: name.into(),
                params: Map::new(),
            }],
            items => items.to_vec(),
        };
        RunOptions {
            tests: self.tests.clone(),
            profiles: or_default(&self.profiles, "Localhost"),
            hosts: match &self.hosts[..] {
                [] => vec![HostArg {
                    name: "localhost".into(),
                    address: "127.0.0.1".into(),
                    user: None,
                    port: None,
                }],
                hosts => hosts.to_vec(),
            },
            host_keys: self.host_keys(),
            provisioner: self.provisioner.clone(),
            distro: self.distro.clone(),
            guest_distro: self.guest_distro.clone(),
            host_packages: self.host_rpms.clone(),
            worker_packages: self.worker_rpms.clone(),
            host_setup_script: self.host_setup_script.clone(),
            host_setup_reboot: self.host_setup_script_reboot,
            calm_limit: self.calm_limit,
            parallel_hosts: self.parallel_hosts as usize,
            worker_setup_script: self.worker_setup_script.clone(),
            force_params: self.force_params.clone().unwrap_or_default(),
            paths: self.paths.clone(),
            passwords: self.passwords(),
            retry_tests: self.retry_tests,
            time_limit: self.time_limit,
            keep_tmp_files: self.keep_tmp_files,
            no_reboot: self.no_reboot,
            output: self.output.clone(),
            force: self.force,
            metadata: self.metadata.clone(),
            run_id: self.run_id.clone(),
            monitor_interval: (self.monitor_interval > 0.0)
                .then(|| Duration::from_secs_f64(self.monitor_interval)),
            wait_held: self.wait_held.unwrap_or_default(),
            command_line: args
                .iter()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
        }
    }

    /// Where passwords come from: what was typed when asked first.
    fn passwords(&self) -> Vec<PasswordSource> {
        let asked = self.asked.clone().map(PasswordSource::Terminal);
        let given = self
            .default_passwords
            .iter()
            .map(|password| password.0.clone());
        asked.into_iter().chain(given).collect()
    }

    fn host_keys(&self) -> HostKeys {
        match self.host_keys {
            Keys::Strict => HostKeys::Strict,
            Keys::AcceptNew => HostKeys::AcceptNew,
            Keys::Ignore => HostKeys::Ignore,
        }
    }

    /// Returns where `--html` writes to. `-` is a file of that name: the summary has standard output.
    fn html_target(&self) -> Option<Target> {
        self.html.clone().map(|file| Target::File(file.into()))
    }

    /// Writes the report of the run, if one was asked for; it is made of the result directory alone.
    fn write_html(&self, result: &std::path::Path) -> anyhow::Result<()> {
        let Some(target) = self.html_target() else {
            return Ok(());
        };
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M").to_string();
        let page = render::run::report(result, &now)?;
        target.write(&page)
    }

    fn mode(&self) -> Mode {
        match self.progress {
            _ if self.common.quiet => Mode::None,
            Progress::Auto => Mode::Auto,
            Progress::Plain => Mode::Plain,
            Progress::None => Mode::None,
        }
    }
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    run_with(std::env::args_os().collect())
}

fn run_with(args: Vec<OsString>) -> ExitCode {
    let mut cli: Cli = match common::parse(args.clone(), USAGE) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if let Some(what) = cli.common.generate {
        let schema = schemars::schema_for!(crate::store::result_json::Iteration);
        let written =
            super::generate::generate(what, Cli::command(), &schema, &mut std::io::stdout().lock());
        return if written.is_ok() { OK } else { FAILED };
    }
    let redactor = Redactor::default();
    let screen = Screen::new(redactor.clone());
    install_panic_hook();
    if let Err(error) = common::start_logging_through(&cli.common, &screen) {
        return common::finish(Err(error), cli.common.color);
    }
    if cli.list {
        return match Config::load(cli.common.config.as_deref()) {
            Ok(config) => answer(&list::list(&config)),
            Err(error) => refuse(&anyhow::Error::new(error), None, &cli),
        };
    }
    if let Some(option) = cli.later.used() {
        return refuse(
            &anyhow::anyhow!("`{option}` is not in this build yet"),
            Some("leave the option out"),
            &cli,
        );
    }
    if let Some(Err(error)) = cli.html_target().map(|target| target.check()) {
        return refuse(&error, Some("name a file in a directory that exists"), &cli);
    }
    // clap lets go of a `requires` whose option conflicts with another one that was given.
    if cli.dry_run && cli.recover.is_none() {
        return refuse(
            &anyhow::anyhow!("--dry-run goes with --recover"),
            Some("--plan says what a run would do"),
            &cli,
        );
    }
    // Nobody is asked for what reaches no host.
    if cli.ask_password && !cli.plan && !cli.dry_run {
        match ask("Password of the hosts") {
            Ok(secret) => cli.asked = Some(secret),
            Err(AskError::Interrupted) => return INTERRUPTED,
            Err(error) => {
                let hint = error.hint();
                return refuse(&anyhow::Error::new(error), hint, &cli);
            }
        }
    }
    if let Some(result) = &cli.recover {
        return recover_from(result, &cli, &redactor);
    }
    if let Some(result) = &cli.resume {
        return resume_from(result, &args, &redactor, screen, &cli);
    }
    match prepare(&cli, &args, &redactor) {
        Ok(plan) if cli.plan => answer(&plan.print(&redactor)),
        Ok(plan) => start(&plan, &redactor, screen, &cli),
        Err(error) => {
            let hint = error.hint();
            refuse(&anyhow::Error::new(error), hint.as_deref(), &cli)
        }
    }
}

/// Resolves the plan; from here on every secret is known to `redactor`.
fn prepare(cli: &Cli, args: &[OsString], redactor: &Redactor) -> Result<Plan, PlanError> {
    let options = cli.options(args);
    for source in &options.passwords {
        if let PasswordSource::Literal(secret) = source
            && args
                .iter()
                .any(|arg| arg.to_string_lossy().contains(secret.reveal()))
        {
            tracing::warn!(
                "a password on the command line is shown by `ps`; --default-passwords takes @FILE and env:NAME"
            );
        }
        source
            .read()?
            .iter()
            .for_each(|secret| redactor.learn(secret));
    }
    let config = Config::load(cli.common.config.as_deref())?;
    let mut plan = Plan::resolve(options, &config)?;
    if let Some(suspects) = &cli.only {
        plan.keep_only(suspects)?;
    }
    plan.learn_secrets(redactor);
    Ok(plan)
}

fn start(plan: &Plan, redactor: &Redactor, screen: Screen, cli: &Cli) -> ExitCode {
    let long_options = Cli::command()
        .get_arguments()
        .flat_map(|arg| arg.get_long_and_visible_aliases().unwrap_or_default())
        .map(str::to_owned)
        .collect();
    let show = Show {
        mode: cli.mode(),
        screen,
        quiet: cli.common.quiet,
        long_options,
    };
    match run::run(plan, redactor, &show) {
        Ok(finished) => {
            let written = cli.write_html(&finished.root);
            let answered = answer(&finished.summary);
            match written {
                Err(error) => {
                    common::print_error(&error, None, cli.common.color);
                    if finished.exit == OK {
                        FAILED
                    } else {
                        finished.exit
                    }
                }
                Ok(()) if answered == OK => finished.exit,
                Ok(()) => answered,
            }
        }
        Err(error) => {
            let (hint, exit) = (error.hint(), error.exit());
            common::print_error(
                &anyhow::Error::new(error),
                hint.as_deref(),
                cli.common.color,
            );
            exit
        }
    }
}

/// Gives the machines of a run that died back.
/// Returns how recovery reaches machines; from here on `redactor` knows the passwords.
fn reach(cli: &Cli, redactor: &Redactor) -> Result<Reach, PasswordError> {
    let mut passwords = Vec::new();
    for source in cli.passwords() {
        passwords.extend(source.read()?);
    }
    passwords.iter().for_each(|secret| redactor.learn(secret));
    Ok(Reach::new(cli.host_keys(), passwords))
}

fn recover_from(result: &std::path::Path, cli: &Cli, redactor: &Redactor) -> ExitCode {
    let reach = match reach(cli, redactor) {
        Ok(reach) => reach,
        Err(error) => return refuse(&anyhow::Error::new(error), None, cli),
    };
    match recover::recover(result, cli.dry_run, redactor, &reach) {
        Ok(recovered) => match answer(&recovered.report()) {
            OK if recovered.is_clean() => OK,
            OK => NOT_CLEAN,
            failed => failed,
        },
        Err(error) => {
            let hint = error.hint();
            refuse(&anyhow::Error::new(error), hint.as_deref(), cli)
        }
    }
}

/// Gives the machines of a run that died back, then runs what it did not come to.
fn resume_from(
    result: &std::path::Path,
    args: &[OsString],
    redactor: &Redactor,
    screen: Screen,
    cli: &Cli,
) -> ExitCode {
    if !cli.plan {
        let reach = match reach(cli, redactor) {
            Ok(reach) => reach,
            Err(error) => return refuse(&anyhow::Error::new(error), None, cli),
        };
        match recover::recover(result, false, redactor, &reach) {
            Ok(recovered) if recovered.is_clean() => {}
            Ok(recovered) => {
                return match answer(&recovered.report()) {
                    OK => NOT_CLEAN,
                    failed => failed,
                };
            }
            // A run that died before it began its journal changed nothing.
            Err(JournalError::None { .. }) => {}
            Err(error) => {
                let hint = error.hint();
                return refuse(&anyhow::Error::new(error), hint.as_deref(), cli);
            }
        }
    }
    let asked = resume::Asked {
        wait_held: cli.wait_held.unwrap_or_default(),
        no_reboot: cli.no_reboot,
        calm_limit: cli.calm_limit,
        parallel_hosts: cli.parallel_hosts as usize,
        host_keys: cli.host_keys(),
        passwords: cli.passwords(),
        command_line: args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect(),
    };
    let planned = Config::load(cli.common.config.as_deref())
        .map_err(|error| resume::ResumeError::Plan(error.into()))
        .and_then(|config| resume::plan(result, &config, redactor, asked));
    match planned {
        Ok(plan) if plan.profiles.is_empty() => answer(&format!(
            "PASS: nothing is left to run, result in {}\n",
            result.display()
        )),
        Ok(plan) if cli.plan => answer(&plan.print(redactor)),
        Ok(plan) => start(&plan, redactor, screen, cli),
        Err(error) => {
            let hint = error.hint();
            refuse(&anyhow::Error::new(error), hint.as_deref(), cli)
        }
    }
}

/// Says why nothing was done.
fn refuse(error: &anyhow::Error, hint: Option<&str>, cli: &Cli) -> ExitCode {
    common::print_error(error, hint, cli.common.color);
    USAGE
}

/// Writes the answer to standard output; a reader that went away is no error.
fn answer(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => FAILED,
        _ => OK,
    }
}
