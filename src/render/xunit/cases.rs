//! Suites and cases: which check becomes what, and under which name.

use std::collections::{BTreeMap, HashSet};

use super::Xunit;
use super::story::{failure, message};
use super::write::{cut, xml_text};
use crate::compare::{CheckResult, Status};
use crate::metric::{Check, MetricId};
use crate::render::view::{Place, View, name};

/// A name must stay whole with its number behind it.
const LONGEST_NAME: usize = 1000;

/// Suites in their order: profiles as they come, groups last.
pub(super) type Suites = BTreeMap<(usize, String), Suite>;

#[derive(Debug, Default)]
pub(super) struct Suite {
    pub(super) cases: Vec<Case>,
}

impl Suite {
    pub(super) fn count(&self, element: &str) -> usize {
        self.cases
            .iter()
            .filter(|case| case.outcome.as_ref().is_some_and(|o| o.element == element))
            .count()
    }
}

#[derive(Debug)]
pub(super) struct Case {
    pub(super) classname: String,
    pub(super) name: String,
    pub(super) outcome: Option<Outcome>,
    pub(super) note: Option<String>,
}

/// `failure`, `error` or `skipped`.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) element: &'static str,
    pub(super) kind: Option<String>,
    pub(super) message: String,
    pub(super) text: String,
}

impl Xunit {
    pub(super) fn suites(&self, view: &View<'_>) -> Suites {
        let comparison = view.comparison;
        let failing = view.places(Status::Regression);
        let mut suites = Suites::new();
        let mut order: Vec<String> = Vec::new();
        let mut place_of = |profile: &str| {
            let at = order
                .iter()
                .position(|known| known == profile)
                .unwrap_or_else(|| {
                    order.push(profile.to_owned());
                    order.len() - 1
                });
            (at, profile.to_owned())
        };
        for check in comparison
            .metrics
            .iter()
            .filter(|check| check.primary || self.all)
        {
            let case = self.case(
                view,
                check,
                &failing,
                classname(&check.id),
                case_name(check),
            );
            suites
                .entry(place_of(&check.profile))
                .or_default()
                .cases
                .push(case);
        }
        for error in view.errors() {
            let profile = if error.id.profile() == "*" {
                "run"
            } else {
                error.id.profile()
            };
            suites
                .entry(place_of(profile))
                .or_default()
                .cases
                .push(failure(error, comparison.references.len()));
        }
        // Readers tell suites apart by name alone.
        let mut groups = "groups".to_owned();
        while suites.keys().any(|(_, name)| *name == groups) {
            groups.push('_');
        }
        for check in &comparison.groups {
            let group = format!(
                "{} {} {}",
                name(&check.profile, &check.test, &check.iteration),
                check.kind,
                check.metric
            );
            let spread = if check.check == Check::Stddev {
                " stddev"
            } else {
                ""
            };
            let group = group.replace(" *", "");
            let case = self.case(
                view,
                check,
                &failing,
                "groups".to_owned(),
                format!("{group}{spread}"),
            );
            suites
                .entry((usize::MAX, groups.clone()))
                .or_default()
                .cases
                .push(case);
        }
        for suite in suites.values_mut() {
            make_unique(&mut suite.cases);
        }
        suites
    }

    fn case(
        &self,
        view: &View<'_>,
        check: &CheckResult,
        failing: &[Place<'_>],
        classname: String,
        name: String,
    ) -> Case {
        let message = message(view, check);
        let details = || self.details(view, check, failing);
        let failure = |kind: &str| Outcome {
            element: "failure",
            kind: Some(kind.to_owned()),
            message: message.clone(),
            text: details(),
        };
        let (outcome, note) = match check.status {
            Status::Regression => (Some(failure("regression")), None),
            Status::Improvement if self.fail_on_gain => (Some(failure("improvement")), None),
            Status::Error => (
                Some(Outcome {
                    element: "error",
                    kind: Some("error".to_owned()),
                    message: message.clone(),
                    text: details(),
                }),
                None,
            ),
            Status::Missing if self.allow_missing => {
                let reason = format!("{message} (allowed by --allow-missing)");
                (
                    Some(Outcome {
                        element: "skipped",
                        kind: None,
                        text: reason.clone(),
                        message: reason,
                    }),
                    None,
                )
            }
            Status::Missing => (
                Some(Outcome {
                    element: "error",
                    kind: Some("missing".to_owned()),
                    message: message.clone(),
                    text: details(),
                }),
                None,
            ),
            Status::Flaky | Status::Suspect | Status::Improvement | Status::New => {
                (None, Some(format!("{}: {message}", check.status.word())))
            }
            Status::Within => (None, None),
        };
        Case {
            classname,
            name,
            outcome,
            note,
        }
    }
}

pub(super) fn classname(id: &MetricId) -> String {
    let parts: Vec<String> = [id.profile(), id.test()]
        .into_iter()
        .filter(|part| *part != "*")
        .map(|part| part.replace('.', "_"))
        .collect();
    if parts.is_empty() {
        "run".to_owned()
    } else {
        parts.join(".")
    }
}

pub(super) fn case_name(check: &CheckResult) -> String {
    let spread = if check.check == Check::Stddev {
        " stddev"
    } else {
        ""
    };
    let serial = match check.serial.parse::<u32>() {
        Ok(0) => String::new(),
        Ok(serial) => format!(" #{}", u64::from(serial) + 1),
        Err(_) if check.serial == "*" => String::new(),
        Err(_) => format!(" #{}", check.serial),
    };
    format!(
        "{} {} {}{spread}{serial}",
        check.iteration, check.kind, check.metric
    )
}

/// Of two cases with one name GitLab counts only the first.
pub(super) fn make_unique(cases: &mut [Case]) {
    let mut seen = HashSet::new();
    for case in cases {
        // The reader sees what the XML holds, so that is what must differ.
        case.classname = xml_text(&cut(&case.classname, LONGEST_NAME));
        case.name = xml_text(&cut(&case.name, LONGEST_NAME));
        let name = case.name.clone();
        let mut number = 2;
        while !seen.insert((case.classname.clone(), case.name.clone())) {
            case.name = format!("{name} #{number}");
            number += 1;
        }
    }
}
