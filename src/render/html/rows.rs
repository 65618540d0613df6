//! The full table: what it shows, in which order, and the address of each row.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::MOST_ROWS;
use super::incidents::{turn_class, value};
use super::text::{LONGEST_TEXT, cut, encode};
use crate::compare::{CheckResult, ErrorInfo, Status};
use crate::metric::{Check, MetricId};
use crate::render::view::View;
use crate::render::words::{self, Words};

/// Characters of an id; longer ones are cut and numbered.
pub(super) const LONGEST_ID: usize = 500;

/// What a row of the full table shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    /// A metric.
    Check(&'a CheckResult),
    /// A recorded failure.
    Error(&'a ErrorInfo),
}

#[derive(Debug, Serialize)]
pub(super) struct Row {
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

/// Ids of rows, by metric and in the order of the rows; unique, and cut where absurd.
pub(super) struct Ids {
    pub(super) order: Vec<String>,
    by_metric: HashMap<String, usize>,
}

impl Ids {
    /// Returns the address of a metric within the page; nothing when its row is left out.
    pub(super) fn href(&self, id: &MetricId) -> Option<String> {
        let row = self.order.get(*self.by_metric.get(id.as_str())?)?;
        Some(format!("#{}", encode(row, false)))
    }
}

/// Returns what the full table shows, in order, with the ids of the rows, and how much there is.
pub(super) fn rows<'a>(view: &View<'a>) -> (Vec<Shown<'a>>, Ids, usize) {
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
    let mut ids = Ids {
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

pub(super) fn row(shown: Shown<'_>, id: String) -> Row {
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
