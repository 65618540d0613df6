//! Ansible inventories in YAML: groups with `hosts`, `vars` and `children`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::machines::Collected;
use crate::text::one_line;

/// Groups inside groups; deeper ones are a mistake.
const DEEPEST: usize = 32;

pub(super) fn read(text: &str, into: &mut Collected) {
    let value: Value = match serde_saphyr::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let line = error
                .location()
                .map_or(0, |place| usize::try_from(place.line()).unwrap_or_default());
            return into.fault(
                line,
                format!("it is no YAML: {}", one_line(&error.to_string())),
            );
        }
    };
    match &value {
        Value::Object(groups) => {
            for (name, group) in groups {
                self::group(name, group, DEEPEST, into);
            }
        }
        Value::Null => {}
        other => into.fault(0, format!("expected groups by name, found {}", kind(other))),
    }
}

fn group(name: &str, value: &Value, depth: usize, into: &mut Collected) {
    into.group(name);
    if depth == 0 {
        return into.fault(
            0,
            format!("expected groups inside groups {DEEPEST} deep at most, found more"),
        );
    }
    let Some(keys) = table(value, &format!("group `{}`", one_line(name)), into) else {
        return;
    };
    for (key, value) in keys {
        let place = format!("`{key}` of group `{}`", one_line(name));
        match key.as_str() {
            "hosts" => {
                for (pattern, vars) in table(value, &place, into).into_iter().flatten() {
                    let place = format!("machine `{}`", one_line(pattern));
                    let vars: BTreeMap<String, String> = table(vars, &place, into)
                        .into_iter()
                        .flatten()
                        .map(|(name, value)| (name.clone(), text(value)))
                        .collect();
                    into.hosts(0, name, pattern, &vars);
                }
            }
            "vars" => {
                for (var, value) in table(value, &place, into).into_iter().flatten() {
                    into.group_var(name, var, &text(value));
                }
            }
            "children" => {
                for (child, value) in table(value, &place, into).into_iter().flatten() {
                    into.child(name, child);
                    group(child, value, depth - 1, into);
                }
            }
            other => into.fault(
                0,
                format!(
                    "expected `hosts`, `vars` or `children` in group `{}`, found `{}`",
                    one_line(name),
                    one_line(other)
                ),
            ),
        }
    }
}

/// Nothing at all is an empty table.
fn table<'v>(
    value: &'v Value,
    place: &str,
    into: &mut Collected,
) -> Option<&'v Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        Value::Null => None,
        other => {
            into.fault(
                0,
                format!("expected names in {place}, found {}", kind(other)),
            );
            None
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a switch",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}
