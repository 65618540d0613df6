//! Sparklines as numbers: the template writes the SVG.

use serde::Serialize;

use crate::compare::CheckResult;
use crate::metric::Check;
use crate::render::words::Words;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 34.0;
const MARGIN: f64 = 2.0;

/// One history with its band and, as a diamond, DST.
#[derive(Debug, Serialize)]
pub(super) struct Spark {
    /// What a screen reader says.
    label: String,
    /// Top and height of the band.
    band: Option<(String, String)>,
    /// `M3 13.1L13 15.9…`, broken where a build lacks the metric.
    path: String,
    /// Where the diamond begins.
    dst: Option<(String, String)>,
}

/// Returns the change of a value against SRC in the unit of the band; the value itself without a SRC.
fn relative(check: &CheckResult, value: f64) -> f64 {
    match (check.src, check.check) {
        (Some(src), Check::Stddev) => value - src,
        (Some(src), _) if src != 0.0 => (value - src) / src.abs() * 100.0,
        _ => value,
    }
}

/// Returns the sparkline of a check; `None` when there are fewer than two values to join.
pub(super) fn spark(check: &CheckResult, newest: usize) -> Option<Spark> {
    let history = &check.history[check.history.len().saturating_sub(newest)..];
    let values: Vec<Option<f64>> = history
        .iter()
        .copied()
        .chain([check.dst])
        .map(|value| {
            value
                .map(|value| relative(check, value))
                .filter(|value| value.is_finite())
        })
        .collect();
    // Without a SRC there is nothing the band or DST could be drawn against.
    if check.src.is_none() || history.is_empty() || values.iter().flatten().count() < 2 {
        return None;
    }
    let comparable = check.src.is_some_and(|src| src != 0.0);
    let band = check
        .band_pct
        .filter(|band| comparable && band.iter().all(|v| v.is_finite()));
    let all = || {
        values
            .iter()
            .flatten()
            .copied()
            .chain(band.into_iter().flatten())
    };
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    let y = |value: f64| HEIGHT - MARGIN - (value - low) / span * (HEIGHT - 2.0 * MARGIN);
    let x = |index: usize| {
        let last = u32::try_from(values.len() - 1).map_or(1.0, f64::from);
        let index = u32::try_from(index).map_or(0.0, f64::from);
        3.0 + index * (WIDTH - 8.0) / last
    };
    let mut path = String::new();
    let mut joined = false;
    for (index, value) in values.iter().enumerate() {
        if let Some(value) = value {
            path.push_str(&format!(
                "{}{:.0} {:.1}",
                if joined { 'L' } else { 'M' },
                x(index),
                y(*value)
            ));
        }
        joined = value.is_some();
    }
    let dst = values.last().copied().flatten();
    let words = Words::RICH;
    let said = match (dst, words.change(check)) {
        (None, _) => "no value in DST".to_owned(),
        (_, Some(change)) => format!("DST {change}"),
        _ => "DST".to_owned(),
    };
    let band_said = words
        .band(check)
        .filter(|_| band.is_some())
        .map_or(String::new(), |band| format!("; normal band {band}"));
    Some(Spark {
        label: format!(
            "{}, then {said}{band_said}",
            crate::render::words::plural(history.len(), "reference build")
        ),
        band: band.map(|[low, high]| {
            (
                format!("{:.1}", y(high)),
                format!("{:.1}", y(low) - y(high)),
            )
        }),
        path,
        dst: dst.map(|value| {
            (
                format!("{:.0}", x(values.len() - 1)),
                format!("{:.1}", y(value) - 4.0),
            )
        }),
    })
}
