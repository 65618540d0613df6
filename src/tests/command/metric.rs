//! How a declared metric finds its number in what a command left.

use std::path::PathBuf;

use regex::Regex;
use serde_json::{Map, Value};

use crate::metric::Better;
use crate::tests::params::{Param, ParamError, Params};
use crate::tests::pbench::Class;

/// Keys of one entry of `metrics`.
const PARAMS: &[Param] = &[
    Param {
        name: "name",
        aliases: &[],
        default: "",
        summary: "Name in ids; holds neither dot nor slash",
    },
    Param {
        name: "unit",
        aliases: &[],
        default: "1",
        summary: "Unit",
    },
    Param {
        name: "better",
        aliases: &[],
        default: "by kind",
        summary: "higher, lower or unknown",
    },
    Param {
        name: "primary",
        aliases: &[],
        default: "the first metric",
        summary: "Whether it decides the verdict",
    },
    Param {
        name: "kind",
        aliases: &[],
        default: "by better",
        summary: "throughput (workers add up) or latency (workers are averaged)",
    },
    Param {
        name: "json",
        aliases: &[],
        default: "",
        summary: "JSON pointer of the number",
    },
    Param {
        name: "regex",
        aliases: &[],
        default: "",
        summary: "Expression; its first group is the number",
    },
    Param {
        name: "csv",
        aliases: &[],
        default: "",
        summary: "Cell: {row, column, delimiter}",
    },
    Param {
        name: "file",
        aliases: &[],
        default: "standard output",
        summary: "File the command writes",
    },
];

const CSV_PARAMS: &[Param] = &[
    Param {
        name: "row",
        aliases: &[],
        default: "",
        summary: "First cell of the row, or its number from 1 below the header",
    },
    Param {
        name: "column",
        aliases: &[],
        default: "",
        summary: "Name in the header, or number from 1",
    },
    Param {
        name: "delimiter",
        aliases: &[],
        default: ",",
        summary: "Between cells",
    },
];

/// A metric of the user's own.
#[derive(Debug, Clone)]
pub(in crate::tests) struct Metric {
    /// Name in ids.
    pub(in crate::tests) name: String,
    /// Unit as written.
    pub(in crate::tests) unit: String,
    /// Good direction.
    pub(in crate::tests) better: Better,
    /// How workers are put together.
    pub(in crate::tests) class: Class,
    /// Whether it was declared primary.
    pub(in crate::tests) primary: bool,
    /// File on the worker; `None` for standard output.
    pub(in crate::tests) file: Option<PathBuf>,
    reader: Reader,
}

#[derive(Debug, Clone)]
enum Reader {
    /// The output is the number.
    Whole,
    Json(String),
    Regex(Regex),
    Csv {
        row: Place,
        column: Place,
        delimiter: u8,
    },
}

