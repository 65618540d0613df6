//! Incidents: the metrics of one place that moved together, with why and their history.

use serde::Serialize;

use super::rows::Ids;
use super::spark::{Spark, spark};
use super::text::{LONGEST_TEXT, cut};
use crate::compare::{CheckResult, Status};
use crate::metric::Check;
use crate::render::view::{Place, View};
use crate::render::words::{self, Words};

/// Metrics shown of one place.
pub(super) const MOST_OF_PLACE: usize = 12;

/// Incidents of one status.
#[derive(Debug, Default, Serialize)]
pub(super) struct Section {
    letter: char,
    label: &'static str,
    incidents: Vec<IncidentView>,
    more: usize,
    with_history: bool,
    references: usize,
}

impl Section {
    /// Returns how many metrics it shows.
    pub(super) fn metrics(&self) -> usize {
        let incidents = self.incidents.iter();
        incidents.map(|incident| incident.metrics.len()).sum()
    }

    /// Splits off what comes after the first `shown` incidents.
    pub(super) fn split_off(&mut self, shown: usize) -> Self {
        Self {
            incidents: self.incidents.split_off(self.incidents.len().min(shown)),
            more: std::mem::take(&mut self.more),
            ..*self
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct IncidentView {
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
    clients: Vec<ClientsView>,
}

/// What single clients did, in a sentence.
#[derive(Debug, Serialize)]
struct ClientsView {
    metric: String,
    said: String,
}

#[derive(Debug, Serialize)]
pub(super) struct MetricView {
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
pub(super) struct PartView {
    metric: String,
    what: String,
    reference: String,
    difference: String,
    weight: String,
}

pub(super) fn section(
    view: &View<'_>,
    status: Status,
    most: usize,
    newest: usize,
    ids: &Ids,
) -> Section {
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

pub(super) fn incident(
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
        clients: checks
            .iter()
            .filter_map(|check| {
                Some(ClientsView {
                    metric: cut(&check.metric, LONGEST_TEXT),
                    said: cut(&rich.clients(check)?, LONGEST_TEXT),
                })
            })
            .collect(),
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

pub(super) fn metric(check: &CheckResult, newest: usize, ids: &Ids) -> MetricView {
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

pub(super) fn value(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| Words::RICH.number(value))
}

/// Returns the class that colours a change: only what stands out is coloured.
pub(super) fn turn_class(check: &CheckResult) -> &'static str {
    match check.status {
        Status::Regression => "r",
        Status::Improvement => "g",
        Status::Flaky => "f",
        Status::Suspect => "s",
        _ => "",
    }
}
