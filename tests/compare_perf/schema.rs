//! `runperf-comparison/1` as scripts rely on it: what the program writes fits the schema it publishes.
//!
//! The validator knows the keywords our schema uses and stops at any other, so that a new one cannot
//! pass unchecked.

use serde_json::Value;
use tempfile::TempDir;

use super::{compare, json_of, nights, pair, recorded};

/// Keywords that restrict nothing.
const NOTES: [&str; 6] = [
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "format",
];

/// Returns the first thing that does not fit, with its place.
fn misfit(root: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    let Some(rules) = schema.as_object() else {
        return (schema == &Value::Bool(false)).then(|| format!("{place}: nothing may stand here"));
    };
    let bad = |why: &str| Some(format!("{place}: {why}: {value}"));
    let each = |schemas: &Value| -> Vec<Option<String>> {
        let all = schemas.as_array().expect("a list of schemas").iter();
        all.map(|one| misfit(root, one, value, place)).collect()
    };
    for (keyword, rule) in rules {
        let found = match keyword.as_str() {
            note if NOTES.contains(&note) => None,
            "$ref" => {
                let name = rule.as_str().and_then(|text| text.strip_prefix("#/$defs/"));
                let named = &root["$defs"][name.expect("a local reference")];
                assert!(!named.is_null(), "{rule} leads nowhere");
                misfit(root, named, value, place)
            }
            "type" => {
                let is = |name: &Value| match name.as_str().expect("a type is named") {
                    "null" => value.is_null(),
                    "boolean" => value.is_boolean(),
                    "string" => value.is_string(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    "number" => value.is_number(),
                    "integer" => value.is_u64() || value.is_i64(),
                    other => panic!("type {other}"),
                };
                let fits = rule
                    .as_array()
                    .map_or_else(|| is(rule), |all| all.iter().any(is));
                if fits {
                    None
                } else {
                    bad(&format!("not of type {rule}"))
                }
            }
            "enum" => {
                let all = rule.as_array().expect("a list");
                if all.contains(value) {
                    None
                } else {
                    bad("not one of the known words")
                }
            }
            "const" => {
                if rule == value {
                    None
                } else {
                    bad("not the one word")
                }
            }
            "anyOf" => {
                if each(rule).contains(&None) {
                    None
                } else {
                    bad("fits no alternative")
                }
            }
            "oneOf" => match each(rule).iter().filter(|found| found.is_none()).count() {
                1 => None,
                n => bad(&format!("fits {n} alternatives")),
            },
            "minimum" => {
                let (low, number) = (rule.as_f64(), value.as_f64());
                if number.is_none() || number >= low {
                    None
                } else {
                    bad("too small")
                }
            }
            "maximum" => {
                let (high, number) = (rule.as_f64(), value.as_f64());
                if number.is_none() || number <= high {
                    None
                } else {
                    bad("too large")
                }
            }
            "minItems" | "maxItems" => {
                let (limit, length) = (rule.as_u64(), value.as_array().map(|all| all.len() as u64));
                let fits = length.is_none()
                    || if keyword == "minItems" {
                        length >= limit
                    } else {
                        length <= limit
                    };
                if fits {
                    None
                } else {
                    bad(&format!("{keyword} {rule}"))
                }
            }
            "required" => rule.as_array().expect("a list").iter().find_map(|name| {
                let missing = value.get(name.as_str()?).is_none();
                missing.then(|| format!("{place}: {name} is missing"))
            }),
            "properties" => rule
                .as_object()
                .expect("by name")
                .iter()
                .find_map(|(name, one)| {
                    misfit(root, one, value.get(name)?, &format!("{place}/{name}"))
                }),
            "additionalProperties" => value.as_object().and_then(|all| {
                let own = rules.get("properties");
                let more = all
                    .iter()
                    .filter(|(name, _)| own.is_none_or(|own| own.get(name).is_none()));
                more.into_iter()
                    .find_map(|(name, one)| misfit(root, rule, one, &format!("{place}/{name}")))
            }),
            "items" => value.as_array().and_then(|all| {
                let mut all = all.iter().enumerate();
                all.find_map(|(index, one)| misfit(root, rule, one, &format!("{place}/{index}")))
            }),
            other => panic!("the validator does not know `{other}`"),
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

fn published(option: &str) -> Value {
    let dir = TempDir::new().expect("a directory");
    let ran = compare(&dir, &[option]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).expect("a JSON Schema")
}

#[test]
fn what_is_written_fits_the_published_schema() {
    let schema = published("--generate=schema");
    assert_eq!(
        schema,
        published("--print-schema"),
        "one schema by both names"
    );
    let dir = recorded();
    let nights = nights();
    let nights: Vec<&str> = nights.iter().map(String::as_str).collect();
    for options in [
        &["-t", "5"][..],
        &[],
        &["-l", "nights/1_base/linear_model.json"],
        &["--compat"],
    ] {
        let written = json_of(&dir, options, &nights);
        assert_eq!(written["schema"], "runperf-comparison/1");
        assert_eq!(misfit(&schema, &schema, &written, ""), None, "{options:?}");
    }
}

#[test]
fn the_schema_is_strict_enough_to_notice() {
    let schema = published("--print-schema");
    let dir = TempDir::new().expect("a directory");
    pair(&dir, 100.0, 90.0);
    let good = json_of(&dir, &[], &["src", "dst"]);
    assert_eq!(misfit(&schema, &schema, &good, ""), None);
    for (place, wrong) in [
        ("/verdict", Value::from("maybe")),
        ("/exit_code", Value::from(-1)),
        ("/metrics/0/src", Value::from("a number")),
        ("/metrics/0/status", Value::Null),
        ("/metrics/0/history", Value::Null),
        ("/counts", Value::from(Vec::<Value>::new())),
    ] {
        let mut spoilt = good.clone();
        *spoilt.pointer_mut(place).expect(place) = wrong;
        assert!(misfit(&schema, &schema, &spoilt, "").is_some(), "{place}");
    }
    let mut cut = good;
    cut["metrics"][0]
        .as_object_mut()
        .expect("a metric")
        .remove("id");
    assert!(
        misfit(&schema, &schema, &cut, "").is_some(),
        "an id is required"
    );
}
