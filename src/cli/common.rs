//! What all programs share: verbosity, log file, colours, usage errors, error printing.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, ValueEnum};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use super::exit::{ExitCode, FAILED};
use super::generate::Generate;
use crate::control::progress::{MaskedFile, Screen};

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Color {
    /// Returns whether a stream that is (or is not) a terminal gets colours.
    ///
    /// `NO_COLOR` (not empty) and `TERM=dumb` say no, `CLICOLOR_FORCE` (not empty, not 0) says yes;
    /// the option wins over all of them.
    pub fn wanted(self, is_terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if set("NO_COLOR") => false,
            Color::Auto
                if std::env::var_os("CLICOLOR_FORCE")
                    .is_some_and(|v| !v.is_empty() && v != "0") =>
            {
                true
            }
            Color::Auto => {
                is_terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// Returns version and build features, for `--version`.
pub fn long_version() -> String {
    let features = [
        ("frames", cfg!(feature = "frames")),
        ("ssh", cfg!(feature = "ssh")),
        ("kube", cfg!(feature = "kube")),
        ("community", cfg!(feature = "community")),
        ("libvirt", cfg!(feature = "libvirt")),
        ("vendored", cfg!(feature = "vendored")),
    ];
    let built: Vec<String> = features
        .iter()
        .map(|(name, on)| format!("{}{name}", if *on { '+' } else { '-' }))
        .collect();
    format!("{} ({})", env!("CARGO_PKG_VERSION"), built.join(" "))
}

/// Options of every program.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Say more on standard error: once for info, twice for debug, three times for trace
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "General")]
    pub verbose: u8,

    /// Only errors and the last summary line
    #[arg(short, long, conflicts_with = "verbose", help_heading = "General")]
    pub quiet: bool,

    /// Also write everything at debug level, with timestamps, to FILE
    #[arg(long, value_name = "FILE", help_heading = "General")]
    pub log: Option<PathBuf>,

    /// When to use colours
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        hide_short_help = true,
        help_heading = "General"
    )]
    pub color: Color,

    /// Read configuration from FILE; without it run-perf.toml of the working directory is read if present
    #[arg(
        long,
        value_name = "FILE",
        env = "RUNPERF_CONFIG",
        hide_short_help = true,
        help_heading = "General"
    )]
    pub config: Option<PathBuf>,

    /// Print every value and where it came from, then stop
    #[arg(long, hide_short_help = true, help_heading = "General")]
    pub show_config: bool,

    /// Write a manual page, shell completion or schema to standard output, then stop
    #[arg(long, value_enum, value_name = "WHAT", hide = true)]
    pub generate: Option<Generate>,
}

/// Parses a share between 0 and 1, neither of them included.
///
/// # Errors
/// What was expected.
pub(super) fn parse_share(typed: &str) -> Result<f64, String> {
    match typed.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1.0 => Ok(value),
        _ => Err("expected a number between 0 and 1".into()),
    }
}

/// Parses the command line above the configuration; prints help, version, `--show-config` and
/// errors itself.
///
/// # Errors
/// The exit code to end with: 0 after `--help`, `--version` and `--show-config`, `usage` for wrong
/// usage or configuration.
pub fn parse<P: Parser + CommandFactory>(
    args: impl IntoIterator<Item = OsString>,
    usage: ExitCode,
) -> Result<P, ExitCode> {
    super::configured::parse(args.into_iter().collect(), usage)
}

/// Starts logging: standard error by `-v`/`-q`, and `--log FILE` at debug.
///
/// # Errors
/// When the log file cannot be created.
pub fn start_logging(common: &Common) -> anyhow::Result<()> {
    start_logging_through(common, &Screen::default())
}

/// As [`start_logging`], through a screen that masks secrets and may show a live block.
///
/// # Errors
/// When the log file cannot be created.
pub fn start_logging_through(common: &Common, screen: &Screen) -> anyhow::Result<()> {
    let through = screen.clone();
    let level = match (common.quiet, common.verbose) {
        (true, _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        (_, 2) => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let stderr = fmt::layer()
        .with_writer(move || through.clone())
        .with_ansi(common.color.wanted(std::io::stderr().is_terminal()))
        .without_time()
        .with_target(false)
        .with_filter(level);
    let file = common
        .log
        .as_ref()
        .map(|path| {
            use anyhow::Context;
            std::fs::File::create(path)
                .with_context(|| format!("cannot create the log file {}", path.display()))
        })
        .transpose()?
        .map(|file| MaskedFile::new(file, screen))
        .map(|file| {
            fmt::layer()
                .with_writer(move || file.clone())
                .with_ansi(false)
                .with_filter(LevelFilter::DEBUG)
        });
    // A second call in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(stderr)
        .with(file)
        .try_init();
    Ok(())
}

/// Prints an error with its causes and the next step, the only way a program reports failure.
pub fn print_error(error: &anyhow::Error, hint: Option<&str>, color: Color) {
    let red = if color.wanted(std::io::stderr().is_terminal()) {
        ("\x1b[1;31m", "\x1b[0m")
    } else {
        ("", "")
    };
    let mut text = format!("{}error:{} {error}\n", red.0, red.1);
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  caused by: {cause}\n"));
    }
    if let Some(hint) = hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Ends a program: prints the error if there is one.
pub fn finish(result: anyhow::Result<ExitCode>, color: Color) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) => {
            print_error(&error, None, color);
            FAILED
        }
    }
}
