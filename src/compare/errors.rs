//! Recorded failures: those of DST, and those of SRC that are gone.

use std::collections::{BTreeMap, BTreeSet};

use super::types::ErrorInfo;
use crate::metric::MetricId;
use crate::store::read::{Failure, ResultData};

/// Longest text kept of one failure, in characters; the rest is in the result.
const LONGEST_TEXT: usize = 4000;

/// Returns the failures of DST, in reading order.
pub(crate) fn of_target(
    src: &ResultData,
    references: &[ResultData],
    dst: &ResultData,
    build: &str,
) -> Vec<ErrorInfo> {
    let before = places(src);
    let mut in_references: BTreeMap<&MetricId, usize> = BTreeMap::new();
    for reference in references {
        for id in places(reference) {
            *in_references.entry(id).or_default() += 1;
        }
    }
    once_a_test(&dst.failures)
        .into_iter()
        .map(|(failure, attempts)| ErrorInfo {
            id: failure.id.clone(),
            place: place(&failure.id),
            build: build.to_owned(),
            class: failure.class.clone(),
            message: match attempts {
                1 => first_line(&failure.message),
                _ => format!("{} ({attempts} attempts)", first_line(&failure.message)),
            },
            text: failure.message.chars().take(LONGEST_TEXT).collect(),
            same_in_src: before.contains(&failure.id),
            in_references: in_references.get(&failure.id).copied().unwrap_or(0),
            log: failure.place.display().to_string(),
        })
        .collect()
}

/// Returns each failure with the number of attempts of its test that failed in the same way; the first
/// of them stands for all.
fn once_a_test(failures: &[Failure]) -> Vec<(&Failure, usize)> {
    let mut once: Vec<(&Failure, usize)> = Vec::new();
    for failure in failures {
        let attempt = failure.id.test() != "*" && failure.class != "unreadable";
        let same = once.iter_mut().find(|(known, _)| {
            attempt
                && place(&known.id) == place(&failure.id)
                && (&known.class, &known.message) == (&failure.class, &failure.message)
        });
        match same {
            Some((_, attempts)) => *attempts += 1,
            None => once.push((failure, 1)),
        }
    }
    once
}

/// Returns one line for each test of DST that passed only at a later attempt.
pub(crate) fn retried(dst: &ResultData) -> Vec<String> {
    let mut lines = Vec::new();
    for (failure, attempts) in once_a_test(&dst.retried) {
        let times = if attempts == 1 {
            "once".to_owned()
        } else {
            format!("{attempts} times")
        };
        lines.push(format!(
            "{} failed {times} in DST and passed at its retry ({}: {}; {})",
            place(&failure.id),
            failure.class,
            first_line(&failure.message),
            failure.place.display()
        ));
    }
    lines
}

/// Returns the places at which SRC failed and DST did not, sorted.
pub(crate) fn works_again(src: &ResultData, dst: &ResultData) -> Vec<String> {
    let still: BTreeSet<String> = places(dst).into_iter().map(place).collect();
    let gone: BTreeSet<String> = places(src)
        .into_iter()
        .map(place)
        .filter(|place| !still.contains(place))
        .collect();
    gone.into_iter().collect()
}

fn places(result: &ResultData) -> BTreeSet<&MetricId> {
    result
        .failures
        .iter()
        .map(|Failure { id, .. }| id)
        .collect()
}

/// Returns where a failure is: `run`, the profile, or profile and test.
fn place(id: &MetricId) -> String {
    match (id.profile(), id.test()) {
        ("*", _) => "run".to_owned(),
        (profile, "*") => profile.to_owned(),
        (profile, test) => format!("{profile}/{test}"),
    }
}

fn first_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("no message was recorded")
        .to_owned()
}
