//! One record of the older tool: its score, status and sentence.

use super::learn::Learned;
use crate::compare::inputs::{LineModel, Options};
use crate::compare::types::Status;
use crate::metric::{Check, MetricId};

/// A value as the older tool keeps it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A number without a fraction.
    Integer(f64),
    /// Any other number.
    Float(f64),
    /// Text of a failure.
    Text(String),
}

impl Value {
    /// Takes a number of a result; one without a fraction is an integer.
    pub(super) fn number(value: f64) -> Self {
        if value.fract() == 0.0 {
            Value::Integer(value)
        } else {
            Value::Float(value)
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Value::Integer(value) | Value::Float(value) => Some(*value),
            Value::Text(_) => None,
        }
    }

    /// Returns the value unformatted.
    pub(super) fn as_is(&self) -> String {
        match self {
            // Adding 0 turns -0 into 0.
            Value::Integer(value) => format!("{:.0}", value + 0.0),
            Value::Float(value) => float(*value),
            Value::Text(text) => text.clone(),
        }
    }

    /// Returns a float with two decimals, anything else as it is.
    fn rounded(&self) -> String {
        match self {
            Value::Float(value) => format!("{value:.2}"),
            other => other.as_is(),
        }
    }
}

/// Returns a float the way Python's `repr` does: shortest digits, an exponent outside 1e-4..1e16.
pub(super) fn float(value: f64) -> String {
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if value != 0.0 && !(-4..16).contains(&exponent) => {
            format!(
                "{digits}e{}{:02}",
                if exponent < 0 { '-' } else { '+' },
                exponent.abs()
            )
        }
        _ if value.fract() == 0.0 => format!("{value:.1}"),
        _ => value.to_string(),
    }
}

/// Status of the older tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CompatStatus {
    Pass,
    MinorGain,
    MinorLoss,
    Fail,
    Error,
    FailGain,
}

impl CompatStatus {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            CompatStatus::Pass => "PASS",
            CompatStatus::MinorGain => "MINOR_GAIN",
            CompatStatus::MinorLoss => "MINOR_LOSS",
            CompatStatus::Fail => "FAIL",
            CompatStatus::Error => "ERROR",
            CompatStatus::FailGain => "FAIL_GAIN",
        }
    }

    /// Returns whether it is bad; gains are.
    pub(super) fn failed(self) -> bool {
        matches!(
            self,
            CompatStatus::Fail | CompatStatus::Error | CompatStatus::FailGain
        )
    }

    /// Returns the status other renderers show.
    pub(super) fn plain(self) -> Status {
        match self {
            CompatStatus::Pass | CompatStatus::MinorGain | CompatStatus::MinorLoss => {
                Status::Within
            }
            CompatStatus::Fail => Status::Regression,
            CompatStatus::FailGain => Status::Improvement,
            CompatStatus::Error => Status::Error,
        }
    }

    /// Returns the status of a score (specification 9.4: the lower half has the wrong sign).
    fn of(score: f64, tolerance: f64) -> Self {
        if score.abs() <= tolerance {
            if score > tolerance / 2.0 {
                CompatStatus::MinorGain
            } else if score < tolerance / 2.0 {
                CompatStatus::MinorLoss
            } else {
                CompatStatus::Pass
            }
        } else if score < -tolerance {
            CompatStatus::Fail
        } else if score > tolerance {
            CompatStatus::FailGain
        } else {
            CompatStatus::Error
        }
    }
}

/// Returns whether a status text is a bad one.
pub(super) fn is_failed(status: &str) -> bool {
    [
        CompatStatus::Fail,
        CompatStatus::Error,
        CompatStatus::FailGain,
    ]
    .iter()
    .any(|bad| bad.as_str() == status)
}

/// One part of a score.
#[derive(Debug, Clone)]
pub(super) struct CompatPart {
    pub(super) label: String,
    pub(super) difference: f64,
    pub(super) weight: f64,
    /// What it was compared with, where that is a value of its own.
    pub(super) source: Option<Value>,
}

impl CompatPart {
    pub(super) fn new(label: impl Into<String>, difference: f64, weight: f64) -> Self {
        Self {
            label: label.into(),
            difference,
            weight,
            source: None,
        }
    }
}

/// One compared metric.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: MetricId,
    pub(super) primary: bool,
    pub(super) status: CompatStatus,
    pub(super) score: f64,
    pub(super) tolerance: f64,
    pub(super) parts: Vec<CompatPart>,
    pub(super) src: Option<Value>,
    pub(super) dst: Option<Value>,
    pub(super) details: String,
    /// Modifiers never see broken ones.
    pub(super) broken: bool,
}

/// What regular records are judged by.
pub(super) struct Rules<'a> {
    pub(super) models: &'a [LineModel],
    pub(super) options: &'a Options,
}

impl Rules<'_> {
    /// Judges a record that both sides have (specification 9.3).
    pub(super) fn regular(
        &self,
        id: MetricId,
        src: &Value,
        dst: &Value,
        primary: bool,
        learned: Option<&Learned>,
    ) -> Record {
        let mut parts = Vec::new();
        let mut known = false;
        if let Some(value) = dst.as_number() {
            for (index, model) in self.models.iter().enumerate() {
                let Some(line) = model.line(&id) else {
                    continue;
                };
                known = true;
                parts.push(CompatPart::new(
                    format!("model{index}"),
                    line.a * value + line.b,
                    1.0,
                ));
                if let Some(mean) = line.raw {
                    let source = Value::Float(mean);
                    let difference = raw(id.check(), &source, dst);
                    parts.push(CompatPart {
                        source: Some(source),
                        ..CompatPart::new(format!("mraw{index}"), difference, 0.0)
                    });
                }
            }
        }
        let weight = if known { 0.0 } else { 1.0 };
        parts.push(CompatPart {
            source: Some(src.clone()),
            ..CompatPart::new("raw", raw(id.check(), src, dst), weight)
        });
        let (tolerance, text) = match id.check() {
            Check::Mean => limit(self.options.tolerance),
            Check::Stddev => limit(self.options.stddev_tolerance),
            Check::Error => (0.0, "0".to_owned()),
        };
        Record::scored(
            id,
            primary,
            parts,
            tolerance,
            &text,
            (src.clone(), dst.clone()),
            learned,
        )
    }
}

