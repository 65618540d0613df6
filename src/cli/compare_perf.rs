//! `compare-perf`: did something get slower?

mod inputs;
mod outputs;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{CommandFactory, Parser, ValueEnum};

use self::inputs::Named;
use self::outputs::Outputs;
use super::common::{self, Common};
use super::exit::{COMPARE_USAGE, ExitCode, FAILED, OK, USAGE};
use super::{generate, output};
use crate::analysis::detect::decide::{
    DEFAULT_FDR, DEFAULT_GROUP_PCT, DEFAULT_MIN_EFFECT_PCT, Thresholds,
};
use crate::compare::{self, Comparison, Limit, Options};
use crate::config::Config;
use crate::metric::Better;
use crate::render::json;

const ABOUT: &str = "Compare two results, in the light of those between, and say what regressed";

const AFTER_HELP: &str = "\
SRC is the accepted result, DST the judged one; a single one is compared with itself.
FILE `-` is standard output: only one report may go there, and the console report then goes away.

Examples:
  compare-perf -- result_20260301_020000 result_20260308_020000
      did something change between two nights?
  compare-perf -l model.json --html report.html --xunit report.xml -- good:result_A result_2026* bad:result_B
      a nightly job: how far is normal, since when, and files for people and for Jenkins
  compare-perf --compat --xunit result.xml -- result_A result_B
      the verdict the older tool would give

Exit codes:
  0    PASS
  1    unexpected error, or a report could not be written
  2    FAIL: something regressed, failed or is missing
  3    ERROR: nothing to compare
  4    wrong usage or configuration (2 with --compat)
  130  interrupted";

/// What standard output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// The console report
    #[default]
    Text,
    /// What --json writes
    Json,
    /// What --markdown writes
    Markdown,
}

/// The command line of compare-perf.
#[derive(Debug, Clone, Parser)]
#[command(name = "compare-perf", version, long_version = super::common::long_version(), about = ABOUT, after_long_help = AFTER_HELP, infer_long_args = true,
          override_usage = "compare-perf [OPTIONS] -- SRC [REF...] DST", max_term_width = 100)]
pub struct Cli {
    /// Result directories, each PATH or NAME:PATH: the accepted one, those between, the judged one
    #[arg(value_name = "RESULT", required_unless_present_any = ["show_config", "generate", "print_schema"])]
    results: Vec<OsString>,

    /// Fail a check when the mean gets worse by more than PCT of the source value [default: 5]
    ///
    /// Applies to results ending in `.mean` and, with -l, to the score by the models; the spread
    /// of samples has its own limit, see --stddev-tolerance.
    #[arg(short, long, value_name = "PCT", value_parser = parse_limit, allow_negative_numbers = true, help_heading = "Limits")]
    tolerance: Option<f64>,

    /// Fail a check when the spread of samples grows by more than POINTS percentage points [default: 5]
    #[arg(short, long, value_name = "POINTS", value_parser = parse_limit, allow_negative_numbers = true, help_heading = "Limits")]
    stddev_tolerance: Option<f64>,

    /// Judge by the line of these models and --tolerance
    ///
    /// Models come from analyze-perf -l or -s; several are averaged. Metrics no model knows keep
    /// the fixed limits.
    #[arg(short = 'l', long, value_name = "FILE", num_args = 1.., help_heading = "Limits")]
    model_linear_regression: Vec<PathBuf>,