/// A row or column of a table.
#[derive(Debug, Clone)]
enum Place {
    Named(String),
    /// From 1.
    Number(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Named(name) => write!(f, "`{name}`"),
            Place::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Metric {
    /// Reads one entry of `metrics`; `item` is how messages name it (`metrics[0]` of `redis-get`).
    pub(in crate::tests) fn parse(item: &str, given: &Value) -> Result<Self, ParamError> {
        let params = Params::check(item, object(item, given)?, PARAMS)?;
        let name = params
            .text("name")?
            .ok_or_else(|| params.invalid("name", "expected a name, found none"))?;
        if name.is_empty()
            || name.contains(['.', '/', '@'])
            || name.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(params.invalid(
                "name",
                format!("expected a name without dots, slashes, @ and blanks, found `{name}`"),
            ));
        }
        let better = match params.text("better")?.as_deref() {
            None => None,
            Some("higher") => Some(Better::Higher),
            Some("lower") => Some(Better::Lower),
            Some("unknown") => Some(Better::Unknown),
            Some(other) => {
                return Err(params.invalid(
                    "better",
                    format!("expected higher, lower or unknown, found `{other}`"),
                ));
            }
        };
        let class = match params.text("kind")?.as_deref() {
            None if better == Some(Better::Lower) => Class::Latency,
            None | Some("throughput") => Class::Throughput,
            Some("latency") => Class::Latency,
            Some(other) => {
                return Err(params.invalid(
                    "kind",
                    format!("expected throughput or latency, found `{other}`"),
                ));
            }
        };
        let better = better.unwrap_or(match class {
            Class::Throughput => Better::Higher,
            Class::Latency => Better::Lower,
        });
        Ok(Self {
            better,
            class,
            unit: params.text("unit")?.unwrap_or_else(|| "1".into()),
            primary: params.switch("primary")?.unwrap_or(false),
            file: params.text("file")?.map(PathBuf::from),
            reader: Reader::parse(item, &params)?,
            name,
        })
    }

    /// Returns whether it was said how the number is found; else the whole text should be it.
    pub(in crate::tests) fn is_told_how(&self) -> bool {
        !matches!(self.reader, Reader::Whole)
    }

    /// Finds the number in `text`.
    ///
    /// # Errors
    /// What was looked for and what was there instead.
    pub(in crate::tests) fn read(&self, text: &str) -> Result<f64, String> {
        match &self.reader {
            Reader::Whole => number(text).ok_or_else(|| "expected nothing but a number".into()),
            Reader::Json(pointer) => json(text, pointer),
            Reader::Regex(regex) => expression(text, regex),
            Reader::Csv {
                row,
                column,
                delimiter,
            } => cell(text, row, column, *delimiter),
        }
    }
}

impl Reader {
    fn parse(item: &str, params: &Params) -> Result<Self, ParamError> {
        let given: Vec<&str> = ["json", "regex", "csv"]
            .into_iter()
            .filter(|name| params.get(name).is_some())
            .collect();
        match given[..] {
            [] => Ok(Reader::Whole),
            ["json"] => {
                let pointer = params.text("json")?.unwrap_or_default();
                if !(pointer.is_empty() || pointer.starts_with('/')) {
                    return Err(params.invalid(
                        "json",
                        format!("expected a JSON pointer, which starts with a slash (`/jobs/0/read/iops`), found `{pointer}`"),
                    ));
                }
                Ok(Reader::Json(pointer))
            }
            ["regex"] => {
                let text = match params.get("regex") {
                    Some(Value::String(text)) => text,
                    _ => return Err(params.invalid("regex", "expected text")),
                };
                Regex::new(text)
                    .map(Reader::Regex)
                    .map_err(|error| params.invalid("regex", error.to_string()))
            }
            ["csv"] => {
                let place = format!("csv of {item}");
                let cell = params.get("csv").unwrap_or(&Value::Null);
                let cell = Params::check(&place, object(&place, cell)?, CSV_PARAMS)?;
                let delimiter = cell.text("delimiter")?.unwrap_or_else(|| ",".into());
                let [delimiter] = delimiter.as_bytes() else {
                    return Err(cell.invalid(
                        "delimiter",
                        format!("expected one ASCII character, found `{delimiter}`"),
                    ));
                };
                Ok(Reader::Csv {
                    row: Place::parse(&cell, "row")?,
                    column: Place::parse(&cell, "column")?,
                    delimiter: *delimiter,
                })
            }
            [first, second, ..] => Err(params.invalid(
                second,
                format!("a number is read in one way, and `{first}` is given already"),
            )),
            [_] => Ok(Reader::Whole),
        }
    }
}

impl Place {
    fn parse(params: &Params, name: &str) -> Result<Self, ParamError> {
        match params.get(name) {
            Some(Value::String(text)) => Ok(Place::Named(text.clone())),
            Some(Value::Number(number)) => number
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
                .filter(|number| *number > 0)
                .map(Place::Number)
                .ok_or_else(|| {
                    params.invalid(
                        name,
                        format!("expected a name or a number from 1 on, found `{number}`"),
                    )
                }),
            Some(other) => Err(params.invalid(
                name,
                format!("expected a name or a number from 1 on, found `{other}`"),
            )),
            None => Err(params.invalid(name, "expected a name or a number from 1 on, found none")),
        }
    }
}

fn object<'a>(item: &str, value: &'a Value) -> Result<&'a Map<String, Value>, ParamError> {
    value.as_object().ok_or_else(|| ParamError::Invalid {
        item: item.into(),
        name: "metrics".into(),
        message: format!("expected a table of keys, found `{value}`"),
    })
}

/// Reads a finite number.
fn number(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}

