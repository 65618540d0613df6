//! Errors and what is missing or new: what happened, where, and in how many references.

use std::collections::HashSet;

use serde::Serialize;

use super::rows::Ids;
use super::text::{LONGEST_TEXT, cut};
use crate::compare::Status;
use crate::render::view::View;
use crate::render::words;

/// Rows of errors and missing results.
pub(super) const MOST_ERRORS: usize = 100;

#[derive(Debug, Serialize)]
pub(super) struct Failure {
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

pub(super) fn failures(view: &View<'_>, ids: &Ids) -> (Vec<Failure>, usize) {
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
