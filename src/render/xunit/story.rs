//! What a failed case says: everything a mail has to hold, for it holds nothing else.

use super::Xunit;
use super::cases::{Case, Outcome, classname};
use super::write::cut;
use crate::compare::{CheckResult, ErrorInfo};
use crate::metric::Check;
use crate::render::changes;
use crate::render::view::{Place, View};
use crate::render::words::{self, Words};

impl Xunit {
    /// Everything a mail has to say: it holds nothing else.
    pub(super) fn details(
        &self,
        view: &View<'_>,
        check: &CheckResult,
        failing: &[Place<'_>],
    ) -> String {
        let comparison = view.comparison;
        let plain = Words::PLAIN;
        let mut lines = vec![format!("id:      {}", check.id)];
        if let Some(change) = plain.change(check) {
            // GitLab shows this text alone, so the figures stand here as well as in the message.
            let value = |v: Option<f64>| v.map_or("?".to_owned(), |v| plain.number(v));
            let figures = (!words::is_average(check) && check.src.is_some()).then(|| {
                let (src, dst) = (value(check.src), value(check.dst));
                format!("{src} -> {dst} {}", check.unit)
                    .trim_end()
                    .to_owned()
            });
            let said = plain.change_in_words(check).unwrap_or(change);
            let facts = [
                Some(format!("{said} ({})", words::direction(check.better))),
                figures,
                plain.bands(check.bands),
                words::since(
                    check.since.as_deref(),
                    check.outside_builds,
                    comparison.references.len(),
                ),
            ];
            lines.push(format!(
                "change:  {}",
                facts.into_iter().flatten().collect::<Vec<_>>().join(", ")
            ));
        } else {
            lines.push(format!("found:   {}", message(view, check)));
        }
        if !check.checks.is_empty() {
            let unit = if check.check == Check::Stddev {
                "points"
            } else {
                "%"
            };
            let parts: Vec<String> = check
                .checks
                .iter()
                .map(|part| {
                    format!(
                        "{} {} {unit} (weight {})",
                        words::part(part),
                        plain.signed(part.diff_pct),
                        part.weight
                    )
                })
                .collect();
            let limit = check
                .tolerance
                .map_or(String::new(), |limit| format!("; limit {limit} {unit}"));
            lines.push(format!("checks:  {}{limit}", parts.join(", ")));
        }
        if let Some(basis) = &check.basis {
            lines.push(format!("basis:   {basis}"));
        }
        if !check.samples.src.is_empty() || !check.samples.dst.is_empty() {
            lines.push(format!(
                "samples: SRC {}  DST {}",
                list(&check.samples.src),
                list(&check.samples.dst)
            ));
        }
        if let Some(clients) = plain.clients(check) {
            lines.push(format!("clients: {}", cut(&clients, 400)));
        }
        let also: Vec<String> = failing
            .iter()
            .filter(|place| place.checks.iter().any(|other| other.id == check.id))
            .flat_map(|place| &place.checks)
            .filter(|other| other.id != check.id)
            .take(8)
            .filter_map(|other| {
                Some(format!(
                    "{} {}",
                    other.metric,
                    plain.change_in_words(other)?
                ))
            })
            .collect();
        if !also.is_empty() {
            lines.push(format!("also:    {}", also.join(", ")));
        }
        if !check.params_changed.is_empty() {
            lines.push(format!("params:  {}", check.params_changed.join(", ")));
        }
        let changed: Vec<String> = changes::likely(comparison, 4)
            .iter()
            .map(|likely| {
                let since = likely
                    .change
                    .since
                    .as_deref()
                    .map_or(String::new(), |since| format!(" (build {since})"));
                cut(&likely.sentence(plain.arrow()), 200) + &since
            })
            .collect();
        if !changed.is_empty() {
            lines.push(format!("changed: {}", changed.join(", ")));
        }
        if let Some(report) = &self.report {
            lines.push(format!("report:  {report}#{}", check.id));
        }
        lines.join("\n")
    }
}

pub(super) fn failure(error: &ErrorInfo, references: usize) -> Case {
    let same = match (error.same_in_src, error.in_references, references) {
        (true, _, _) => ", the same in SRC".to_owned(),
        (false, n, references) if references > 0 => {
            format!(", so in {n} of {references} references")
        }
        _ => String::new(),
    };
    Case {
        classname: classname(&error.id),
        name: "recorded failure".to_owned(),
        outcome: Some(Outcome {
            element: "error",
            kind: Some(cut(&error.class, 80)),
            message: format!("{}{same}", cut(&error.message, 1000)),
            text: format!(
                "place: {}\nlog:   {}\n\n{}",
                error.place,
                error.log,
                cut(&error.text, 4000)
            ),
        }),
        note: None,
    }
}

/// Returns one sentence: what moved, from where to where, how far from normal, since when.
pub(super) fn message(view: &View<'_>, check: &CheckResult) -> String {
    let plain = Words::PLAIN;
    let references = view.comparison.references.len();
    let unit = if check.unit.is_empty() {
        String::new()
    } else {
        format!(" {}", check.unit)
    };
    let found = format!(
        "{} of {references} references have it",
        View::present(check)
    );
    match (check.src, check.dst, plain.change_in_words(check)) {
        (Some(_), None, _) if references > 0 => format!("in SRC, not in DST; {found}"),
        (Some(_), None, _) => "in SRC, not in DST".to_owned(),
        (None, Some(dst), _) => format!(
            "in DST ({}{unit}), not in SRC: nothing to compare with",
            plain.number(dst)
        ),
        (src, dst, change) => {
            let value = |v: Option<f64>| v.map_or("?".to_owned(), |v| plain.number(v));
            let mut text = change.unwrap_or_else(|| "changed".to_owned());
            if src.is_some() {
                text.push_str(&format!(": {} -> {}{unit}", value(src), value(dst)));
            }
            if let Some(band) = plain.band(check) {
                text.push_str(&format!(
                    ", band {band} {}",
                    if check.check == Check::Stddev {
                        "points"
                    } else {
                        "%"
                    }
                ));
            }
            if let Some(since) =
                words::since(check.since.as_deref(), check.outside_builds, references)
            {
                text.push_str(&format!(
                    ", {}",
                    since.split(" (").next().unwrap_or_default()
                ));
            }
            text
        }
    }
}

pub(super) fn list(values: &[f64]) -> String {
    const MOST: usize = 12;
    let mut text: Vec<String> = values
        .iter()
        .take(MOST)
        .map(|value| Words::PLAIN.number(*value))
        .collect();
    if values.len() > MOST {
        text.push(format!("and {} more", values.len() - MOST));
    }
    if text.is_empty() {
        "none".to_owned()
    } else {
        text.join(" ")
    }
}
