//! Result directories.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Checked, Finding};
use crate::control::journal::{self, Journal};
use crate::store::read::{Include, read_result};

/// Recorded failures that are named one by one.
const NAMED: usize = 20;

pub(super) fn look(path: &Path, checked: &mut Checked) {
    let include = Include {
        incorrect: false,
        samples: true,
        ..Include::default()
    };
    let data = match read_result("", path, include) {
        Ok(data) => data,
        Err(error) => {
            let finding = Finding::new("", error.to_string());
            return checked.fault(match error.hint() {
                Some(step) => finding.next(step),
                None => finding,
            });
        }
    };
    for failure in &data.failures {
        let place = failure.place.display().to_string();
        if failure.class == "unreadable" {
            checked.fault(
                Finding::new(place, failure.message.as_str())
                    .next("run the test again, or remove its folder"),
            );
        }
    }
    for warning in &data.warnings {
        checked.note(Finding::new("", warning.as_str()));
    }
    let recorded: Vec<_> = data
        .failures
        .iter()
        .filter(|failure| failure.class != "unreadable")
        .collect();
    for failure in recorded.iter().take(NAMED) {
        checked.note(Finding::new(
            failure.place.display().to_string(),
            format!("recorded failure ({}): {}", failure.class, failure.message),
        ));
    }
    if recorded.len() > NAMED {
        let more = recorded.len() - NAMED;
        checked.note(Finding::new(
            "",
            format!("and {more} more recorded failures"),
        ));
    }
    if !path.join("RUNPERF_METADATA").is_file() {
        checked.fault(
            Finding::new(
                "RUNPERF_METADATA",
                "expected what is known about the run, found none",
            )
            .next(
                "nothing tells build and date: name the result by hand (NAME:PATH) when comparing",
            ),
        );
    } else if data.metadata.get("started").is_some() && data.metadata.get("finished").is_none() {
        checked.note(
            Finding::new("", "the run did not reach its end")
                .next(format!("run-perf --resume {}", path.display())),
        );
    }
    if data.measurements.is_empty() {
        checked.fault(Finding::new("", "expected figures, found none"));
    }
    left_behind(path, checked);
    about(&data, checked);
}

/// Changes of machines that are still in force.
fn left_behind(path: &Path, checked: &mut Checked) {
    if !path.join(journal::FILE_NAME).is_file() {
        return;
    }
    match Journal::peek(path) {
        Ok(journal) => {
            let left = journal.left().len();
            if left > 0 {
                checked.note(
                    Finding::new(
                        journal::FILE_NAME,
                        format!("{left} changes of machines are not taken back"),
                    )
                    .next(format!("run-perf --recover {}", path.display())),
                );
            }
            if journal.unreadable() > 0 {
                let lines = journal.unreadable();
                checked.fault(Finding::new(
                    journal::FILE_NAME,
                    format!("expected whole lines, found {lines} damaged ones"),
                ));
            }
        }
        Err(error) => checked.fault(Finding::new(journal::FILE_NAME, error.to_string())),
    }
}

fn about(data: &crate::store::read::ResultData, checked: &mut Checked) {
    for key in [
        "build", "started", "finished", "distro", "machine", "run_id",
    ] {
        if let Some(value) = data.metadata.get(key) {
            checked.say(key, value);
        }
    }
    let mut tests: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for measurement in &data.measurements {
        let id = &measurement.id;
        let name = format!("{}/{}/{}", id.profile(), id.test(), id.serial());
        let (all, primary) = tests.entry(name).or_default();
        *all += 1;
        *primary += usize::from(measurement.primary);
    }
    checked.say("figures", data.measurements.len());
    let tests: Map<String, Value> = tests
        .into_iter()
        .map(|(name, (all, primary))| (name, format!("{all} figures, {primary} primary").into()))
        .collect();
    checked.say("tests", tests);
    checked.say("failures", data.failures.len());
}
