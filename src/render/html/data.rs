//! The data block of the page, `runperf-report/1`: what the script draws from. Private to the report.
//!
//! One array a metric: `[status, profile, test, kind, iteration, metric, unit, higher is better (1, 0; null:
//! unknown), primary, SRC, change, band from, band to, "history", "SRC samples", "DST samples",
//! spread (1: figures are points), limit, [[part, difference, weight], …]]`. Figures are whole per mille
//! of SRC (tenths of points for a spread), `-` where there is none; without a SRC other than 0 they are the
//! values themselves and SRC is null.

use serde_json::{Value, json};

use super::RenderError;
use super::page::Page;
use super::rows::Shown;
use super::text::cut;
use crate::compare::{CheckResult, Comparison, Status};
use crate::metric::{Better, Check};
use crate::render::words;

/// Samples of one side that are drawn.
const MOST_SAMPLES: usize = 20;
/// Characters of a text; the row holds it in full.
pub(super) const LONGEST_TEXT: usize = 100;

/// Returns the block as JSON in which no `<` is left.
pub(super) fn block(page: &Page<'_>, comparison: &Comparison) -> Result<String, RenderError> {
    let builds: Vec<Value> = page
        .drawn
        .iter()
        .chain([&comparison.dst])
        .map(|build| {
            let date = build
                .date
                .as_deref()
                .map_or(String::new(), |date| cut(&words::date(date), 40));
            json!([
                cut(&build.name, 80),
                date,
                build
                    .distro
                    .as_deref()
                    .map_or(String::new(), |distro| cut(distro, 80))
            ])
        })
        .collect();
    let env: Vec<usize> = page
        .drawn
        .iter()
        .chain([&comparison.dst])
        .enumerate()
        .filter(|(_, build)| build.env_changed)
        .map(|(index, _)| index)
        .collect();
    let metrics: Vec<Value> = page
        .shown
        .iter()
        .map(|shown| metric(*shown, page.drawn.len()))
        .collect();
    let text = serde_json::to_string(&json!({
        "schema": "runperf-report/1",
        "src": cut(&comparison.src.name, 80),
        "dst": cut(&comparison.dst.name, 80),
        "builds": builds,
        "env": env,
        "m": metrics,
    }))?;
    // Nothing in it can end the element, whatever an HTML parser makes of it, or turn text around.
    let mut block = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => block.push_str("\\u003c"),
            '\u{2028}' => block.push_str("\\u2028"),
            '\u{2029}' => block.push_str("\\u2029"),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                block.push('\u{fffd}');
            }
            c => block.push(c),
        }
    }
    Ok(block)
}

fn metric(shown: Shown<'_>, drawn: usize) -> Value {
    let text = |text: &str| cut(text, LONGEST_TEXT);
    let check = match shown {
        Shown::Check(check) => check,
        Shown::Error(error) => {
            let id = &error.id;
            return json!([
                Status::Error.letter().to_string(),
                text(id.profile()),
                text(id.test()),
                text(id.kind()),
                text(id.iteration()),
                text(id.metric()),
                "",
                null,
                1,
                null,
                null,
                null,
                null,
                "",
                "",
                "",
                0,
                null,
                []
            ]);
        }
    };
    let scale = Scale::of(check);
    let band = check.band_pct.filter(|_| scale.relative);
    let list = |values: &mut dyn Iterator<Item = Option<f64>>| {
        values
            .map(|value| scale.text(value))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let history = &check.history[check.history.len().saturating_sub(drawn)..];
    let samples =
        |values: &[f64]| list(&mut values.iter().take(MOST_SAMPLES).map(|value| Some(*value)));
    let better = match check.better {
        Better::Higher => json!(1),
        Better::Lower => json!(0),
        Better::Unknown => Value::Null,
    };
    // A spread has no samples of its own.
    let parts: Vec<Value> = match check.status {
        Status::Within => Vec::new(),
        _ => check
            .checks
            .iter()
            .take(8)
            .map(|part| json!([text(&words::part(part)), tenths(part.diff_pct), part.weight]))
            .collect(),
    };
    json!([
        check.status.letter().to_string(),
        text(&check.profile),
        text(&check.test),
        text(&check.kind),
        text(&check.iteration),
        text(&check.metric),
        text(&check.unit),
        better,
        u8::from(check.primary),
        scale.src,
        check.dst.map(|dst| scale.number(dst)),
        band.map(|band| tenths(band[0])),
        band.map(|band| tenths(band[1])),
        list(&mut history.iter().copied()),
        samples(&check.samples.src),
        samples(&check.samples.dst),
        u8::from(check.check == Check::Stddev),
        check.tolerance.filter(|_| scale.relative).map(tenths),
        parts,
    ])
}

/// How the figures of a metric are written.
struct Scale {
    src: Option<f64>,
    relative: bool,
    spread: bool,
}

impl Scale {
    fn of(check: &CheckResult) -> Self {
        let spread = check.check == Check::Stddev;
        let src = check
            .src
            .filter(|src| src.is_finite() && (spread || *src != 0.0));
        // Seven digits are more than anything is measured with, and shorter than seventeen.
        let src = src.map(|src| format!("{src:.6e}").parse().unwrap_or(src));
        Self {
            src,
            relative: src.is_some(),
            spread,
        }
    }

    fn number(&self, value: f64) -> Value {
        match self.src {
            Some(src) if self.spread => tenths(value - src),
            Some(src) => tenths((value - src) / src.abs() * 100.0),
            None => json!(format!("{value:.4e}").parse().unwrap_or(value)),
        }
    }

    fn text(&self, value: Option<f64>) -> String {
        match value
            .filter(|value| value.is_finite())
            .map(|value| self.number(value))
        {
            None | Some(Value::Null) => "-".to_owned(),
            Some(number) => number.to_string(),
        }
    }
}

/// Returns ten times the value as a whole number; null when it is none or absurd.
fn tenths(value: f64) -> Value {
    let tenths = (value * 10.0).round();
    match tenths.is_finite() && tenths.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 1e15")]
        true => json!(tenths as i64),
        false => Value::Null,
    }
}