    /// Judge by a history model: level, noise, host shifts and false discoveries of the whole night
    ///
    /// From analyze-perf --model. Metrics it has too few nights of keep the fixed limits.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "model_linear_regression",
        help_heading = "Limits"
    )]
    model: Option<PathBuf>,

    /// Share of the metrics that are called which may be called wrongly, with --model or pairwise
    ///
    /// A target, not a promise: a single wild run is a change of the measurement, and looks like one.
    #[arg(long, value_name = "Q", default_value_t = DEFAULT_FDR, value_parser = common::parse_share, help_heading = "Limits")]
    fdr: f64,

    /// Smallest effect that is called, with --model or pairwise
    #[arg(long, value_name = "PCT", default_value_t = DEFAULT_MIN_EFFECT_PCT, value_parser = parse_limit, allow_negative_numbers = true, help_heading = "Limits")]
    min_effect: f64,

    /// Limit of what all metrics of a profile may do together, with --model or pairwise
    #[arg(long, value_name = "PCT", default_value_t = DEFAULT_GROUP_PCT, value_parser = parse_limit, allow_negative_numbers = true, help_heading = "Limits")]
    group_tolerance: f64,

    /// Weight of the average of all builds in a score; 0 is off
    #[arg(long, value_name = "W", default_value_t = 0.0, value_parser = parse_weight, allow_negative_numbers = true, help_heading = "Limits")]
    model_builds_average: f64,

    /// Weight of how many builds fail in a score; 0 is off
    #[arg(long, value_name = "W", default_value_t = 0.0, value_parser = parse_weight, allow_negative_numbers = true, help_heading = "Limits")]
    n_out_of_results: f64,

    /// Builds that may fail before --n-out-of-results alone exceeds the limit
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        allow_negative_numbers = true,
        help_heading = "Limits"
    )]
    n_out_of_results_n: i64,

    /// Also read incorrect results of references and DST
    ///
    /// That is: of directories that do not start with a digit, and of iterations that ended in a
    /// failed try.
    #[arg(long, help_heading = "Input")]
    include_incorrect_results: bool,

    /// Further references, beside those between SRC and DST; "since" orders all by date
    #[arg(long, value_name = "DIR", num_args = 1.., help_heading = "Input")]
    references: Vec<OsString>,

    /// Further results of the same build as DST, judged together with it
    ///
    /// Of three and more results the median counts, of two the better one. With --model or pairwise.
    #[arg(long, value_name = "DIR", num_args = 1.., help_heading = "Input")]
    repetitions: Vec<OsString>,

    /// Which way a metric is better where the result does not say: METRIC=higher, METRIC=lower
    #[arg(long, value_name = "METRIC=WAY", num_args = 1.., value_parser = parse_better, help_heading = "Input")]
    better: Vec<(String, Better)>,

    /// Judge the figures of single clients too, as secondary metrics METRIC@CLIENT
    ///
    /// One bad disk of thirty is 3 % of the sum. Clients are held against the fixed limits, whatever the
    /// rule; what they contribute is shown without this option too.
    #[arg(long, conflicts_with = "compat", help_heading = "Verdict")]
    by_client: bool,

    /// Improvements fail too
    #[arg(long, help_heading = "Verdict")]
    fail_on_gain: bool,

    /// Missing results do not fail
    #[arg(long, help_heading = "Verdict")]
    allow_missing: bool,

    /// Judge as the older tool does, to the letter, with its exit codes
    #[arg(long, help_heading = "Verdict")]
    compat: bool,

    /// Write the report as one HTML file
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    html: Option<OsString>,

    /// Accepted for older scripts: charts are always there
    #[arg(long, help_heading = "Outputs")]
    html_with_charts: bool,

    /// Leave raw environments out of the HTML report
    #[arg(long, help_heading = "Outputs")]
    html_small_file: bool,

    /// References drawn for each metric in the HTML report
    #[arg(long, value_name = "N", default_value_t = 30, help_heading = "Outputs")]
    html_history: usize,

    /// Write a JUnit file
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    xunit: Option<OsString>,

    /// Put secondary metrics into the JUnit file too
    #[arg(long, help_heading = "Outputs")]
    junit_all: bool,

    /// Write the whole comparison as JSON
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    json: Option<OsString>,

    /// Write a short report for a GitHub summary or a GitLab comment
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    markdown: Option<OsString>,

    /// Write counts and means for the plot plugin of Jenkins
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    plot_csv: Option<OsString>,

    /// Write what regressed or is suspect: what to run again
    #[arg(long, value_name = "FILE", help_heading = "Outputs")]
    suspects: Option<OsString>,

    /// What standard output gets
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        help_heading = "Outputs"
    )]
    format: Format,

    /// Only ASCII signs in the console report, whatever the locale says
    #[arg(long, help_heading = "Outputs")]
    ascii: bool,

    /// Print the JSON Schema of --json, then stop
    #[arg(long, help_heading = "Outputs")]
    print_schema: bool,

    #[command(flatten)]
    common: Common,
}

fn parse_limit(typed: &str) -> Result<f64, String> {
    match typed.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("expected a number, 0 or above".into()),
    }
}

fn parse_weight(typed: &str) -> Result<f64, String> {
    parse_limit(typed)
}

fn parse_better(typed: &str) -> Result<(String, Better), String> {
    let (metric, way) = typed
        .split_once('=')
        .ok_or("expected METRIC=higher or METRIC=lower")?;
    let way = match way {
        "higher" => Better::Higher,
        "lower" => Better::Lower,
        "unknown" => Better::Unknown,
        _ => return Err(format!("`{way}` is neither `higher` nor `lower`")),
    };
    if metric.is_empty() {
        return Err("expected the name of a metric before `=`".into());
    }
    Ok((metric.to_owned(), way))
}

/// An error with the code to end with and the next step.
#[derive(Debug)]
struct Problem {
    code: ExitCode,
    error: anyhow::Error,
    hint: Option<String>,
}

impl Problem {
    fn new(code: ExitCode, error: anyhow::Error, hint: Option<&str>) -> Self {
        Self {
            code,
            error,
            hint: hint.map(str::to_owned),
        }
    }
}