fn json(text: &str, pointer: &str) -> Result<f64, String> {
    // Some tools print messages before their JSON.
    let parsed = serde_json::from_str::<Value>(text).or_else(|error| {
        let start = text
            .match_indices(['{', '['])
            .map(|(at, _)| at)
            .find(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n');
        start
            .filter(|at| *at > 0)
            .map_or(Err(error), |at| serde_json::from_str(&text[at..]))
    });
    let document = parsed
        .map_err(|error| format!("JSON pointer `{pointer}`: the output is not JSON ({error})"))?;
    let Some(found) = document.pointer(pointer) else {
        return Err(format!(
            "JSON pointer `{pointer}` leads nowhere{}",
            deepest(&document, pointer)
        ));
    };
    let figure = match found {
        Value::Number(figure) => figure.as_f64().filter(|figure| figure.is_finite()),
        Value::String(text) => number(text),
        _ => None,
    };
    figure.ok_or_else(|| {
        format!(
            "JSON pointer `{pointer}` leads to `{}`, which is no finite number",
            short(&found.to_string())
        )
    })
}

/// Says how far a pointer could be followed and what is there.
fn deepest(document: &Value, pointer: &str) -> String {
    let mut reached = pointer;
    while let Some(cut) = reached.rfind('/') {
        reached = &reached[..cut];
        match document.pointer(reached) {
            Some(Value::Object(map)) => {
                let keys: Vec<&str> = map.keys().map(String::as_str).take(12).collect();
                return format!("; at `{reached}` there are the keys {}", keys.join(", "));
            }
            Some(Value::Array(items)) => {
                return format!("; at `{reached}` there is a list of {}", items.len());
            }
            Some(_) => return format!("; at `{reached}` there is a single value"),
            None => {}
        }
    }
    String::new()
}

fn expression(text: &str, regex: &Regex) -> Result<f64, String> {
    let Some(found) = regex.captures(text) else {
        return Err(format!("regular expression `{regex}` matches nothing"));
    };
    let Some(group) = found.get(usize::from(regex.captures_len() > 1)) else {
        return Err(format!(
            "regular expression `{regex}` matches, but its first group does not take part"
        ));
    };
    number(group.as_str()).ok_or_else(|| {
        format!(
            "regular expression `{regex}` finds `{}`, which is no finite number",
            short(group.as_str())
        )
    })
}

fn cell(text: &str, row: &Place, column: &Place, delimiter: u8) -> Result<f64, String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let said = format!("CSV row {row}, column {column}");
    let header = reader
        .headers()
        .map_err(|error| format!("{said}: {error}"))?
        .clone();
    let index = match column {
        Place::Number(number) => number - 1,
        Place::Named(name) => header.iter().position(|cell| cell == name).ok_or_else(|| {
            format!(
                "{said}: no such column; the header has {}",
                short(&header.iter().collect::<Vec<_>>().join(", "))
            )
        })?,
    };
    for (position, record) in reader.records().enumerate() {
        let record = record.map_err(|error| format!("{said}: {error}"))?;
        let wanted = match row {
            Place::Number(number) => position + 1 == *number,
            Place::Named(name) => record.get(0) == Some(name),
        };
        if wanted {
            let found = record.get(index).unwrap_or("");
            return number(found)
                .ok_or_else(|| format!("{said}: `{}` is no finite number", short(found)));
        }
    }
    Err(format!("{said}: no such row"))
}

