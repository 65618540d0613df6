//! Places to look at: one block a regression, one line for whatever fails nothing or has no numbers.

use anstyle::Style;

use super::layout::{columns, style};
use super::{Detail, Page};
use crate::compare::{CheckResult, Status};
use crate::render::view::{Place, View};
use crate::render::words;

/// Places shown before "and N more".
const MOST_PLACES: usize = 20;
/// Suspects and flaky ones before "and N more": they fail nothing, so one line each.
const MOST_DOUBTFUL: usize = 6;
/// Metrics shown of one place, unless all are asked for.
const MOST_METRICS: usize = 5;
/// Newest references drawn.
const MOST_DRAWN: usize = 15;

impl Page<'_> {
    pub(super) fn attention(&mut self) {
        self.places(Status::Regression, MOST_PLACES);
        self.short_places(&[Status::Suspect, Status::Flaky]);
    }

    pub(super) fn good_news(&mut self) {
        if self.options.detail >= Detail::Differences {
            self.places(Status::Improvement, MOST_PLACES);
            self.short_places(&[Status::New]);
        }
    }

    /// One block a place: where, since when, and its metrics.
    pub(super) fn places(&mut self, status: Status, most: usize) {
        let places = self.view.places(status);
        let all = self.options.detail >= Detail::Differences;
        let shown = if all {
            places.len()
        } else {
            places.len().min(most)
        };
        let tails: Vec<String> = places
            .iter()
            .take(shown)
            .map(|place| self.tail(place))
            .collect();
        let names: Vec<String> = places
            .iter()
            .take(shown)
            .map(|place| self.clean(&place.name()))
            .collect();
        let room = self
            .options
            .width
            .saturating_sub(4 + tails.iter().map(|tail| columns(tail)).max().unwrap_or(0))
            .max(24);
        let column = names
            .iter()
            .map(|name| columns(name))
            .max()
            .unwrap_or(0)
            .min(room);
        for ((place, tail), name) in places.iter().zip(&tails).zip(&names) {
            let name = self.fit(name, column);
            let padded = format!(
                "{name}{}",
                " ".repeat(column.saturating_sub(columns(&name)))
            );
            let line = format!(
                "{} {}  {tail}",
                self.mark(status),
                self.paint(Style::new().bold(), &padded)
            );
            self.line(&line);
            self.metrics(place, all);
        }
        self.and_more(places.len() - shown, "place");
        if shown > 0 {
            self.gap();
        }
    }

    pub(super) fn tail(&self, place: &Place<'_>) -> String {
        let references = self.comparison().references.len();
        let since = words::since(
            place.since.map(|s| self.clean(s)).as_deref(),
            place.outside_builds,
            references,
        );
        let since = since.map(|since| since.split(" (").next().unwrap_or_default().to_owned());
        let host_shift = place
            .checks
            .iter()
            .any(|check| check.labels.iter().any(|label| label == "host-shift"));
        let what = host_shift.then(|| "the whole host".to_owned());
        let secondary = (!place.primary()).then(|| "secondary only".to_owned());
        [what, since, self.words.bands(place.bands), secondary]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The metrics of a place in columns as narrow as they can be.
    pub(super) fn metrics(&mut self, place: &Place<'_>, all: bool) {
        let shown = if all || place.checks.len() <= MOST_METRICS + 1 {
            place.checks.len()
        } else {
            MOST_METRICS
        };
        let rows: Vec<Row> = place
            .checks
            .iter()
            .take(shown)
            .map(|check| self.row(check))
            .collect();
        let width = |column: fn(&Row) -> &str| {
            rows.iter()
                .map(|row| columns(column(row)))
                .max()
                .unwrap_or(0)
        };
        let (src, dst, unit) = (
            width(|r| &r.src).max(9),
            width(|r| &r.dst).max(9),
            width(|r| &r.unit),
        );
        let change = width(|r| &r.change);
        let fixed = 4 + 2 + src + 3 + dst + 1 + unit + 2 + change;
        let name = width(|r| &r.name).clamp(8, self.options.width.saturating_sub(fixed).max(12));
        let mut used = fixed + name;
        let band = width(|r| &r.band);
        let with_band =
            self.options.width >= 120 && band > 0 && used + 2 + band <= self.options.width;
        used += if with_band { 2 + band } else { 0 };
        let with_spark =
            self.options.width >= 100 && used + 2 + width(|r| &r.spark) <= self.options.width;
        let averages = place.checks.iter().all(|check| words::is_average(check));
        for row in &rows {
            let mut line = match averages {
                // Two columns of dashes would say nothing.
                true => format!(
                    "    {}  {}",
                    row.name,
                    self.paint(style(row.status), &self.pad(&row.change, change))
                ),
                false => format!(
                    "    {}  {}{} {} {}{} {}  {}",
                    self.pad(&row.name, name),
                    " ".repeat(src - columns(&row.src)),
                    row.src,
                    self.words.arrow(),
                    " ".repeat(dst - columns(&row.dst)),
                    row.dst,
                    self.pad(&row.unit, unit),
                    self.paint(style(row.status), &self.pad(&row.change, change)),
                ),
            };
            if with_band {
                line.push_str("  ");
                line.push_str(&self.pad(&row.band, band));
            }
            if with_spark {
                line.push_str("  ");
                line.push_str(&row.spark);
            }
            self.line(&line);
            self.clients(row, all);
        }
        self.and_more(place.checks.len() - shown, "metric");
    }

    /// One line for a client that stands apart; for all of them when everything is asked for.
    fn clients(&mut self, row: &Row, all: bool) {
        const INDENT: &str = "      ";
        let (true, Some(said)) = (all || row.client_apart, &row.clients) else {
            return;
        };
        for line in self.wrapped(said, self.options.width.saturating_sub(INDENT.len())) {
            self.line(&format!("{INDENT}{line}"));
        }
    }

    fn row(&self, check: &CheckResult) -> Row {
        let value = |value: Option<f64>| value.map_or("-".to_owned(), |v| self.words.number(v));
        let spread = if check.check == crate::metric::Check::Stddev {
            " spread"
        } else {
            ""
        };
        let primary = if check.primary { " *" } else { "" };
        let mut drawn: Vec<Option<f64>> =
            check.history.iter().copied().chain([check.dst]).collect();
        drawn.drain(..drawn.len().saturating_sub(MOST_DRAWN));
        let spark = if check.history.is_empty() {
            String::new()
        } else {
            self.words.spark(&drawn)
        };
        Row {
            status: check.status,
            name: match (words::is_average(check), &check.basis) {
                (true, Some(basis)) => self.clean(basis),
                _ => format!("{}{spread}{primary}", self.clean(&check.metric)),
            },
            src: value(check.src),
            dst: value(check.dst),
            unit: match words::is_average(check) {
                true => String::new(),
                false => self.clean(&check.unit),
            },
            change: self.words.change_in_words(check).unwrap_or_default(),
            band: self.words.band(check).map_or(String::new(), |band| {
                format!("normal {band}{}", if spread.is_empty() { " %" } else { "" })
            }),
            spark,
            clients: self.words.clients(check).map(|said| self.clean(&said)),
            client_apart: check.clients.iter().any(|one| one.apart),
        }
    }

    /// One line a place.
    pub(super) fn short_places(&mut self, statuses: &[Status]) {
        let mut lines = Vec::new();
        let mut hidden = 0;
        for status in statuses {
            let places = self.view.places(*status);
            let shown = if self.options.detail >= Detail::Differences {
                places.len()
            } else {
                places.len().min(MOST_DOUBTFUL)
            };
            hidden += places.len() - shown;
            for place in places.iter().take(shown) {
                let Some(check) = place.checks.first() else {
                    continue;
                };
                let metric = self.clean(&check.metric);
                let what = match (status, self.words.change_in_words(check)) {
                    (Status::New, _) => "new, nothing to compare with".to_owned(),
                    (_, None) => format!(
                        "{}: {} missing, as on earlier nights",
                        status.word(),
                        words::plural(place.checks.len(), "metric")
                    ),
                    (_, Some(change)) => format!("{}: {metric} {change}", status.word()),
                };
                let moved = check.src.is_some() && check.dst.is_some();
                let more = match place.checks.len() {
                    0 | 1 => String::new(),
                    _ if *status == Status::Flaky && !moved => String::new(),
                    n => format!(" and {} more", n - 1),
                };
                lines.push((*status, place.name(), what + &more));
            }
        }
        self.named(&lines);
        self.and_more(hidden, "place");
        if !lines.is_empty() {
            self.gap();
        }
    }

    pub(super) fn errors_and_missing(&mut self) {
        let references = self.comparison().references.len();
        let mut lines: Vec<(Status, String, String)> = Vec::new();
        for error in self.view.errors() {
            let same = if error.same_in_src {
                " (the same in SRC)"
            } else {
                ""
            };
            lines.push((
                Status::Error,
                error.place.replace('/', " / "),
                format!("{}{same}", error.message),
            ));
        }
        for place in self.view.places(Status::Error) {
            lines.push((
                Status::Error,
                place.name(),
                words::plural(place.checks.len(), "metric"),
            ));
        }
        for place in self.view.places(Status::Missing) {
            let present = place
                .checks
                .iter()
                .map(|check| View::present(check))
                .max()
                .unwrap_or(0);
            let what = match place.checks.len() {
                1 => "missing".to_owned(),
                n => format!("{n} metrics missing"),
            };
            let text = match references {
                0 => what,
                _ => format!("{what}, {}", words::present(present, references)),
            };
            lines.push((Status::Missing, place.name(), text));
        }
        let shown = if self.options.detail >= Detail::Differences {
            lines.len()
        } else {
            lines.len().min(MOST_PLACES)
        };
        self.named(&lines[..shown]);
        self.and_more(lines.len() - shown, "place");
        if !self.comparison().works_again.is_empty() {
            let places: Vec<String> = self
                .comparison()
                .works_again
                .iter()
                .take(5)
                .map(|place| self.clean(place))
                .collect();
            let more = self.comparison().works_again.len() - places.len();
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            self.line(&format!("Works again: {}{more}", places.join(", ")));
        }
        if shown > 0 || !self.comparison().works_again.is_empty() {
            self.gap();
        }
    }
}

/// One metric in columns.
struct Row {
    status: Status,
    name: String,
    src: String,
    dst: String,
    unit: String,
    change: String,
    band: String,
    spark: String,
    clients: Option<String>,
    client_apart: bool,
}
