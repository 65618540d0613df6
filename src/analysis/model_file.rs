//! Range models as files; the format is described in `docs/model-format.md`.
//!
//! Read: versions 1 and 2, the oldest form without metadata, and the lines of version 3, whose
//! further fields concern other rules. Written: versions 1 and 2, as the older tool writes them to
//! the byte, so that a site can keep its models under version control across the switch.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::range_model::{Line, RangeModel, Tolerance};

/// Entry that is no metric.
const METADATA: &str = "__metadata__";

/// The newest version whose lines are understood.
const NEWEST: u64 = 3;

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("cannot read the model {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no JSON: cut short, or something else altogether.
    #[error("the model {} is not JSON", path.display())]
    Json {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It is JSON of another shape.
    #[error("{} is no model: {reason}", path.display())]
    Shape {
        /// Which.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// It has a version this program does not know.
    #[error("the model {} has version {found}, written by a newer version of run-perf; this one reads 1 to {NEWEST}", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The line of a metric cannot be used.
    #[error("the model {} is damaged at `{id}`: {reason}", path.display())]
    Entry {
        /// Which.
        path: PathBuf,
        /// Metric.
        id: String,
        /// What was expected and found.
        reason: String,
    },
}

impl ModelError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            ModelError::Read { .. } => None,
            ModelError::Newer { .. } => {
                Some("update this program, or train again with `analyze-perf -l FILE`".into())
            }
            ModelError::Json { .. } | ModelError::Shape { .. } | ModelError::Entry { .. } => {
                Some("train it again with `analyze-perf -l FILE -- RESULT…`".into())
            }
        }
    }
}

impl ModelError {
    /// Returns the next step where a history model was asked for.
    pub fn hint_for_history(&self) -> Option<String> {
        match self {
            ModelError::Read { .. } => None,
            ModelError::Newer { .. } => {
                Some("update this program, or train again with `analyze-perf --model FILE`".into())
            }
            ModelError::Json { .. } | ModelError::Shape { .. } | ModelError::Entry { .. } => {
                Some("train it with `analyze-perf --model FILE -- RESULT…`".into())
            }
        }
    }
}

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
        let bytes = std::fs::read(path).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let shape = |reason: String| ModelError::Shape {
            path: path.to_owned(),
            reason,
        };
        let value: Value = serde_json::from_slice(bytes)
            .or_else(|error| {
                serde_json::from_slice(&without_python_numbers(bytes)).map_err(|_| error)
            })
            .map_err(|source| ModelError::Json {
                path: path.to_owned(),
                source,
            })?;
        let Value::Object(mut entries) = value else {
            return Err(shape(format!(
                "expected an object of metrics, found {}",
                kind(&value)
            )));
        };
        let (version, tolerance) = match entries.shift_remove(METADATA) {
            None => (0, Tolerance::Default),
            Some(Value::Object(metadata)) => {
                (version(path, &metadata)?, tolerance(path, &metadata)?)
            }
            Some(other) => {
                return Err(shape(format!(
                    "`{METADATA}` should be an object, found {}",
                    kind(&other)
                )));
            }
        };
        let lines = entries
            .into_iter()
            .map(|(id, entry)| {
                let line = if version == 0 {
                    equation(&entry).map(bare)
                } else {
                    full(&entry)
                };
                let line = line.map_err(|reason| ModelError::Entry {
                    path: path.to_owned(),
                    id: id.clone(),
                    reason,
                })?;
                Ok((id, line))
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
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

fn version(path: &Path, metadata: &Map<String, Value>) -> Result<u32, ModelError> {
    let found = metadata.get("version");
    match found.and_then(Value::as_u64) {
        Some(found) if found > NEWEST => Err(ModelError::Newer {
            path: path.to_owned(),
            found,
        }),
        Some(known @ 1..=NEWEST) => Ok(u32::try_from(known).unwrap_or_default()),
        _ => {
            let found = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
            let reason =
                format!("its version should be a number from 1 to {NEWEST}, found {found}");
            Err(ModelError::Shape {
                path: path.to_owned(),
                reason,
            })
        }
    }
}

fn tolerance(path: &Path, metadata: &Map<String, Value>) -> Result<Tolerance, ModelError> {
    match metadata.get("tolerance") {
        None | Some(Value::Null) => Ok(Tolerance::Default),
        Some(value) if value.as_u64() == Some(4) => Ok(Tolerance::Default),
        Some(value) => match value.as_f64() {
            Some(number) if number > 0.0 && number.is_finite() => Ok(Tolerance::Given(number)),
            _ => {
                let reason = format!("its tolerance should be a positive number, found {value}");
                Err(ModelError::Shape {
                    path: path.to_owned(),
                    reason,
                })
            }
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

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
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

/// Replaces the bare words `NaN`, `Infinity` and `-Infinity`, which Python's JSON writes, by `null`.
fn without_python_numbers(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut quoted, mut escaped, mut rest) = (false, false, bytes);
    while let [byte, after @ ..] = rest {
        let word = ["NaN", "Infinity", "-Infinity"]
            .into_iter()
            .find(|word| !quoted && rest.starts_with(word.as_bytes()));
        if let Some(word) = word {
            out.extend(b"null");
            rest = &rest[word.len()..];
            continue;
        }
        quoted ^= *byte == b'"' && !escaped;
        escaped = quoted && *byte == b'\\' && !escaped;
        out.push(*byte);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
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
