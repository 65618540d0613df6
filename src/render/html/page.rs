//! The page as data: its first screen and its sections, every text as it will be read.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Html;
use super::builds::{Builds, builds};
use super::environment::{Change, environment, unchanged};
use super::facts;
use super::failures::{Failure, failures};
use super::groups::{Groups, groups};
use super::incidents::{Section, section};
use super::rows::{Row, Shown, row, rows};
use super::text::{LONGEST_TEXT, command, cut, typographic, web};
use crate::compare::{Build, CheckResult, Comparison, Status};
use crate::render::changes;
use crate::render::view::View;
use crate::render::words::{self, Words};

/// Metrics shown in the incidents of all sections, beside one for every [`ROWS_A_METRIC`] rows: each costs
/// about 2.5 kB, and a night in which everything moved has to stay within 150 kB and 800 B a row.
const ATTENTION: usize = 18;
/// Rows that leave enough of their 800 B for one more metric.
const ROWS_A_METRIC: usize = 45;
/// Metrics shown of a status at least, however much stands before it.
const FEWEST: usize = 4;
/// Metrics shown in the incidents of regressions.
const MOST_ATTENTION: usize = 90;

/// Metrics shown in suspects, flaky ones and improvements each.
const MOST_OTHERS: usize = 30;

/// Improvements before the fold.
const UNFOLDED: usize = 10;

/// Everything the template writes.
#[derive(Debug, Serialize)]
pub(super) struct Page<'a> {
    verdict: &'static str,
    verdict_letter: char,
    title: String,
    heading: String,
    /// Before, within and after the link to the worst place.
    reason: [String; 3],
    worst: Option<String>,
    facts: String,
    link: Option<String>,
    src: Side,
    dst: Side,
    tiles: Vec<Tile>,
    likely: Vec<facts::Likely>,
    differences: usize,
    trust: Vec<String>,
    regressions: Section,
    suspects: Section,
    flaky: Section,
    improvements: Section,
    improvements_folded: Section,
    failures: Vec<Failure>,
    failures_more: usize,
    groups: Option<Groups>,
    changes: Vec<Change>,
    unchanged: Vec<String>,
    works_again: Vec<String>,
    builds: Option<Builds>,
    rows: Vec<Row>,
    rows_shown: String,
    rows_all: String,
    rows_cut: bool,
    rule: &'static str,
    limits: Vec<String>,
    judged_by: Vec<String>,
    command: String,
    version: String,
    generated: String,
    exit_code: u8,
    /// What the rows show, in their order, for the data block.
    #[serde(skip)]
    pub(super) shown: Vec<Shown<'a>>,
    /// The references drawn.
    #[serde(skip)]
    pub(super) drawn: &'a [Build],
}

#[derive(Debug, Serialize)]
struct Side {
    name: String,
    distro: Option<String>,
    date: Option<String>,
    link: Option<String>,
}

#[derive(Debug, Serialize)]
struct Tile {
    letter: char,
    count: String,
    label: &'static str,
}

