//! The page as data: sections, rows and figures, every text as it will be read.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::diff::{self, Line};
use super::facts::{self, LONGEST_TEXT, cut};
use super::spark::{Spark, spark};
use super::{Html, MOST_ROWS};
use crate::compare::{Build, CheckResult, Comparison, ErrorInfo, Status, Verdict};
use crate::metric::{Check, MetricId};
use crate::render::changes;
use crate::render::view::{Cell, Grid, Group, Place, View};
use crate::render::words::{self, Words};

/// Metrics shown in the incidents of a section; each costs about 1 kB.
const MOST_ATTENTION: usize = 90;
/// Metrics shown in suspects, flaky ones and improvements each.
const MOST_OTHERS: usize = 30;
/// Metrics shown of one place.
const MOST_OF_PLACE: usize = 12;
/// Improvements before the fold.
const UNFOLDED: usize = 10;
/// Rows of errors and missing results.
const MOST_ERRORS: usize = 100;
/// Lines of differences a kind.
const MOST_CHANGES: usize = 500;
/// Characters of an id; longer ones are cut and numbered.
const LONGEST_ID: usize = 500;

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

/// What a row of the full table shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    /// A metric.
    Check(&'a CheckResult),
    /// A recorded failure.
    Error(&'a ErrorInfo),
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

/// Incidents of one status.
#[derive(Debug, Default, Serialize)]
struct Section {
    letter: char,
    label: &'static str,
    incidents: Vec<IncidentView>,
    more: usize,
    with_history: bool,
    references: usize,
}

#[derive(Debug, Serialize)]
struct IncidentView {
    rank: usize,
    name: String,
    since: Option<String>,
    size: String,
    metrics: Vec<MetricView>,
    more: usize,
    why: String,
    parts: Vec<Vec<PartView>>,
    samples: String,
    basis: Option<String>,
    params: Vec<String>,
}

#[derive(Debug, Serialize)]
struct MetricView {
    href: Option<String>,
    name: String,
    about: String,
    src: String,
    dst: String,
    change: String,
    turn: &'static str,
    band: String,
    spark: Option<Spark>,
}

#[derive(Debug, Serialize)]
struct PartView {
    metric: String,
    what: String,
    reference: String,
    difference: String,
    weight: String,
}

#[derive(Debug, Serialize)]
struct Failure {
    letter: char,
    label: &'static str,
    place: String,
    iteration: String,
    href: Option<String>,
    message: String,
    text: Option<String>,
    references: String,
    log: Option<String>,
}

#[derive(Debug, Serialize)]
struct Groups {
    columns: Vec<String>,
    rows: Vec<GroupRow>,
    checks: Vec<GroupCheck>,
    within: usize,
}

#[derive(Debug, Serialize)]
struct GroupRow {
    name: String,
    cells: Vec<Option<CellView>>,
}

#[derive(Debug, Serialize)]
struct CellView {
    href: String,
    class: &'static str,
    mean: String,
    checks: usize,
    marks: Vec<(char, String)>,
}

#[derive(Debug, Serialize)]
struct GroupCheck {
    letter: char,
    label: &'static str,
    name: String,
    change: String,
    limit: String,
    labels: String,
}

#[derive(Debug, Serialize)]
struct Change {
    title: String,
    count: usize,
    open: bool,
    entries: Vec<ChangeEntry>,
    texts: Vec<ChangeText>,
    more: usize,
    with_since: bool,
}

#[derive(Debug, Serialize)]
struct ChangeEntry {
    name: String,
    place: String,
    step: facts::Step,
    since: String,
}

#[derive(Debug, Serialize)]
struct ChangeText {
    name: String,
    place: String,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Builds {
    width: usize,
    bars: Vec<Bar>,
    rows: Vec<BuildRow>,
    counted: bool,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: usize,
    middle: usize,
    name: String,
    worse: usize,
    better: usize,
    up: String,
    top: String,
    label_y: String,
    down: String,
    env_changed: bool,
    named: bool,
}

#[derive(Debug, Serialize)]
struct BuildRow {
    name: String,
    role: &'static str,
    link: Option<String>,
    date: String,
    distro: String,
    machines: String,
    worse: String,
    better: String,
    environment: &'static str,
}

#[derive(Debug, Serialize)]
struct Row {
    id: String,
    letter: char,
    label: &'static str,
    before: String,
    iteration: String,
    after: String,
    src: String,
    dst: String,
    change: String,
    turn: &'static str,
    band: String,
    within: bool,
}

impl<'a> Page<'a> {
    /// Lays a comparison out.
    pub(super) fn new(comparison: &'a Comparison, options: &Html) -> Self {
        let view = View::new(comparison);
        let (shown, ids, total) = rows(&view);
        let ids = Ids(ids);
        let newest = options.history;
        let drawn = &comparison.references[comparison.references.len().saturating_sub(newest)..];
        let src = side(&comparison.src);
        let dst = side(&comparison.dst);
        let name = |side: &Side, other: &Side| match (&side.distro, &other.distro) {
            (Some(one), Some(two)) if one != two => one.clone(),
            _ => side.name.clone(),
        };
        let section = |status, most| section(&view, status, most, newest, &ids);
        let mut improvements = section(Status::Improvement, MOST_OTHERS);
        let folded = improvements
            .incidents
            .split_off(improvements.incidents.len().min(UNFOLDED));
        let improvements_folded = Section {
            incidents: folded,
            more: std::mem::take(&mut improvements.more),
            ..copy(&improvements)
        };
        let (failures, failures_more) = failures(&view, &ids);
        let regressions = view.count(Status::Regression) + view.count_groups(Status::Regression);
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
                if regressions > 0 {
                    format!(": {}", words::counted(regressions, Status::Regression))
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
            regressions: section(Status::Regression, MOST_ATTENTION),
            suspects: section(Status::Suspect, MOST_OTHERS),
            flaky: section(Status::Flaky, MOST_OTHERS),
            improvements,
            improvements_folded,
            failures,
            failures_more,
            groups: groups(comparison),
            changes: environment(comparison, options.small),
            works_again: comparison
                .works_again
                .iter()
                .take(50)
                .map(|place| cut(place, LONGEST_TEXT))
                .collect(),
            builds: builds(comparison, drawn),
            rows: shown
                .iter()
                .zip(&ids.0.order)
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

fn copy(section: &Section) -> Section {
    Section {
        letter: section.letter,
        label: section.label,
        with_history: section.with_history,
        references: section.references,
        ..Section::default()
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

/// Returns the plain signs of a sentence as the page has them everywhere: minus and times.
fn typographic(text: &str) -> String {
    let mut nice = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let number = chars.peek().is_some_and(char::is_ascii_digit);
        nice.push(match c {
            '-' if number && nice.ends_with(' ') => '\u{2212}',
            c => c,
        });
    }
    nice.replace(" x the band", "× the band")
}

/// Ids of rows, by metric and in the order of the rows; unique, and cut where absurd.
struct RowIds {
    order: Vec<String>,
    by_metric: HashMap<String, usize>,
}

struct Ids(RowIds);

impl Ids {
    /// Returns the address of a metric within the page; nothing when its row is left out.
    fn href(&self, id: &MetricId) -> Option<String> {
        let row = self.0.order.get(*self.0.by_metric.get(id.as_str())?)?;
        Some(format!("#{}", encode(row, false)))
    }
}

/// Returns text for the fragment of an address: everything that a browser would change on the way, or
/// that means something in a query, as `%XX`.
fn encode(text: &str, query: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        let plain = match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '*' => true,
            '/' | ':' | '@' | '!' | '(' | ')' | ',' | ';' | '=' | '~' => !query,
            _ => false,
        };
        if plain {
            encoded.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    encoded
}

/// Returns what the full table shows, in order, with the ids of the rows, and how much there is.
fn rows<'a>(view: &View<'a>) -> (Vec<Shown<'a>>, RowIds, usize) {
    let status = |shown: &Shown<'_>| match shown {
        Shown::Check(check) => check.status,
        Shown::Error(_) => Status::Error,
    };
    let weight = |shown: &Shown<'_>| match shown {
        Shown::Check(check) => check.bands.filter(|bands| bands.is_finite()).unwrap_or(0.0),
        Shown::Error(_) => 0.0,
    };
    let rank = |status: Status| Status::ALL.iter().position(|known| *known == status);
    let mut all: Vec<Shown<'a>> = view
        .comparison
        .metrics
        .iter()
        .map(Shown::Check)
        .chain(view.errors().map(Shown::Error))
        .collect();
    let total = all.len();
    // Stable: what weighs the same stays in reading order.
    all.sort_by(|a, b| {
        rank(status(a))
            .cmp(&rank(status(b)))
            .then_with(|| weight(b).total_cmp(&weight(a)))
    });
    all.truncate(MOST_ROWS);
    let mut ids = RowIds {
        order: Vec::with_capacity(all.len()),
        by_metric: HashMap::with_capacity(all.len()),
    };
    let mut seen = HashSet::new();
    for (index, shown) in all.iter().enumerate() {
        let metric = match shown {
            Shown::Check(check) => &check.id,
            Shown::Error(error) => &error.id,
        };
        // As the page will hold it, or links would miss and two ids could become one.
        let plain = crate::text::one_line(&cut(metric.as_str(), LONGEST_ID));
        let mut id = plain.clone();
        let mut number = 2;
        while !seen.insert(id.clone()) {
            id = format!("{plain}~{number}");
            number += 1;
        }
        ids.by_metric
            .entry(metric.as_str().to_owned())
            .or_insert(index);
        ids.order.push(id);
    }
    (all, ids, total)
}

fn row(shown: Shown<'_>, id: String) -> Row {
    let short = |text: &str| cut(text, LONGEST_TEXT);
    match shown {
        Shown::Check(check) => {
            let spread = if check.check == Check::Stddev {
                " spread"
            } else {
                ""
            };
            let serial = if check.serial == "0000" {
                String::new()
            } else {
                format!(" ({})", short(&check.serial))
            };
            Row {
                id,
                letter: check.status.letter(),
                label: words::label(check.status),
                before: format!("{} / {}{serial}", short(&check.profile), short(&check.test)),
                iteration: short(&check.iteration),
                after: format!("{} / {}{spread}", short(&check.kind), short(&check.metric)),
                src: value(check.src),
                dst: value(check.dst),
                change: Words::RICH.change(check).unwrap_or_default(),
                turn: turn_class(check),
                band: Words::RICH.band(check).unwrap_or_default(),
                within: check.status == Status::Within,
            }
        }
        Shown::Error(error) => Row {
            id,
            letter: Status::Error.letter(),
            label: words::label(Status::Error),
            before: short(&error.place),
            iteration: "recorded failure".to_owned(),
            after: short(&error.message),
            src: value(None),
            dst: value(None),
            change: String::new(),
            turn: "",
            band: String::new(),
            within: false,
        },
    }
}

fn value(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| Words::RICH.number(value))
}

/// Returns the class that colours a change: only what stands out is coloured.
fn turn_class(check: &CheckResult) -> &'static str {
    match check.status {
        Status::Regression => "r",
        Status::Improvement => "g",
        Status::Flaky => "f",
        Status::Suspect => "s",
        _ => "",
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

/// Returns an address only when following it is harmless.
fn web(url: Option<&str>) -> Option<String> {
    let url = url?.trim();
    let lower = url.get(..8).or(Some(url))?.to_ascii_lowercase();
    let good = (lower.starts_with("http://") || lower.starts_with("https://"))
        && url.len() < 2000
        && !url.chars().any(char::is_control);
    good.then(|| url.to_owned())
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

fn section(view: &View<'_>, status: Status, most: usize, newest: usize, ids: &Ids) -> Section {
    // Groups have a table of their own; only what fails is repeated here.
    let mut places = view.places(status);
    places.retain(|place| status == Status::Regression || view.is_place(place));
    let references = view.comparison.references.len();
    let mut section = Section {
        letter: status.letter(),
        label: words::label(status),
        with_history: references > 0,
        references: references.min(newest),
        ..Section::default()
    };
    let mut metrics = 0;
    for (index, place) in places.iter().enumerate() {
        if metrics >= most {
            section.more = places.len() - index;
            break;
        }
        let incident = incident(place, index + 1, references, newest, ids);
        metrics += incident.metrics.len();
        section.incidents.push(incident);
    }
    section
}

fn incident(
    place: &Place<'_>,
    rank: usize,
    references: usize,
    newest: usize,
    ids: &Ids,
) -> IncidentView {
    let rich = Words::RICH;
    let shown = place.checks.len().min(MOST_OF_PLACE);
    let checks = &place.checks[..shown];
    let metrics = checks
        .iter()
        .map(|check| metric(check, newest, ids))
        .collect();
    let first = checks.first();
    let why = first.map_or(String::new(), |check| {
        match (rich.change(check), rich.band(check)) {
            (Some(change), Some(band)) => {
                let unit = if check.check == Check::Stddev {
                    "points"
                } else {
                    "%"
                };
                let side = if check.status == Status::Suspect {
                    "against"
                } else {
                    "is outside"
                };
                format!("{change} {side} {band} {unit}")
            }
            _ => "how it was judged".to_owned(),
        }
    });
    let parts = checks
        .iter()
        .map(|check| {
            let unit = if check.check == Check::Stddev {
                "\u{202f}points"
            } else {
                "\u{202f}%"
            };
            check
                .checks
                .iter()
                .take(8)
                .map(|part| PartView {
                    metric: cut(&check.metric, LONGEST_TEXT),
                    what: cut(&words::part(part), LONGEST_TEXT),
                    reference: value(part.reference),
                    difference: format!("{}{unit}", rich.signed(part.diff_pct)),
                    weight: format!("{:.2}", part.weight),
                })
                .collect()
        })
        .filter(|parts: &Vec<PartView>| !parts.is_empty())
        .collect();
    let list = |values: &[f64]| {
        let more = if values.len() > 10 {
            format!(" and {} more", values.len() - 10)
        } else {
            String::new()
        };
        values
            .iter()
            .take(10)
            .map(|v| rich.number(*v))
            .collect::<Vec<_>>()
            .join(", ")
            + &more
    };
    let samples = first.map_or(String::new(), |check| {
        let of = |name: &str, values: &[f64]| {
            (!values.is_empty()).then(|| format!("{name} samples {}", list(values)))
        };
        [of("SRC", &check.samples.src), of("DST", &check.samples.dst)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" · ")
    });
    let size = [
        Some(words::plural(
            place.checks.len(),
            match place.checks.iter().all(|check| words::is_average(check)) {
                true => "group",
                false => "metric",
            },
        )),
        rich.bands(place.bands),
        (!place.primary()).then(|| "secondary only".to_owned()),
    ];
    IncidentView {
        rank,
        name: cut(&place.name(), LONGEST_TEXT),
        since: words::since(
            place.since.map(|since| cut(since, 80)).as_deref(),
            place.outside_builds,
            references,
        ),
        size: size.into_iter().flatten().collect::<Vec<_>>().join(", "),
        metrics,
        more: place.checks.len() - shown,
        why,
        parts,
        samples,
        basis: first
            .and_then(|check| check.basis.as_deref())
            .map(|basis| cut(basis, LONGEST_TEXT)),
        params: first.map_or(Vec::new(), |check| {
            check
                .params_changed
                .iter()
                .take(10)
                .map(|line| cut(line, LONGEST_TEXT))
                .collect()
        }),
    }
}

fn metric(check: &CheckResult, newest: usize, ids: &Ids) -> MetricView {
    let rich = Words::RICH;
    let spread = if check.check == Check::Stddev {
        " spread"
    } else {
        ""
    };
    let unit = if check.unit.is_empty() {
        None
    } else {
        Some(cut(&check.unit, 40))
    };
    let about = [
        check.primary.then(|| "primary".to_owned()),
        unit,
        Some(words::direction(check.better).to_owned()),
    ];
    let band_unit = if check.check == Check::Stddev {
        "points"
    } else {
        "%"
    };
    MetricView {
        href: ids.href(&check.id),
        name: match (words::is_average(check), &check.basis) {
            (true, Some(basis)) => cut(basis, LONGEST_TEXT),
            _ => format!("{}{spread}", cut(&check.metric, LONGEST_TEXT)),
        },
        about: match words::is_average(check) {
            true => "+ is better".to_owned(),
            false => about.into_iter().flatten().collect::<Vec<_>>().join(", "),
        },
        src: value(check.src),
        dst: value(check.dst),
        // A change from 0 has words of its own already; what else has none lacks a side.
        change: rich.change(check).unwrap_or_else(|| {
            match check.dst {
                None => "missing",
                Some(_) => "new",
            }
            .to_owned()
        }),
        turn: words::turn(check).word(),
        band: rich
            .band(check)
            .map_or(String::new(), |band| format!("{band}\u{202f}{band_unit}")),
        spark: spark(check, newest),
    }
}

fn failures(view: &View<'_>, ids: &Ids) -> (Vec<Failure>, usize) {
    let references = view.comparison.references.len();
    let mut all = Vec::new();
    let short = |text: &str| cut(text, LONGEST_TEXT);
    for error in &view.comparison.errors {
        let text = (error.text.trim() != error.message.trim()).then(|| cut(&error.text, 4000));
        all.push(Failure {
            letter: Status::Error.letter(),
            label: words::label(Status::Error),
            place: short(&error.place.replace('/', " / ")),
            iteration: String::new(),
            href: ids.href(&error.id),
            message: format!(
                "{}{}",
                short(&error.message),
                if error.same_in_src {
                    " (the same in SRC)"
                } else {
                    ""
                }
            ),
            text: text.filter(|text| !text.is_empty()),
            references: match references {
                0 => String::new(),
                n => format!(
                    "failed in {} of {}",
                    error.in_references,
                    words::plural(n, "reference")
                ),
            },
            log: Some(short(&error.log)).filter(|log| !log.is_empty()),
        });
    }
    let known: HashSet<&str> = view
        .comparison
        .errors
        .iter()
        .map(|error| error.id.as_str())
        .collect();
    for status in [Status::Error, Status::Missing, Status::New] {
        for place in view.places(status) {
            if place
                .checks
                .iter()
                .all(|check| known.contains(check.id.as_str()))
            {
                continue;
            }
            let present = place
                .checks
                .iter()
                .map(|check| View::present(check))
                .max()
                .unwrap_or(0);
            let details = place
                .checks
                .iter()
                .map(|check| check.details.as_str())
                .find(|details| !details.is_empty());
            let what = match (status, details) {
                (_, Some(details)) => short(details),
                (Status::New, None) => "in DST, not in SRC: nothing to compare with".to_owned(),
                (Status::Missing, None) => "in SRC, no result in DST".to_owned(),
                (_, None) => "failed".to_owned(),
            };
            all.push(Failure {
                letter: status.letter(),
                label: words::label(status),
                place: format!("{} / {}", short(place.profile), short(place.test)),
                iteration: short(place.iteration),
                href: place.checks.first().and_then(|check| ids.href(&check.id)),
                message: format!("{what} ({})", words::plural(place.checks.len(), "metric")),
                text: None,
                references: match references {
                    0 => String::new(),
                    n => words::present(present, n),
                },
                log: None,
            });
        }
    }
    let more = all.len().saturating_sub(MOST_ERRORS);
    all.truncate(MOST_ERRORS);
    (all, more)
}

fn groups(comparison: &Comparison) -> Option<Groups> {
    let grid = Grid::new(comparison, Group::TestKind);
    if grid.rows.is_empty() && comparison.groups.is_empty() {
        return None;
    }
    let short = |text: &str| cut(text, 80);
    let rows = grid
        .rows
        .iter()
        .zip(&grid.cells)
        .map(|(profile, cells)| GroupRow {
            name: short(profile),
            cells: cells
                .iter()
                .zip(&grid.columns)
                .map(|(cell, (test, kind))| group_cell(cell, profile, test, kind))
                .collect(),
        });
    let outside = |check: &&CheckResult| check.status != Status::Within;
    let rich = Words::RICH;
    Some(Groups {
        columns: grid
            .columns
            .iter()
            .map(|(test, kind)| format!("{} {}", short(test), short(kind)))
            .collect(),
        rows: rows.collect(),
        checks: comparison
            .groups
            .iter()
            .filter(outside)
            .take(200)
            .map(|check| GroupCheck {
                letter: check.status.letter(),
                label: words::label(check.status),
                name: cut(check.id.as_str(), LONGEST_TEXT),
                change: check
                    .score
                    .or(check.change_pct)
                    .map_or("–".to_owned(), |score| rich.percent(score)),
                limit: check
                    .tolerance
                    .map_or(String::new(), |limit| format!("±{limit:.1}\u{202f}%")),
                labels: cut(&check.labels.join(", "), LONGEST_TEXT),
            })
            .collect(),
        within: comparison
            .groups
            .iter()
            .filter(|check| !outside(check))
            .count(),
    })
}

fn group_cell(cell: &Cell, profile: &str, test: &str, kind: &str) -> Option<CellView> {
    if cell.checks == 0 {
        return None;
    }
    let marks = [
        (Status::Regression, "regressed"),
        (Status::Error, "failed"),
        (Status::Missing, "missing"),
        (Status::Suspect, "suspect"),
        (Status::Flaky, "flaky"),
        (Status::Improvement, "improved"),
        (Status::New, "new"),
    ];
    let marks: Vec<(char, String)> = marks
        .iter()
        .filter(|(status, _)| cell.count(*status) > 0)
        .map(|(status, word)| (status.letter(), format!("{} {word}", cell.count(*status))))
        .collect();
    let class = match marks.first() {
        Some(('r', _)) => "hot",
        Some(('e' | 'm', _)) => "er",
        Some(('g', _)) => "cold",
        _ => "",
    };
    // As the data block has them, or the filter would find nothing.
    let part = |text: &str| encode(&cut(text, super::data::LONGEST_TEXT), true);
    Some(CellView {
        href: format!("#?p={}&t={}&w={}", part(profile), part(test), part(kind)),
        class,
        mean: cell
            .mean_pct
            .map_or("–".to_owned(), |mean| Words::RICH.percent(mean)),
        checks: cell.checks,
        marks,
    })
}

fn environment(comparison: &Comparison, small: bool) -> Vec<Change> {
    let mut budget = 2 * MOST_CHANGES;
    changes::kinds(comparison)
        .into_iter()
        .map(|(kind, entries)| {
            let most = MOST_CHANGES.min(budget);
            let mut change = Change {
                title: cut(&changes::title(kind), 80),
                count: entries.len(),
                open: matches!(
                    kind,
                    "kernel" | "cmdline" | "mitigations" | "packages" | "parameters" | "tool"
                ) && entries.len() <= 40,
                entries: Vec::new(),
                texts: Vec::new(),
                more: 0,
                with_since: entries.iter().any(|entry| entry.since.is_some()),
            };
            let mut used = 0;
            for (index, entry) in entries.iter().enumerate() {
                if used >= most {
                    change.more = entries.len() - index;
                    break;
                }
                let (name, place) = (
                    cut(&entry.name, LONGEST_TEXT),
                    cut(&entry.place, LONGEST_TEXT),
                );
                let many_lines =
                    |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains('\n'));
                if (many_lines(&entry.src) || many_lines(&entry.dst)) && !small {
                    let empty = String::new();
                    let (src, dst) = (
                        entry.src.as_ref().unwrap_or(&empty),
                        entry.dst.as_ref().unwrap_or(&empty),
                    );
                    let lines = diff::lines(src, dst, (most - used).min(200), LONGEST_TEXT);
                    used += lines.len() + 1;
                    change.texts.push(ChangeText { name, place, lines });
                } else {
                    used += 1;
                    let since = entry
                        .since
                        .as_deref()
                        .map_or(String::new(), |since| cut(since, 80));
                    change.entries.push(ChangeEntry {
                        name,
                        place,
                        step: facts::step(entry),
                        since,
                    });
                }
            }
            budget = budget.saturating_sub(used);
            change
        })
        .collect()
}

fn builds(comparison: &Comparison, drawn: &[Build]) -> Option<Builds> {
    if comparison.references.is_empty() {
        return None;
    }
    const BAR: usize = 32;
    /// Columns of a label's letter, at 11 px.
    const LETTER: usize = 7;
    /// Builds up to which every one has its label.
    const FEW: usize = 8;
    /// The line of text above the bars has to fit.
    const NARROWEST: usize = 320;
    const MIDDLE: f64 = 82.0;
    let count =
        |build: &Build, status: Status| build.counts.get(status.word()).copied().unwrap_or(0);
    let shown: Vec<&Build> = drawn.iter().chain([&comparison.dst]).collect();
    let most = shown
        .iter()
        .flat_map(|build| {
            [
                count(build, Status::Regression),
                count(build, Status::Improvement),
            ]
        })
        .max()
        .unwrap_or(0)
        .max(5);
    let scale = |number: usize| {
        let part = u32::try_from(number).map_or(0.0, f64::from)
            / u32::try_from(most).map_or(1.0, f64::from);
        part * 52.0
    };
    let label = |build: &Build| cut(&build.name, 14);
    let longest = shown
        .iter()
        .map(|build| label(build).chars().count())
        .max()
        .unwrap_or(0)
        * LETTER
        + 6;
    // Few builds stand as far apart as their labels need; of many only some have one.
    let (step, every) = match shown.len() {
        0..=FEW => (longest.max(BAR), 1),
        many => (BAR, many.div_ceil(12).max(longest.div_ceil(BAR))),
    };
    let bars = shown
        .iter()
        .enumerate()
        .map(|(index, build)| {
            let (worse, better) = (
                count(build, Status::Regression),
                count(build, Status::Improvement),
            );
            let x = 44 + index * step + (step - BAR) / 2;
            Bar {
                x,
                middle: x + 11,
                name: label(build),
                worse,
                better,
                up: format!("{:.1}", scale(worse)),
                top: format!("{:.1}", MIDDLE - scale(worse)),
                label_y: format!("{:.1}", MIDDLE - scale(worse) - 3.0),
                down: format!("{:.1}", scale(better)),
                env_changed: build.env_changed,
                named: index + 1 == shown.len()
                    || (index % every == 0 && index + every < shown.len()),
            }
        })
        .collect();
    let counted = |build: &Build| !build.counts.is_empty();
    let row = |build: &Build, role: &'static str| BuildRow {
        name: cut(&build.name, 80),
        role,
        link: web(build.url.as_deref()),
        date: build
            .date
            .as_deref()
            .map_or(String::new(), |date| cut(&words::date(date), 40)),
        distro: build
            .distro
            .as_deref()
            .map_or(String::new(), |distro| cut(distro, 80)),
        machines: cut(&build.machines.join(", "), 120),
        worse: if counted(build) {
            count(build, Status::Regression).to_string()
        } else {
            "–".to_owned()
        },
        better: if counted(build) {
            count(build, Status::Improvement).to_string()
        } else {
            "–".to_owned()
        },
        environment: if build.env_changed { "changed" } else { "same" },
    };
    // Newest first: what happened lately is asked for most.
    let mut rows = vec![row(&comparison.dst, "DST")];
    rows.extend(
        comparison
            .repetitions
            .iter()
            .map(|build| row(build, "repetition")),
    );
    rows.extend(
        comparison
            .references
            .iter()
            .rev()
            .take(200)
            .map(|build| row(build, "")),
    );
    rows.push(BuildRow {
        environment: "",
        ..row(&comparison.src, "SRC")
    });
    Some(Builds {
        width: (60 + shown.len() * step).max(NARROWEST),
        bars,
        rows,
        counted: shown.iter().any(|build| counted(build)) && comparison.verdict != Verdict::Error,
    })
}

/// Returns a command line that a shell would read the same way.
fn command(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        let plain = !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c));
        if plain {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        assert_eq!(web(Some(" https://a/b ")).as_deref(), Some("https://a/b"));
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "https:\u{0}//x",
            "//x",
            "ř",
            "",
        ] {
            assert_eq!(web(Some(bad)), None, "{bad}");
        }
    }

    #[test]
    fn only_signs_of_numbers_are_changed() {
        assert_eq!(
            typographic(" clat-x -6.8 %, 1.4 x the band, since build rhel-10-5"),
            " clat-x \u{2212}6.8 %, 1.4× the band, since build rhel-10-5"
        );
    }

    #[test]
    fn fragments_survive_a_browser() {
        assert_eq!(encode("A/b:./x 1%\"ř", false), "A/b:./x%201%25%22%C5%99");
        assert_eq!(encode("a&b=c/d", true), "a%26b%3Dc%2Fd");
    }
}
