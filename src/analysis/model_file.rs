//! Range models as files; the format is described in `docs/model-format.md`.
//!
//! Read: versions 1 and 2, the oldest form without metadata, and the lines of version 3, whose
//! further fields concern other rules. Written: versions 1 and 2, as the older tool writes them to
//! the byte, so that a site can keep its models under version control across the switch.

use std::path::Path;

use serde_json::Value;

pub use super::model_document::ModelError;
use super::model_document::{Document, METADATA, kind, read};
use super::range_model::{Line, RangeModel, Tolerance};

impl RangeModel {
    /// Reads a model file.
    ///
    /// Where the older tool wrote `NaN` or `Infinity` (limits of a metric whose mean is 0), the
    /// value counts as unknown; an equation of such numbers is an error. A version 3 model is read
    /// as lines, its own kind of judgement is not applied.
    ///
    /// # Errors
    ///
    /// [`ModelError`]: unreadable, no model, of a newer version, or damaged.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        Self::parse(path, &read(path)?)
    }

    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let document = Document::parse(path, bytes)?;
        let version = document.version()?.unwrap_or(0);
        let tolerance = tolerance(&document)?;
        let lines = document.entries(|entry| match version {
            0 => equation(&entry).map(bare),
            _ => full(&entry),
        })?;
        Ok(Self {
            version,
            tolerance,
            lines,
        })
    }

    /// Returns the text of the model file: JSON, indent 4, ids in sorted order, no line end after it.
    ///
    /// Numbers are in the shortest form that reads back to the same; unknown ones are `null`.
    pub fn to_text(&self) -> String {
        let tolerance = match self.tolerance {
            Tolerance::Default => "4".to_owned(),
            Tolerance::Given(value) => number(value),
        };
        let mut text = format!(
            "{{\n    \"{METADATA}\": {{\n        \"version\": {},\n        \"tolerance\": {tolerance}\n    }}",
            self.version
        );
        let optional = |value: Option<f64>| value.map_or_else(|| "null".to_owned(), number);
        for (
            id,
            Line {
                a,
                b,
                raw,
                mmin,
                mmax,
            },
        ) in &self.lines
        {
            text.push_str(&format!(
                ",\n    {}: {{\n        \"equation\": [\n            {},\n            {}\n        ],\n        \
                 \"raw\": {},\n        \"mmin\": {},\n        \"mmax\": {}\n    }}",
                Value::from(id.as_str()),
                number(*a),
                number(*b),
                optional(*raw),
                optional(*mmin),
                optional(*mmax)
            ));
        }
        text.push_str("\n}");
        text
    }
}

/// Returns the JSON Schema of the files that are written.
pub fn schema() -> schemars::Schema {
    let optional = || serde_json::json!({"type": ["number", "null"]});
    schemars::json_schema!({
        "title": "run-perf range model",
        "type": "object",
        "required": [METADATA],
        "properties": {METADATA: {
            "type": "object",
            "required": ["version", "tolerance"],
            "properties": {
                "version": {"enum": [1, 2], "description": "2: min/max, 1: three standard deviations"},
                "tolerance": {"type": "number", "description": "score at the edge of the normal range"},
            },
        }},
        "additionalProperties": {
            "type": "object",
            "required": ["equation", "raw", "mmin", "mmax"],
            "properties": {
                "equation": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2,
                    "description": "[a, b]: the score of a value x is a x + b"},
                "raw": optional(),
                "mmin": optional(),
                "mmax": optional(),
            },
        },
    })
}

fn tolerance(document: &Document<'_>) -> Result<Tolerance, ModelError> {
    let stated = document
        .metadata
        .as_ref()
        .and_then(|of| of.get("tolerance"));
    match stated {
        None | Some(Value::Null) => Ok(Tolerance::Default),
        Some(value) if value.as_u64() == Some(4) => Ok(Tolerance::Default),
        Some(value) => match value.as_f64() {
            Some(number) if number > 0.0 && number.is_finite() => Ok(Tolerance::Given(number)),
            _ => Err(document.shape(format!(
                "its tolerance should be a positive number, found {value}"
            ))),
        },
    }
}

/// A line of a version with named fields.
fn full(entry: &Value) -> Result<Line, String> {
    let Value::Object(fields) = entry else {
        return Err(format!("expected an object, found {}", kind(entry)));
    };
    let (a, b) = equation(fields.get("equation").ok_or("it has no `equation`")?)?;
    let optional = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_f64()
            .map(Some)
            .ok_or_else(|| format!("`{name}` should be a number, found {}", kind(value))),
    };
    Ok(Line {
        a,
        b,
        raw: optional("raw")?,
        mmin: optional("mmin")?,
        mmax: optional("mmax")?,
    })
}

fn bare((a, b): (f64, f64)) -> Line {
    Line {
        a,
        b,
        raw: None,
        mmin: None,
        mmax: None,
    }
}