impl<'a> Page<'a> {
    /// Lays a comparison out.
    pub(super) fn new(comparison: &'a Comparison, options: &Html) -> Self {
        let view = View::new(comparison);
        let (shown, ids, total) = rows(&view);

        let newest = options.history;
        let drawn = &comparison.references[comparison.references.len().saturating_sub(newest)..];
        let src = side(&comparison.src);
        let dst = side(&comparison.dst);
        let name = |side: &Side, other: &Side| match (&side.distro, &other.distro) {
            (Some(one), Some(two)) if one != two => one.clone(),
            _ => side.name.clone(),
        };
        // What matters most takes first.
        let mut room = ATTENTION + shown.len() / ROWS_A_METRIC;
        let mut section = |status, most: usize| {
            let section = section(&view, status, most.min(room.max(FEWEST)), newest, &ids);
            room = room.saturating_sub(section.metrics());
            section
        };
        let regressions = section(Status::Regression, MOST_ATTENTION);
        let suspects = section(Status::Suspect, MOST_OTHERS);
        let flaky = section(Status::Flaky, MOST_OTHERS);
        let mut improvements = section(Status::Improvement, MOST_OTHERS);
        let improvements_folded = improvements.split_off(UNFOLDED);
        let (failures, failures_more) = failures(&view, &ids);
        let regressed = view.count(Status::Regression) + view.count_groups(Status::Regression);
        let places = view.places(Status::Regression);
        let worst = places
            .first()
            .and_then(|place| Some((place.name(), ids.href(&place.checks.first()?.id)?)));
        let (reason, worst) = linked(&comparison.reason, worst);
        Self {
            verdict: words::verdict(comparison.verdict),
            verdict_letter: words::verdict_letter(comparison.verdict),
            title: format!(
                "{}{}, {} → {}",
                words::verdict(comparison.verdict),
                if regressed > 0 {
                    format!(": {}", words::counted(regressed, Status::Regression))
                } else {
                    String::new()
                },
                src.name,
                dst.name
            ),
            heading: format!("{} against {}", name(&dst, &src), name(&src, &dst)),
            reason,
            worst,
            facts: facts_line(comparison),
            link: dst.link.clone(),
            src,
            dst,
            tiles: Status::ALL
                .iter()
                .map(|status| (*status, view.count(*status)))
                .filter(|(status, count)| *count > 0 || *status == Status::Regression)
                .map(|(status, count)| Tile {
                    letter: status.letter(),
                    count: count.to_string(),
                    label: tile_label(status, count),
                })
                .collect(),
            likely: facts::likely(comparison),
            differences: changes::count(comparison),
            trust: facts::trust(&view),
            regressions,
            suspects,
            flaky,
            improvements,
            improvements_folded,
            failures,
            failures_more,
            groups: groups(comparison),
            changes: environment(comparison, options.small),
            unchanged: unchanged(comparison),
            works_again: comparison
                .works_again
                .iter()
                .take(50)
                .map(|place| cut(place, LONGEST_TEXT))
                .collect(),
            builds: builds(comparison, drawn),
            rows: shown
                .iter()
                .zip(&ids.order)
                .map(|(shown, id)| row(*shown, id.clone()))
                .collect(),
            rows_shown: Words::RICH.count(shown.len()),
            rows_all: Words::RICH.count(total),
            rows_cut: shown.len() < total,
            rule: words::rule(comparison.rule),
            limits: facts::limits(comparison),
            judged_by: comparison
                .judged_by
                .iter()
                .map(|line| cut(line, LONGEST_TEXT))
                .collect(),
            command: cut(&command(&comparison.tool.command), 4000),
            version: cut(&comparison.tool.version, 80),
            generated: options.generated.clone(),
            exit_code: comparison.exit_code,
            shown,
            drawn,
        }
    }
}

/// Returns the sentence around the name of its worst place, and where that leads.
fn linked(reason: &str, worst: Option<(String, String)>) -> ([String; 3], Option<String>) {
    let whole = || ([cut(reason, 1000), String::new(), String::new()], None);
    let Some((name, href)) = worst else {
        return whole();
    };
    match reason.split_once(name.as_str()) {
        Some((before, after)) => (
            [
                cut(before, 1000),
                cut(&name, LONGEST_TEXT),
                typographic(&cut(after, 1000)),
            ],
            Some(href),
        ),
        None => whole(),
    }
}

fn tile_label(status: Status, count: usize) -> &'static str {
    match (status, count) {
        (Status::Regression, 1) => "Regression",
        (Status::Regression, _) => "Regressions",
        (Status::Error, 1) => "Error",
        (Status::Error, _) => "Errors",
        (Status::Suspect, 1) => "Suspect",
        (Status::Suspect, _) => "Suspects",
        (Status::Improvement, 1) => "Improvement",
        (Status::Improvement, _) => "Improvements",
        _ => words::label(status),
    }
}

fn side(build: &Build) -> Side {
    Side {
        name: cut(&build.name, 80),
        distro: build
            .distro
            .as_deref()
            .filter(|distro| !distro.is_empty())
            .map(|distro| cut(distro, 80)),
        date: build
            .date
            .as_deref()
            .map(|date| cut(&words::date(date), 80)),
        link: web(build.url.as_deref()),
    }
}

fn facts_line(comparison: &Comparison) -> String {
    let distinct = |part: fn(&CheckResult) -> &str| {
        comparison
            .metrics
            .iter()
            .map(part)
            .collect::<BTreeSet<_>>()
            .len()
    };
    let machines = match comparison.dst.machines.as_slice() {
        [] => String::new(),
        [one] => format!("Host {}, ", cut(one, 100)),
        many => format!("{} hosts ({}…), ", many.len(), cut(&many[0], 100)),
    };
    let started = comparison
        .dst
        .date
        .as_deref()
        .map_or(String::new(), |date| {
            format!(", started {}", cut(&words::date(date), 80))
        });
    format!(
        "{machines}{}, {}, {}{started}.",
        words::plural(distinct(|check| &check.profile), "profile"),
        words::plural(distinct(|check| &check.test), "test"),
        words::plural(comparison.references.len(), "reference build"),
    )
}