/// Cuts foreign text to what fits in a message.
fn short(text: &str) -> String {
    let line = crate::text::one_line(text);
    match line.char_indices().nth(120) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod unit {
    use super::*;
    use serde_json::json;

    fn metric(given: Value) -> Metric {
        let mut given = given;
        given["name"] = "m".into();
        Metric::parse("metrics[0]", &given).expect("fits")
    }

    fn read(given: Value, text: &str) -> Result<f64, String> {
        metric(given).read(text)
    }

    #[test]
    fn numbers_are_found_by_pointer_expression_cell_or_alone() {
        assert_eq!(
            read(json!({"json": "/a/0/b"}), r#"{"a": [{"b": 1.5}]}"#),
            Ok(1.5)
        );
        assert_eq!(
            read(
                json!({"json": "/b"}),
                "note: cold cache {\n{\"b\": \"2e3\"}\n"
            ),
            Ok(2000.0)
        );
        assert_eq!(
            read(
                json!({"regex": r"took ([0-9.]+) s"}),
                "it took 0.25 s\ntook 9 s"
            ),
            Ok(0.25)
        );
        assert_eq!(read(json!({"regex": r"\d+"}), "answer 42!"), Ok(42.0));
        let table = "\"test\",\"rps\"\n\"SET\",\"10\"\n\"GET\",\"20.5\"\n";
        assert_eq!(
            read(json!({"csv": {"row": "GET", "column": "rps"}}), table),
            Ok(20.5)
        );
        assert_eq!(
            read(json!({"csv": {"row": 1, "column": 2}}), table),
            Ok(10.0)
        );
        assert_eq!(
            read(
                json!({"csv": {"row": "x", "column": "b", "delimiter": ";"}}),
                "a;b\nx; 7\n"
            ),
            Ok(7.0)
        );
        assert_eq!(read(json!({}), " 12 \n"), Ok(12.0));
    }

    #[test]
    fn a_number_that_is_not_there_is_said_with_what_is() {
        for (given, text, said) in [
            (
                json!({"json": "/a/c"}),
                r#"{"a": {"b": 1}}"#,
                "JSON pointer `/a/c` leads nowhere; at `/a` there are the keys b",
            ),
            (
                json!({"json": "/a/2"}),
                r#"{"a": [1]}"#,
                "JSON pointer `/a/2` leads nowhere; at `/a` there is a list of 1",
            ),
            (
                json!({"json": "/a"}),
                r#"{"a": null}"#,
                "JSON pointer `/a` leads to `null`, which is no finite number",
            ),
            (
                json!({"json": "/a"}),
                r#"{"a": "NaN"}"#,
                "JSON pointer `/a` leads to `\"NaN\"`, which is no finite number",
            ),
            (
                json!({"regex": "x=(.*)"}),
                "y=1",
                "regular expression `x=(.*)` matches nothing",
            ),
            (
                json!({"regex": "x=(.*)"}),
                "x=inf",
                "regular expression `x=(.*)` finds `inf`, which is no finite number",
            ),
            (
                json!({"regex": "x(=1)?"}),
                "x",
                "regular expression `x(=1)?` matches, but its first group does not take part",
            ),
            (
                json!({"csv": {"row": "r", "column": "c"}}),
                "a,b\nr,1\n",
                "CSV row `r`, column `c`: no such column; the header has a, b",
            ),
            (
                json!({"csv": {"row": 2, "column": 1}}),
                "a\n1\n",
                "CSV row 2, column 1: no such row",
            ),
            (
                json!({"csv": {"row": 1, "column": 3}}),
                "a\n1\n",
                "CSV row 1, column 3: `` is no finite number",
            ),
            (json!({}), "12 IOPS", "expected nothing but a number"),
        ] {
            assert_eq!(read(given, text), Err(said.to_owned()));
        }
        assert!(
            read(json!({"json": "/a"}), "oops")
                .expect_err("no JSON")
                .starts_with("JSON pointer `/a`: the output is not JSON (")
        );
    }

    #[test]
    fn kind_and_direction_follow_from_each_other() {
        let both = |given| {
            let metric = metric(given);
            (metric.class, metric.better)
        };
        assert_eq!(both(json!({})), (Class::Throughput, Better::Higher));
        assert_eq!(
            both(json!({"better": "lower"})),
            (Class::Latency, Better::Lower)
        );
        assert_eq!(
            both(json!({"kind": "latency"})),
            (Class::Latency, Better::Lower)
        );
        assert_eq!(
            both(json!({"kind": "throughput", "better": "lower"})),
            (Class::Throughput, Better::Lower)
        );
        assert_eq!(
            both(json!({"better": "unknown"})),
            (Class::Throughput, Better::Unknown)
        );
    }

    #[test]
    fn bad_declarations_name_the_place() {
        for (given, said) in [
            (
                json!({"name": "a.b"}),
                "parameter `name` of `metrics[0]`: expected a name without dots, slashes, @ and blanks, found `a.b`",
            ),
            (
                json!({"json": "/x"}),
                "parameter `name` of `metrics[0]`: expected a name, found none",
            ),
            (
                json!({"name": "a", "jsno": "/x"}),
                "`metrics[0]` has no parameter `jsno`; did you mean `json`?",
            ),
            (
                json!({"name": "a", "json": "x"}),
                "parameter `json` of `metrics[0]`: expected a JSON pointer, which starts with a slash (`/jobs/0/read/iops`), found `x`",
            ),
            (
                json!({"name": "a", "json": "/x", "regex": "x"}),
                "parameter `regex` of `metrics[0]`: a number is read in one way, and `json` is given already",
            ),
            (
                json!({"name": "a", "better": "more"}),
                "parameter `better` of `metrics[0]`: expected higher, lower or unknown, found `more`",
            ),
            (
                json!({"name": "a", "kind": "time"}),
                "parameter `kind` of `metrics[0]`: expected throughput or latency, found `time`",
            ),
            (
                json!({"name": "a", "csv": {"row": 0, "column": 1}}),
                "parameter `row` of `csv of metrics[0]`: expected a name or a number from 1 on, found `0`",
            ),
            (
                json!({"name": "a", "csv": {"row": 1}}),
                "parameter `column` of `csv of metrics[0]`: expected a name or a number from 1 on, found none",
            ),
            (
                json!("a"),
                "parameter `metrics` of `metrics[0]`: expected a table of keys, found `\"a\"`",
            ),
        ] {
            assert_eq!(
                Metric::parse("metrics[0]", &given)
                    .expect_err(said)
                    .to_string(),
                said
            );
        }
        let error = Metric::parse("metrics[0]", &json!({"name": "a", "regex": "("}))
            .expect_err("unclosed")
            .to_string();
        assert!(error.contains("unclosed group"), "{error}");
    }
}