fn equation(value: &Value) -> Result<(f64, f64), String> {
    match value.as_array().map(Vec::as_slice) {
        Some([a, b]) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => Ok((a, b)),
            _ => Err(format!(
                "its equation should hold two finite numbers, found {value}"
            )),
        },
        _ => Err(format!(
            "expected an equation `[a, b]`, found {}",
            kind(value)
        )),
    }
}

/// The shortest text that reads back to the same number, in Python's spelling (`1e-05`, `1e+16`).
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-4..1e16).contains(&magnitude) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parse(text: &str) -> Result<RangeModel, ModelError> {
        RangeModel::parse(Path::new("m.json"), text.as_bytes())
    }

    fn problem(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let line = Line {
            a: 1e-5,
            b: -110.0,
            raw: Some(1.5e16),
            mmin: None,
            mmax: Some(3.6363636363636447),
        };
        let lines = BTreeMap::from([("P/t/0:./i \"q\"/latency/lat.mean".to_owned(), line)]);
        let model = RangeModel {
            version: 2,
            tolerance: Tolerance::Given(3.0),
            lines,
        };
        let text = model.to_text();
        assert!(
            text.contains("\"tolerance\": 3.0")
                && text.contains("1e-05")
                && text.contains("1.5e+16"),
            "{text}"
        );
        assert!(text.contains("\"mmin\": null"), "{text}");
        assert_eq!(parse(&text).expect("our own text"), model);
    }

    #[test]
    fn the_oldest_form_has_lines_only() {
        let model = parse(r#"{"P/t/0:./i/latency/lat.mean": [2, -1.5]}"#).expect("the oldest form");
        let id = "P/t/0:./i/latency/lat.mean".parse().expect("an id");
        assert_eq!(
            model.get(&id),
            Some(&Line {
                a: 2.0,
                b: -1.5,
                raw: None,
                mmin: None,
                mmax: None
            })
        );
        assert_eq!((model.version(), model.len()), (0, 1));
    }

    #[test]
    fn a_history_model_is_read_as_lines() {
        let text = r#"{"__metadata__": {"version": 3, "tolerance": 5.0, "prior": {"a": 1}},
            "x": {"equation": [1, 2], "raw": 3, "mmin": -1, "mmax": 1, "dof": 9.0, "steps": []}}"#;
        let model = parse(text).expect("a version 3 model");
        assert_eq!((model.version(), model.len()), (3, 1));
        assert!((model.tolerance() - 5.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_wrong_with_a_model_is_said() {
        assert!(problem(r#"{"__metadata__": {"version": 4}}"#).contains("newer version"));
        assert!(problem(r#"{"__metadata__": {"version": "x"}}"#).contains("found \"x\""));
        assert!(problem(r#"{"__metadata__": {}}"#).contains("found nothing"));
        assert!(
            problem(r#"{"__metadata__": {"version": 2, "tolerance": -1}}"#)
                .contains("positive number")
        );
        assert!(problem("[1, 2]").contains("found a list"));
        assert!(problem("{\"a\": ").contains("is not JSON"));
        assert!(
            problem(r#"{"__metadata__": {"version": 2}, "x": {"raw": 1}}"#)
                .contains("damaged at `x`")
        );
        assert!(problem(r#"{"x": [NaN, 1]}"#).contains("two finite numbers"));
        for twice in [
            r#"{"x": [1, 1], "x": [1, 2]}"#,
            r#"{"__metadata__": {"version": 2}, "y": {"equation": [1, 2], "x": NaN, "x": 3}}"#,
        ] {
            let said = problem(twice);
            assert!(said.contains("`x` stands there twice at line 1"), "{said}");
        }
        assert!(
            problem(r#"{"__metadata__": {"version": 1}, "x": {"equation": [1, 2], "raw": "3"}}"#)
                .contains("`raw`")
        );
    }

    #[test]
    fn unknown_limits_of_the_older_tool_are_unknown_here() {
        let text = r#"{"__metadata__": {"version": 1, "tolerance": 4}, "a NaN \" NaN": {"equation": [1, 0],
            "raw": 0.0, "mmin": -Infinity, "mmax": NaN}}"#;
        let model = parse(text).expect("NaN limits");
        let line = model.lines["a NaN \" NaN"];
        assert_eq!((line.mmin, line.mmax), (None, None));
    }

    #[test]
    fn numbers_look_like_the_older_tool_wrote_them() {
        let written: Vec<_> = [0.0, -110.0, 1e-4, 1e-5, -1.25e-7, 1e15, 1e16, 1.5e300]
            .map(number)
            .into();
        assert_eq!(
            written,
            [
                "0.0",
                "-110.0",
                "0.0001",
                "1e-05",
                "-1.25e-07",
                "1000000000000000.0",
                "1e+16",
                "1.5e+300"
            ]
        );
    }
}
