//! Small facts of the first screen: what is likely to matter, how far to trust the run.

use serde::Serialize;

use super::text::{LONGEST_TEXT, cut};
use crate::compare::{Comparison, EnvChange, Status};
use crate::metric::Check;
use crate::render::changes;
use crate::render::view::View;
use crate::render::words;

/// A value before and after with the differing part marked.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    prefix: String,
    src: Option<String>,
    dst: Option<String>,
    suffix: String,
}

/// Returns the step of a change in one line.
pub(super) fn step(change: &EnvChange) -> Step {
    let line = |text: &str| cut(text, LONGEST_TEXT);
    match (&change.src, &change.dst) {
        (Some(src), Some(dst)) => {
            let (src, dst) = (line(src), line(dst));
            let step = changes::step(&src, &dst);
            Step {
                prefix: step.prefix.to_owned(),
                src: Some(step.src.to_owned()),
                dst: Some(step.dst.to_owned()),
                suffix: step.suffix.to_owned(),
            }
        }
        (src, dst) => {
            let part = |value: &Option<String>| {
                value.as_deref().map(|text| {
                    if text.is_empty() {
                        "present".to_owned()
                    } else {
                        line(text)
                    }
                })
            };
            Step {
                prefix: String::new(),
                src: part(src),
                dst: part(dst),
                suffix: String::new(),
            }
        }
    }
}

/// One difference that is likely to matter.
#[derive(Debug, Serialize)]
pub(super) struct Likely {
    name: String,
    place: String,
    /// Nothing for texts of several lines.
    step: Option<Step>,
    since: Option<String>,
    with_regressions: bool,
}

/// Returns the differences most likely to matter.
pub(super) fn likely(comparison: &Comparison) -> Vec<Likely> {
    changes::likely(comparison, 5)
        .into_iter()
        .map(|likely| {
            let change = likely.change;
            let lines = [&change.src, &change.dst]
                .into_iter()
                .flatten()
                .any(|text| text.contains('\n'));
            let name = match likely.kind {
                "packages" | "tool" => change.name.clone(),
                kind if change.name.eq_ignore_ascii_case(&changes::title(kind)) => {
                    changes::title(kind)
                }
                kind => format!("{}: {}", changes::title(kind), change.name),
            };
            Likely {
                name: cut(&name, LONGEST_TEXT),
                place: cut(&change.place, LONGEST_TEXT),
                step: (!lines).then(|| step(change)),
                since: change.since.as_deref().map(|since| cut(since, 80)),
                with_regressions: likely.with_regressions,
            }
        })
        .collect()
}

/// Returns what a reader should know before trusting the run, a sentence each.
pub(super) fn trust(view: &View<'_>) -> Vec<String> {
    let comparison = view.comparison;
    let mut said = Vec::new();
    let references = comparison.references.len();
    let hosts = match comparison.dst.machines.len() {
        0 | 1 => "host",
        _ => "hosts",
    };
    let elsewhere = comparison
        .references
        .iter()
        .filter(|build| build.machines != comparison.dst.machines)
        .count();
    let src_elsewhere = comparison.src.machines != comparison.dst.machines;
    said.push(match (references, elsewhere) {
        (0, _) if src_elsewhere => {
            "No references: SRC and DST stand alone, and they come from different hosts".to_owned()
        }
        (0, _) => format!("No references: SRC and DST stand alone, both from the same {hosts}"),
        (n, 0) => format!(
            "{}, all from the same {hosts} as DST",
            words::plural(n, "reference")
        ),
        (n, other) => format!(
            "{}, {other} of them with other hosts than DST",
            words::plural(n, "reference")
        ),
    });
    if references > 0 && src_elsewhere {
        said.push("SRC and DST come from different hosts".to_owned());
    }
    if (1..5).contains(&references) {
        said.push("With fewer than 5 references nothing can be called flaky".to_owned());
    }
    let spread = |side: fn(&crate::compare::CheckResult) -> Option<f64>| {
        let mut values: Vec<f64> = comparison
            .metrics
            .iter()
            .filter(|check| check.check == Check::Stddev && check.primary)
            .filter_map(side)
            .filter(|value| value.is_finite())
            .collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    if let (Some(src), Some(dst)) = (spread(|check| check.src), spread(|check| check.dst)) {
        let plain = |value: f64| format!("{value:.1}\u{202f}%");
        said.push(match src.max(dst) > 0.0 {
            true => format!(
                "Samples of DST vary by {} in the median metric (SRC {})",
                plain(dst),
                plain(src)
            ),
            false => "Most figures are single samples: how much they vary within a run is unknown"
                .to_owned(),
        });
    }
    let changed = comparison
        .references
        .iter()
        .filter(|build| build.env_changed)
        .count();
    if changed > 0 {
        said.push(format!(
            "The environment changed {} within the references",
            times(changed)
        ));
    }
    let flaky = view.places(Status::Flaky);
    for place in flaky.iter().take(2) {
        let metric = place
            .checks
            .first()
            .map_or(String::new(), |check| format!(" {}", check.metric));
        said.push(cut(
            &format!("{}{metric} is flaky", place.name()),
            LONGEST_TEXT,
        ));
    }
    if flaky.len() > 2 {
        said.push(format!(
            "{} {} flaky too",
            words::plural(flaky.len() - 2, "more place"),
            if flaky.len() == 3 { "is" } else { "are" }
        ));
    }
    said.extend(
        comparison
            .notes
            .iter()
            .take(6)
            .map(|note| capital(&cut(note, LONGEST_TEXT))),
    );
    said
}

/// Returns a sentence with a capital letter in front.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

fn times(number: usize) -> String {
    if number == 1 {
        "once".to_owned()
    } else {
        format!("{number} times")
    }
}

/// Returns the limits in force, a sentence each.
pub(super) fn limits(comparison: &Comparison) -> Vec<String> {
    let limits = &comparison.limits;
    let mut said = Vec::new();
    if let Some(mean) = limits.mean_pct {
        said.push(format!("±{mean}\u{202f}% for means"));
    }
    if let Some(points) = limits.spread_points {
        said.push(format!("±{points} points for the spread of samples"));
    }
    if let Some(effect) = limits.min_effect_pct {
        said.push(format!("changes under {effect}\u{202f}% are never called"));
    }
    if let Some(fdr) = limits.fdr {
        said.push(format!("false-discovery rate {fdr}"));
    }
    if let Some(group) = limits.group_pct {
        said.push(format!("±{group}\u{202f}% for a whole host"));
    }
    said
}