/// Returns a limit and how the older tool prints it: `5` for its default, `5.0` when given.
fn limit(limit: crate::compare::inputs::Limit) -> (f64, String) {
    let text = if limit.given {
        float(limit.value)
    } else {
        Value::number(limit.value).as_is()
    };
    (limit.value, text)
}

/// Returns the raw difference; positive is a gain.
fn raw(check: Check, src: &Value, dst: &Value) -> f64 {
    match (check, src.as_number(), dst.as_number()) {
        (Check::Mean, Some(0.0), Some(_)) => 0.0,
        (Check::Mean, Some(src), Some(dst)) => (dst - src) / src.abs() * 100.0,
        (Check::Stddev, Some(src), Some(dst)) => src - dst,
        _ if src == dst => 0.0,
        _ => 1.0,
    }
}

impl Record {
    /// Builds a record without anything to compare.
    pub(super) fn broken(
        id: MetricId,
        reason: String,
        primary: bool,
        src: Option<Value>,
        dst: Option<Value>,
    ) -> Self {
        let details = format!("ERROR  {reason} (0; -100) +-1% tolerance");
        Self {
            id,
            primary,
            status: CompatStatus::Error,
            score: -100.0,
            tolerance: 1.0,
            parts: Vec::new(),
            src,
            dst,
            details,
            broken: true,
        }
    }

    /// Builds the record of a group: source, target and raw difference all are the mean score.
    pub(super) fn group(
        id: MetricId,
        mean: f64,
        tolerance: f64,
        learned: Option<&Learned>,
    ) -> Self {
        let value = Value::Float(mean);
        let parts = vec![CompatPart {
            source: Some(value.clone()),
            ..CompatPart::new("raw", mean, 1.0)
        }];
        Self::scored(
            id,
            true,
            parts,
            tolerance,
            &float(tolerance),
            (value.clone(), value),
            learned,
        )
    }

    fn scored(
        id: MetricId,
        primary: bool,
        mut parts: Vec<CompatPart>,
        tolerance: f64,
        tolerance_text: &str,
        (src, dst): (Value, Value),
        learned: Option<&Learned>,
    ) -> Self {
        let mut score = weighted(&parts);
        if let Some(learned) = learned {
            score = learned.apply(&id, &mut parts, score, tolerance);
        }
        let status = CompatStatus::of(score, tolerance);
        let details = details(status, &parts, tolerance, tolerance_text, &dst);
        Self {
            id,
            primary,
            status,
            score,
            tolerance,
            parts,
            src: Some(src),
            dst: Some(dst),
            details,
            broken: false,
        }
    }
}

/// Returns the weighted mean of the parts.
pub(super) fn weighted(parts: &[CompatPart]) -> f64 {
    let weights: f64 = parts.iter().map(|part| part.weight).sum();
    parts
        .iter()
        .map(|part| part.difference * part.weight)
        .sum::<f64>()
        / weights
}

/// Returns whether a score is a bad one; for modifiers.
pub(super) fn is_bad(score: f64, tolerance: f64) -> bool {
    CompatStatus::of(score, tolerance).failed()
}

/// Returns the sentence about a record (specification 9.5).
fn details(
    status: CompatStatus,
    parts: &[CompatPart],
    tolerance: f64,
    tolerance_text: &str,
    dst: &Value,
) -> String {
    let section = |name: &str, wanted: &dyn Fn(f64) -> bool| {
        let said: Vec<String> = parts
            .iter()
            .filter(|part| wanted(part.difference))
            .map(|part| format!("{} {:.2}%", part.label, part.difference))
            .collect();
        if said.is_empty() {
            String::new()
        } else {
            format!("{name} {}", said.join(", "))
        }
    };
    let good = section("GOOD", &|difference: f64| difference.abs() <= tolerance);
    let big = section("BIG", &|difference: f64| difference > tolerance);
    let small = section("SMALL", &|difference: f64| difference < -tolerance);
    let ordered = match status {
        CompatStatus::FailGain => [big, good, small],
        CompatStatus::Fail => [small, good, big],
        _ => [good, big, small],
    };
    let ordered: Vec<String> = ordered
        .into_iter()
        .filter(|section| !section.is_empty())
        .collect();
    let sources: Vec<String> = parts
        .iter()
        .filter_map(|part| part.source.as_ref())
        .map(Value::rounded)
        .collect();
    format!(
        "{} ({}; {}) +-{tolerance_text}% tolerance",
        ordered.join(" "),
        sources.join("/"),
        dst.as_is()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_the_older_way() {
        // Each right side is what Python's repr() prints.
        for (value, expected) in [
            (171_197.389830508, "171197.389830508"),
            (5.0, "5.0"),
            (0.0, "0.0"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (1e16, "1e+16"),
            (1_234_567_890_123_456.0, "1234567890123456.0"),
            (-2.5e120, "-2.5e+120"),
        ] {
            assert_eq!(float(value), expected);
        }
        assert_eq!(Value::number(0.0).as_is(), "0");
        assert_eq!(Value::number(5000.0).rounded(), "5000");
        assert_eq!(Value::number(0.5).rounded(), "0.50");
    }
}
