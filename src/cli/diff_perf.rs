//! `diff-perf`: which of several results is most like another one; the answer is the exit code.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::{
    Arg, ArgAction, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, value_parser,
};
use rayon::prelude::*;
use tracing::{debug, info, warn};

use super::common::{self, Common};
use super::exit::{DIFF_ERROR, ExitCode, OK};
use super::generate::{self, Generate};
use super::output;
use crate::analysis::nights::distinct_names;
use crate::compare::closest::{Candidate, Closeness, closest};
use crate::store::read::{Include, Reader, ResultData};
use crate::text::one_line;
use crate::text::table::Table;

const ABOUT: &str = "Say which of several results is most like SRC, through the exit code";

const AFTER_HELP: &str = "\
Candidates are numbered from 0: positional results first, then groups. At least two are needed.
-g takes a list: put `--` before SRC.

Examples:
  diff-perf -- tested good bad
      exit 0: more like good; exit 1: more like bad
  diff-perf -g good1 good2 good3 -g bad1 bad2 -- tested
      the same with several results of either kind

Exit codes:
  0    the first candidate is the closest
  1    the second one, and so on up to 253
  254  any later one
  255  an error, wrong usage included";

/// The last index with an exit code of its own is one below this.
const ANY_LATER: ExitCode = 254;

/// The command line of diff-perf.
#[derive(Debug, Clone, Parser)]
#[command(name = "diff-perf", version, long_version = super::common::long_version(), about = ABOUT, after_long_help = AFTER_HELP, infer_long_args = true,
          override_usage = "diff-perf [OPTIONS] -- SRC DST DST...", max_term_width = 100)]
pub struct Cli {
    /// Result directory that the others are compared with
    #[arg(value_name = "SRC", required_unless_present_any = ["show_config", "generate"])]
    src: Option<PathBuf>,

    /// Candidates of one result each
    #[arg(value_name = "DST")]
    dst: Vec<PathBuf>,

    #[command(flatten)]
    groups: Groups,

    /// Widen the probability curve by this factor, for when several candidates come out equal
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = parse_factor)]
    flatten_coefficient: f64,

    #[command(flatten)]
    common: Common,
}

/// The lists of `-g`, kept apart (clap's derive would join them).
#[derive(Debug, Clone, Default)]
struct Groups(Vec<Vec<PathBuf>>);

impl Args for Groups {
    fn augment_args(command: Command) -> Command {
        command.arg(
            Arg::new("group")
                .short('g')
                .long("group")
                .value_name("RESULT")
                .num_args(1..)
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("A candidate of several results, which are averaged; repeat for more candidates"),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Groups {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let occurrences = matches
            .get_occurrences::<PathBuf>("group")
            .into_iter()
            .flatten();
        Ok(Self(
            occurrences.map(|group| group.cloned().collect()).collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn parse_factor(typed: &str) -> Result<f64, String> {
    match typed.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("expected a number above 0".into()),
    }
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let cli: Cli = match common::parse(std::env::args_os(), DIFF_ERROR) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            common::print_error(&error, None, cli.common.color);
            DIFF_ERROR
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    if let Some(what) = cli.common.generate {
        if what == Generate::Schema {
            bail!("diff-perf writes no JSON, so there is no schema");
        }
        let mut out = Vec::new();
        generate::generate(what, Cli::command(), &schemars::Schema::default(), &mut out)?;
        output::print(&out)?;
        return Ok(OK);
    }
    common::start_logging(&cli.common)?;
    let src = cli
        .src
        .as_deref()
        .ok_or_else(|| anyhow!("SRC is missing"))?;

    let groups = cli
        .dst
        .iter()
        .map(std::slice::from_ref)
        .chain(cli.groups.0.iter().map(Vec::as_slice));
    let groups: Vec<&[PathBuf]> = groups.collect();
    if groups.len() < 2 {
        bail!(
            "at least two candidates are needed to choose from, found {}",
            groups.len()
        );
    }
    let paths: Vec<PathBuf> = groups.concat();
    let results = read_all(src, &paths)?;
    let Some((source, results)) = results.split_first() else {
        bail!("SRC was not read")
    };
    let candidates = candidates(&groups, &paths);

    let closeness = closest(source, results, &candidates, cli.flatten_coefficient);
    report(&closeness, &candidates)?;
    if closeness.metrics.is_empty() && closeness.undecided == 0 {
        bail!(
            "{} has no metric in common with any candidate",
            src.display()
        );
    }
    Ok(ExitCode::try_from(closeness.closest)
        .unwrap_or(ANY_LATER)
        .min(ANY_LATER))
}

/// Reads SRC and the members of all candidates; each must be readable, else the answer is a guess.
fn read_all(src: &Path, paths: &[PathBuf]) -> anyhow::Result<Vec<ResultData>> {
    let all: Vec<&Path> = std::iter::once(src)
        .chain(paths.iter().map(PathBuf::as_path))
        .collect();
    let reader = Reader::default();
    let read: Vec<_> = all
        .par_iter()
        .map(|path| reader.read(&path.display().to_string(), path, Include::default()))
        .collect();
    let mut results = Vec::with_capacity(read.len());
    for result in read {
        let result = result?;
        for text in &result.warnings {
            warn!("{}: {text}", result.name);
        }
        results.push(result);
    }
    Ok(results)
}

/// Names candidates by their directories; `paths` are the members of all groups in order.
fn candidates(groups: &[&[PathBuf]], paths: &[PathBuf]) -> Vec<Candidate> {
    let absolute = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let mut distinct: Vec<PathBuf> = paths.iter().map(absolute).collect();
    distinct.sort();
    distinct.dedup();
    let names = distinct_names(&distinct);
    let name = |path: &PathBuf| {
        let known = distinct
            .binary_search(&absolute(path))
            .ok()
            .and_then(|index| names.get(index));
        known.cloned().unwrap_or_else(|| path.display().to_string())
    };
    let mut next = 0;
    groups
        .iter()
        .map(|group| {
            let members = (next..next + group.len()).collect();
            next += group.len();
            let name = group.iter().map(name).collect::<Vec<_>>().join(" + ");
            Candidate { name, members }
        })
        .collect()
}

fn report(closeness: &Closeness, candidates: &[Candidate]) -> anyhow::Result<()> {
    for stem in &closeness.only_src {
        debug!("{stem} is in SRC only");
    }
    for metric in &closeness.metrics {
        let values: Vec<String> = metric
            .values
            .iter()
            .map(|value| format!("{value:.3}"))
            .collect();
        let values = values.join(" ");
        if metric.primary {
            info!("{}: {values}", metric.stem);
        } else {
            debug!("{}: {values}", metric.stem);
        }
    }
    if closeness.tie {
        warn!(
            "several candidates share the highest score; the other metrics decided, then the order; \
             --flatten-coefficient above 1 may tell them apart"
        );
    }
    let mut table = Table::new(&["", "#>", "CANDIDATE", "PRIMARY>", "OTHER>"]);
    let sums = closeness.primary.iter().zip(&closeness.secondary);
    for (index, (candidate, (primary, other))) in candidates.iter().zip(sums).enumerate() {
        table.row([
            if index == closeness.closest {
                "closest"
            } else {
                ""
            }
            .to_owned(),
            index.to_string(),
            one_line(&candidate.name),
            format!("{primary:.3}"),
            format!("{other:.3}"),
        ]);
    }
    let mut text = String::new();
    table.print(&mut text);
    Ok(output::print(text.as_bytes())?)
}
