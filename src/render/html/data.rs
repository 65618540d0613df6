//! The data block of the page, `runperf-report/1`: what the script draws from. Private to the report.
//!
//! One array a metric: `[status, profile, test, kind, iteration, metric, unit, higher is better (1, 0; null:
//! unknown), primary, SRC, change, band from, band to, "history", "SRC samples", "DST samples",
//! spread (1: figures are points), limit, [[part, difference, weight], …]]`, and where several clients
//! measured `, names (index into `clients`), their mean in SRC, "SRC of each", "change of each",
//! "those that stand apart"]`. Figures are whole per mille
//! of SRC (tenths of points for a spread), `-` where there is none; without a SRC other than 0 they are the
//! values themselves and SRC is null.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::RenderError;
use super::page::Page;
use super::rows::Shown;
use super::text::cut;
use crate::analysis::stats;
use crate::compare::{CheckResult, ClientFigures, Comparison, Status};
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
    let mut clients = Clients::default();
    let metrics: Vec<Value> = page
        .shown
        .iter()
        .map(|shown| metric(*shown, page.drawn.len(), &mut clients))
        .collect();
    let text = serde_json::to_string(&json!({
        "schema": "runperf-report/1",
        "src": cut(&comparison.src.name, 80),
        "dst": cut(&comparison.dst.name, 80),
        "builds": builds,
        "env": env,
        "clients": clients.lists,
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
            // JSON escapes those below a blank itself, not those of the second kind.
            c if c.is_control() => block.push('\u{fffd}'),
            c => block.push(c),
        }
    }
    Ok(block)
}

fn metric(shown: Shown<'_>, drawn: usize, clients: &mut Clients) -> Value {
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
    let mut fields = json!([
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
    ]);
    if let Some(fields) = fields.as_array_mut() {
        fields.extend(clients.fields(check));
    }
    fields
}

/// Names of clients, each list of them once: all metrics of a test have the same.
#[derive(Debug, Default)]
struct Clients {
    lists: Vec<Vec<String>>,
    known: HashMap<Vec<String>, usize>,
}

impl Clients {
    /// Returns the last fields of a metric, none where one client measured.
    ///
    /// SRC of each is what it is off the mean client, in whole per mille; a change in per mille too, and
    /// where there is none because SRC lacks the client, its value as SRC would be, after `=`. Without a
    /// mean other than 0 all are the values themselves.
    fn fields(&mut self, check: &CheckResult) -> Vec<Value> {
        if check.clients.is_empty() {
            return Vec::new();
        }
        let names: Vec<String> = check
            .clients
            .iter()
            .map(|one| cut(&one.client, LONGEST_TEXT))
            .collect();
        let next = self.lists.len();
        let list = *self.known.entry(names.clone()).or_insert(next);
        if list == next {
            self.lists.push(names);
        }
        let join = |value: &dyn Fn(&ClientFigures) -> Value| {
            let values = check.clients.iter().map(|one| match value(one) {
                Value::Null => "-".to_owned(),
                value => value.to_string(),
            });
            values.collect::<Vec<_>>().join(" ")
        };
        let figures: Vec<f64> = check.clients.iter().filter_map(|one| one.src).collect();
        let mean = stats::mean(&figures)
            .filter(|mean| mean.is_finite() && *mean != 0.0)
            .map(short);
        let share = |value: f64| match mean {
            Some(mean) => tenths((value - mean) / mean.abs() * 100.0),
            None => json!(format!("{value:.4e}").parse().unwrap_or(value)),
        };
        let src = join(&|one| one.src.map_or(Value::Null, share));
        let dst = join(&|one| match (one.change_pct, one.dst) {
            (Some(change), _) => tenths(change),
            (None, Some(dst)) => Value::String(format!("={}", share(dst))),
            (None, None) => Value::Null,
        });
        let apart = check.clients.iter().enumerate();
        let apart: Vec<String> = apart
            .filter(|(_, one)| one.apart)
            .map(|(index, _)| index.to_string())
            .collect();
        vec![
            json!(list),
            json!(mean),
            json!(src),
            json!(dst.replace('"', "")),
            json!(apart.join(" ")),
        ]
    }
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
        let src = src.map(short);
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

/// Returns seven digits, more than anything is measured with, and shorter than seventeen.
fn short(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
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