/// Returns the code of wrong usage, which `--compat` changes. Looked up before parsing, because
/// what cannot be parsed ends with it.
fn usage_code(args: &[OsString]) -> ExitCode {
    let options = args.iter().skip(1).take_while(|arg| *arg != "--");
    // Unambiguous beginnings count as well; shorter ones may mean `--color` or `--config`.
    let compat = options
        .filter_map(|arg| arg.to_str())
        .any(|arg| arg.starts_with("--comp") && "--compat".starts_with(arg));
    if compat { USAGE } else { COMPARE_USAGE }
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let usage = usage_code(&args);
    let cli: Cli = match common::parse(args.clone(), usage) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let color = cli.common.color;
    if let Some(what) = cli.common.generate {
        let mut out = Vec::new();
        let made = generate::generate(
            what,
            Cli::command(),
            &schemars::schema_for!(Comparison),
            &mut out,
        );
        return common::finish(
            made.and_then(|()| output::print(&out))
                .map(|()| OK)
                .map_err(Into::into),
            color,
        );
    }
    if cli.print_schema {
        let printed = json::schema()
            .map_err(anyhow::Error::from)
            .and_then(|text| Ok(output::print(text.as_bytes())?));
        return common::finish(printed.map(|()| OK), color);
    }
    if let Err(error) = common::start_logging(&cli.common) {
        return common::finish(Err(error), color);
    }
    match cli.run(usage, &args) {
        Ok(code) => code,
        Err(Problem { code, error, hint }) => {
            common::print_error(&error, hint.as_deref(), color);
            code
        }
    }
}

impl Cli {
    fn run(&self, usage: ExitCode, args: &[OsString]) -> Result<ExitCode, Problem> {
        // Everything that can be wrong about the command line is said before the work.
        let outputs = Outputs::new(self).map_err(|error| Problem::new(usage, error, None))?;
        let named = |typed: &OsString| {
            Named::new(typed).ok_or_else(|| {
                let error = anyhow!("there is no result directory `{}`", typed.display());
                Problem::new(
                    usage,
                    error,
                    Some("name directories that exist, each as PATH or NAME:PATH"),
                )
            })
        };
        let positional: Vec<Named> = self.results.iter().map(named).collect::<Result<_, _>>()?;
        let further: Vec<Named> = self
            .references
            .iter()
            .map(named)
            .collect::<Result<_, _>>()?;
        let options = self.options(usage, args)?;
        let repetitions: Vec<Named> = self
            .repetitions
            .iter()
            .map(named)
            .collect::<Result<_, _>>()?;
        let models = inputs::load_models(&self.model_linear_regression, usage)?;
        let model = self
            .model
            .as_deref()
            .map(|path| inputs::load_history(path, usage))
            .transpose()?;

        let inputs = inputs::read(
            &positional,
            &further,
            &repetitions,
            (models, model),
            self.include_incorrect_results,
            self.by_client,
        )?;
        let comparison = compare::compare(inputs, &options);
        if self.compat {
            for line in compare::compat::averages(&comparison).lines() {
                tracing::info!("{line}");
            }
        }
        outputs.write(&comparison, self)?;
        Ok(comparison.exit_code)
    }

    fn options(&self, usage: ExitCode, args: &[OsString]) -> Result<Options, Problem> {
        let config = Config::load(self.common.config.as_deref())
            .map_err(|error| Problem::new(usage, error.into(), None))?;
        let mut better = config.directions();
        better.extend(self.better.iter().cloned());
        let limit = |given: Option<f64>| Limit {
            value: given.unwrap_or(5.0),
            given: given.is_some(),
        };
        Ok(Options {
            tolerance: limit(self.tolerance),
            stddev_tolerance: limit(self.stddev_tolerance),
            history: Thresholds {
                fdr: self.fdr,
                min_effect_pct: self.min_effect,
                group_pct: self.group_tolerance,
            },
            average_weight: self.model_builds_average,
            n_out_of_weight: self.n_out_of_results,
            n_out_of: self.n_out_of_results_n,
            fail_on_gain: self.fail_on_gain,
            allow_missing: self.allow_missing,
            compat: self.compat,
            by_client: self.by_client,
            better,
            command: args
                .iter()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(line: &str) -> ExitCode {
        usage_code(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn wrong_usage_ends_with_2_only_in_the_older_tools_mode() {
        assert_eq!(usage("compare-perf --compat --nonsense"), 2);
        assert_eq!(usage("compare-perf --comp a b"), 2);
        assert_eq!(usage("compare-perf --color auto a b"), 4);
        assert_eq!(
            usage("compare-perf -- --compat"),
            4,
            "a directory may have any name"
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_list_ends_at_the_next_option() {
        let line = "compare-perf -l a.json b.json --better x=lower y=higher -- src ref dst";
        let cli = Cli::try_parse_from(line.split(' ')).expect("good usage");
        assert_eq!(cli.model_linear_regression.len(), 2);
        assert_eq!(
            cli.better,
            [
                ("x".to_owned(), Better::Lower),
                ("y".to_owned(), Better::Higher)
            ]
        );
        assert_eq!(cli.results.len(), 3);
    }

    #[test]
    fn limits_that_are_no_limits_are_refused() {
        for typed in ["nan", "inf", "-1", "x"] {
            assert!(parse_limit(typed).is_err(), "{typed}");
        }
        assert_eq!(parse_limit("0"), Ok(0.0));
    }
}
