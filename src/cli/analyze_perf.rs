//! `analyze-perf`: what is normal, learned from many results.

mod history_model;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::{CommandFactory, Parser};
use tracing::{debug, info, warn};

use super::common::{self, Common};
use super::exit::{ExitCode, FAILED, INCOMPLETE, OK, USAGE};
use super::generate;
use super::output::{self, Target};
use crate::analysis::detect::backtest::Backtest;
use crate::analysis::detect::decide::{DEFAULT_FDR, Thresholds};
use crate::analysis::detect::train::Settings;
use crate::analysis::detect::training::Training;
use crate::analysis::history::History;
use crate::analysis::model_file::ModelError;
use crate::analysis::overview::overview;
use crate::analysis::range_model::{LeftOut, Method, RangeModel, Tolerance};
use crate::analysis::reading::{Reading, read_all, why};
use crate::config::Config;
use crate::metric::Better;

const ABOUT: &str = "Learn from many results what is normal";

const AFTER_HELP: &str = "\
Without an output it prints what it read: nights, primary metrics, their spread, failures.
The order of RESULTs does not matter. FILE `-` is standard output; files are replaced.

Examples:
  analyze-perf -- result_2026*
      what is there, and how much it varies from night to night
  analyze-perf -l model.json -c table.csv -- result_2026*
  compare-perf -l model.json -- result_20260301_020000 result_20260302_020000
      learn from many nights, then judge the last one
  analyze-perf --backtest -- result_2026*
      how compare-perf --model would have judged these nights, and what it would have missed
  analyze-perf --rebase-model model.json -l moved.json -- result_20260303_020000
      accept a new level: the same width around a new centre

Exit codes:
  0    written
  1    an output could not be written, a model could not be used, or an unexpected error
  2    wrong usage
  3    no usable result; nothing was written
  130  interrupted";

/// The command line of analyze-perf.
#[derive(Debug, Clone, Parser)]
#[command(name = "analyze-perf", version, long_version = super::common::long_version(), about = ABOUT, after_long_help = AFTER_HELP, infer_long_args = true,
          override_usage = "analyze-perf [OPTIONS] -- RESULT...", max_term_width = 100)]
pub struct Cli {
    /// Result directories to learn from
    #[arg(value_name = "RESULT", required_unless_present_any = ["show_config", "generate"])]
    results: Vec<PathBuf>,

    /// Write a model of the range from the smallest to the largest value
    #[arg(short, long, value_name = "FILE", help_heading = "Outputs")]
    linear_regression: Option<OsString>,

    /// Write a model of three standard deviations around the mean
    #[arg(short, long, value_name = "FILE", help_heading = "Outputs")]
    stddev_linear_regression: Option<OsString>,

    /// Write a history model: level, noise and host shifts of every metric, for compare-perf --model
    ///
    /// The order of the nights comes from their metadata, else from their names. May stand beside -l,
    /// -s and -c.
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    model: Option<OsString>,

    /// Judge each night as compare-perf --model would have, by the nights before it
    ///
    /// The newest NIGHTS of them, 60 unless said. Standard output gets a table: what was called, what
    /// of it was no lasting change, and which lasting changes were noticed when.
    #[arg(long, value_name = "NIGHTS", num_args = 0..=1, require_equals = true, default_missing_value = "60",
          value_parser = parse_nights, help_heading = "Outputs")]
    backtest: Option<usize>,

    /// Write what --backtest found as JSON
    #[arg(
        long,
        value_name = "FILE",
        requires = "backtest",
        help_heading = "Outputs"
    )]
    json: Option<OsString>,

    /// Write a table of all primary values as CSV: a line per metric, a column per result
    #[arg(short, long, value_name = "FILE", help_heading = "Outputs")]
    csv: Option<OsString>,

    /// Target false-discovery rate of --backtest
    #[arg(long, value_name = "Q", default_value_t = DEFAULT_FDR, value_parser = common::parse_share, requires = "backtest", help_heading = "Model")]
    fdr: f64,

    /// Score at the edge of the normal range [default: 4; 5 for --model]
    ///
    /// It also keeps a model of -l and -s from being stricter than X / 1.1 percent.
    #[arg(short, long, value_name = "X", value_parser = parse_tolerance, allow_negative_numbers = true, help_heading = "Model")]
    tolerance: Option<f64>,

    /// Least half width of a normal range of --model, in percent of the level
    #[arg(long, value_name = "PCT", default_value_t = 0.5, value_parser = parse_floor, allow_negative_numbers = true, help_heading = "Model")]
    min_effect: f64,

    /// With --model: from BUILD on, this level is normal
    ///
    /// Kept in the model with --note, the user and the time, also when it is trained again into the
    /// same FILE. From the first acceptance on, compare-perf calls a level that is worse than the
    /// accepted one by more than its --tolerance a regression, until somebody accepts it.
    #[arg(
        long,
        value_name = "BUILD",
        requires = "model",
        requires = "note",
        help_heading = "Model"
    )]
    accept: Option<String>,

    /// Why it is accepted
    #[arg(long, value_name = "TEXT", requires = "accept", help_heading = "Model")]
    note: Option<String>,

    /// Move the centre of this model to the mean of the results instead of learning anew
    ///
    /// Metrics it does not know are learned; those that only the model knows stay as they are.
    /// Needs --linear-regression or --stddev-linear-regression, which say where the moved model goes.
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    rebase_model: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

