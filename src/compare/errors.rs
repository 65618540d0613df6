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
    dst.failures
        .iter()
        .map(|failure| ErrorInfo {
            id: failure.id.clone(),
            place: place(&failure.id),
            build: build.to_owned(),
            class: failure.class.clone(),
            message: first_line(&failure.message),
            text: failure.message.chars().take(LONGEST_TEXT).collect(),
            same_in_src: before.contains(&failure.id),
            in_references: in_references.get(&failure.id).copied().unwrap_or(0),
            log: failure.place.display().to_string(),
        })
        .collect()
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