fn parse_tolerance(typed: &str) -> Result<f64, String> {
    match typed.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("expected a number above 0".into()),
    }
}

fn parse_nights(typed: &str) -> Result<usize, String> {
    match typed.parse() {
        Ok(nights) if nights > 0 => Ok(nights),
        _ => Err("expected a number of nights, 1 or more".into()),
    }
}

fn parse_floor(typed: &str) -> Result<f64, String> {
    match typed.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("expected a number, 0 or above".into()),
    }
}

/// What was typed, checked.
#[derive(Debug, Clone, PartialEq)]
struct Options {
    results: Vec<PathBuf>,
    models: Vec<(Method, Target)>,
    history_model: Option<Target>,
    backtest: Option<(usize, Option<Target>)>,
    thresholds: Thresholds,
    settings: Settings,
    better: BTreeMap<String, Better>,
    accept: Option<(String, String)>,
    csv: Option<Target>,
    tolerance: Tolerance,
    rebase: Option<PathBuf>,
    list_all: bool,
}

/// An error with the code to end with and the next step.
#[derive(Debug)]
struct Problem {
    code: ExitCode,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Problem {
    fn usage(error: anyhow::Error, hint: Option<&str>) -> Self {
        Self {
            code: USAGE,
            error,
            hint: hint.map(str::to_owned),
        }
    }
}

impl From<anyhow::Error> for Problem {
    fn from(error: anyhow::Error) -> Self {
        Self {
            code: FAILED,
            error,
            hint: None,
        }
    }
}

impl Options {
    fn writes_nothing(&self) -> bool {
        self.models.is_empty()
            && self.csv.is_none()
            && self.history_model.is_none()
            && self.backtest.is_none()
    }
}

impl Cli {
    fn options(&self) -> Result<Options, Problem> {
        let linear = self
            .linear_regression
            .clone()
            .map(|file| (Method::MinMax, Target::from(file)));
        let stddev = self
            .stddev_linear_regression
            .clone()
            .map(|file| (Method::ThreeSigma, Target::from(file)));
        let models: Vec<(Method, Target)> = linear.into_iter().chain(stddev).collect();
        let history_model = self.model.clone().map(Target::from);
        let csv = self.csv.clone().map(Target::from);
        let json = self.json.clone().map(Target::from);

        if self.rebase_model.is_some() && models.is_empty() {
            let error = anyhow!("--rebase-model does not say where the moved model goes");
            return Err(Problem::usage(error, Some("add -l FILE or -s FILE")));
        }
        if csv.is_some() && cfg!(not(feature = "frames")) {
            return Err(Problem::usage(
                anyhow!("`--csv` needs a build with the `frames` feature"),
                None,
            ));
        }
        let targets: Vec<&Target> = models
            .iter()
            .map(|(_, target)| target)
            .chain(&history_model)
            .chain(&json)
            .chain(&csv)
            .collect();
        for (index, target) in targets.iter().enumerate() {
            target
                .check()
                .map_err(|error| Problem::usage(error, None))?;
            if targets[..index]
                .iter()
                .any(|other| other == target || other.is_same_file(target))
            {
                let name = match target {
                    Target::Stdout => "standard output".into(),
                    Target::File(path) => path.display().to_string(),
                };
                let error = anyhow!("two outputs cannot both go to {name}");
                return Err(Problem::usage(error, Some("give each a FILE of its own")));
            }
        }
        let no_directory: Vec<String> = self
            .results
            .iter()
            .filter(|path| !path.is_dir())
            .map(|path| format!("`{}`", path.display()))
            .collect();
        if !no_directory.is_empty() {
            let error = anyhow!("no such result directory: {}", no_directory.join(", "));
            return Err(Problem::usage(
                error,
                Some("name directories that hold a RUNPERF_METADATA file"),
            ));
        }
        let config = Config::load(self.common.config.as_deref())
            .map_err(|error| Problem::usage(error.into(), None))?;
        Ok(Options {
            results: self.results.clone(),
            models,
            history_model,
            backtest: self.backtest.map(|nights| (nights, json)),
            thresholds: Thresholds {
                fdr: self.fdr,
                min_effect_pct: self.min_effect,
                ..Thresholds::default()
            },
            settings: Settings {
                tolerance: self.tolerance.unwrap_or(Settings::default().tolerance),
                min_effect_pct: self.min_effect,
                accepted_from: None,
            },
            accept: self.accept.clone().zip(self.note.clone()),
            better: config.directions(),
            csv,
            tolerance: self.tolerance.map_or(Tolerance::Default, Tolerance::Given),
            rebase: self.rebase_model.clone(),
            list_all: self.common.verbose > 0,
        })
    }
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let cli: Cli = match common::parse(std::env::args_os(), USAGE) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    if let Some(what) = cli.common.generate {
        let mut out = Vec::new();
        let made = generate::generate(what, Cli::command(), &history_model::schema(), &mut out);
        let written = made.and_then(|()| output::print(&out));
        return common::finish(written.map(|()| OK).map_err(Into::into), cli.common.color);
    }
    if let Err(error) = common::start_logging(&cli.common) {
        return common::finish(Err(error), cli.common.color);
    }
    match cli.options().and_then(|options| analyze(&options)) {
        Ok(()) => OK,
        Err(Problem { code, error, hint }) => {
            common::print_error(&error, hint.as_deref(), cli.common.color);
            code
        }
    }
}

fn analyze(options: &Options) -> Result<(), Problem> {
    // Before reading, which may take long: a bad model is known at once.
    let base = options
        .rebase
        .as_deref()
        .map(RangeModel::load)
        .transpose()
        .map_err(|error| {
            let hint = error.hint();
            // A name that does not exist is a typing mistake; a bad file is not.
            let missing = matches!(&error, ModelError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound);
            Problem {
                code: if missing { USAGE } else { FAILED },
                error: error.into(),
                hint,
            }
        })?;
    if let (Some(base), Some(path)) = (&base, &options.rebase)
        && base.version() > 2
    {
        let error = anyhow!(
            "the model {} has version {}, which cannot be moved",
            path.display(),
            base.version()
        );
        return Err(Problem {
            code: FAILED,
            error,
            hint: Some("train it again from all results".into()),
        });
    }

    let reading = read(options)?;
    let history = &reading.history;
    if options.writes_nothing() {
        output::print(overview(&reading, options.list_all).as_bytes())
            .map_err(anyhow::Error::from)?;
        return Ok(());
    }
    // Everything is computed before the first file is touched.
    let mut outputs: Vec<(&Target, String)> = Vec::new();
    for (method, target) in &options.models {
        outputs.push((target, model(options, *method, base.clone(), history)));
    }
    if options.history_model.is_some() || options.backtest.is_some() {
        let training = Training::new(history, &options.better);
        for note in &training.notes {
            warn!("{note}");
        }
        if let Some(target) = &options.history_model {
            let text = history_model::history_model(options, target, &training)?;
            outputs.push((target, text));
        }
        if let Some((nights, json)) = &options.backtest {
            outputs.extend(backtest(options, *nights, json.as_ref(), &training)?);
        }
    }
    if let Some(target) = &options.csv {
        outputs.push((target, csv(history)?));
    }
    // What is asked for on standard output stands there alone.
    if outputs
        .iter()
        .filter(|(target, _)| **target == Target::Stdout)
        .count()
        > 1
    {
        outputs.retain(|(target, _)| !std::ptr::eq(*target, &TABLE));
    }
    for (target, text) in outputs {
        target.write(text.as_bytes())?;
        if let Target::File(path) = target {
            info!(file = %path.display(), "written");
        }
    }
    Ok(())
}

/// Reads all results; those that cannot be used are warned about.
fn read(options: &Options) -> Result<Reading, Problem> {
    let reading = read_all(&options.results);
    let history = &reading.history;
    for text in &reading.warnings {
        warn!("{text}");
    }
    for (path, error) in &reading.unusable {
        warn!("{} is left out: {}", path.display(), why(error));
    }
    for series in history.metrics.values() {
        for (night, text) in &series.failures {
            debug!(night = %history.nights[*night].name, "recorded failure: {}", crate::text::one_line(text));
        }
    }
    if history.numeric().next().is_none() {
        let count = options.results.len();
        let error = anyhow!(
            "none of {count} {} holds a figure",
            if count == 1 { "result" } else { "results" }
        );
        let hint = "results are directories written by run-perf: PROFILE/TEST/0000/result.json";
        return Err(Problem {
            code: INCOMPLETE,
            error,
            hint: Some(hint.into()),
        });
    }
    info!(
        nights = history.nights.len(),
        metrics = history.metrics.len(),
        "read"
    );
    Ok(reading)
}

/// Trains or moves one model and returns the text of its file.
fn model(options: &Options, method: Method, base: Option<RangeModel>, history: &History) -> String {
    let kind = match method {
        Method::MinMax => "min/max",
        Method::ThreeSigma => "3-sigma",
    };
    let before = base.as_ref().map(|base| (base.version(), base.tolerance()));
    let trained = match base {
        Some(base) => base.rebase(history, method, options.tolerance),
        None => RangeModel::train(history, method, options.tolerance),
    };
    if let Some((version, tolerance)) = before {
        if version != 0 && version != method.version() {
            warn!(
                "the model that is moved is of the other kind; metrics new to it are learned as {kind}"
            );
        }
        if trained.new > 0 && tolerance.to_bits() != options.tolerance.value().to_bits() {
            warn!(
                "{} metrics are new and have {} at the edge of their range, the others {tolerance}; use -t {tolerance}",
                trained.new,
                options.tolerance.value()
            );
        }
    }
    let (no_range, odd): (Vec<_>, Vec<_>) = trained
        .left_out
        .iter()
        .partition(|(_, reason)| *reason == LeftOut::NoRange);
    if !no_range.is_empty() {
        info!(
            metrics = no_range.len(),
            model = kind,
            "left out: all their values are 0"
        );
    }
    for (id, reason) in odd {
        warn!("{id} is not in the {kind} model: {reason}");
    }
    if trained.model.is_empty() {
        warn!("the {kind} model is empty: no metric has a range");
    }
    trained.model.to_text()
}

/// Where the table of `--backtest` goes.
static TABLE: Target = Target::Stdout;

/// Replays the newest nights; the table, and the JSON when asked for.
fn backtest<'a>(
    options: &Options,
    nights: usize,
    json: Option<&'a Target>,
    training: &Training,
) -> Result<Vec<(&'a Target, String)>, Problem> {
    let replayed = Backtest::new(training, options.settings, options.thresholds, nights);
    let Some(replayed) = replayed else {
        let error = anyhow!(
            "nothing to replay: {} of different nights",
            training.builds.len()
        );
        return Err(Problem {
            code: INCOMPLETE,
            error,
            hint: Some("name three nights or more".into()),
        });
    };
    info!(nights = replayed.nights.len(), "replayed");
    let mut outputs = vec![(&TABLE, replayed.to_text(options.list_all))];
    if let Some(target) = json {
        let text =
            serde_json::to_string_pretty(&replayed).context("cannot write the replay as JSON")?;
        outputs.push((target, text + "\n"));
    }
    Ok(outputs)
}

#[cfg(feature = "frames")]
fn csv(history: &History) -> Result<String, Problem> {
    Ok(history.csv().context("cannot build the table")?)
}

#[cfg(not(feature = "frames"))]
fn csv(_: &History) -> Result<String, Problem> {
    Err(Problem::usage(
        anyhow!("`--csv` needs a build with the `frames` feature"),
        None,
    ))
}
