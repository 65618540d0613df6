//! What people get to read.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::check::{Checked, Finding};
use crate::control::progress::count;
use crate::text::one_line;

/// How it is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub(super) color: bool,
    /// Only what is wrong.
    pub(super) quiet: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// The faults and notes of each item, and how many were bad.
pub(super) fn check(items: &[Checked], style: Style) -> String {
    let mut text = String::new();
    for item in items {
        let faults = item.faults.len() + usize::try_from(item.more_faults).unwrap_or(usize::MAX);
        if item.is_good() && style.quiet {
            continue;
        }
        let verdict = match faults {
            0 => "good".to_owned(),
            faults => style.bad(&count(faults, "fault")),
        };
        let name = style.strong(&one_line(&item.name));
        let _ = writeln!(text, "{name}: {}: {verdict}", item.kind);
        findings(&mut text, &item.faults, &style.bad("fault:"));
        if item.more_faults > 0 {
            let _ = writeln!(text, "  and {} more", item.more_faults);
        }
        if !style.quiet {
            findings(&mut text, &item.notes, "note:");
        }
    }
    let bad = items.iter().filter(|item| !item.is_good()).count();
    let _ = match bad {
        0 => writeln!(text, "PASS: {} checked", items.len()),
        bad => writeln!(
            text,
            "{}: {bad} of {} have faults",
            style.bad("FAIL"),
            items.len()
        ),
    };
    text
}

fn findings(text: &mut String, findings: &[Finding], word: &str) {
    for finding in findings {
        let place = match finding.place.as_str() {
            "" => String::new(),
            place => format!("{place}: "),
        };
        let _ = writeln!(text, "  {word} {place}{}", finding.message);
        if let Some(next) = &finding.next {
            let _ = writeln!(text, "    next: {}", one_line(next));
        }
    }
}

/// What each item is and says.
pub(super) fn describe(items: &[Checked], style: Style) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let name = style.strong(&one_line(&item.name));
        let _ = writeln!(text, "{name}: {}", item.kind);
        table(&mut text, &item.about, 1);
        findings(&mut text, &item.faults, &style.bad("fault:"));
        if !style.quiet {
            findings(&mut text, &item.notes, "note:");
        }
    }
    text
}

fn table(text: &mut String, about: &Map<String, Value>, depth: usize) {
    let indent = "  ".repeat(depth);
    let width = about
        .iter()
        .filter(|(_, value)| is_flat(value))
        .map(|(key, _)| key.chars().count())
        .max()
        .unwrap_or(0);
    for (key, value) in about {
        let key = one_line(key);
        match value {
            value if is_flat(value) => {
                let _ = writeln!(text, "{indent}{key:<width$}  {}", flat(value));
            }
            Value::Object(inner) => {
                let _ = writeln!(text, "{indent}{key}");
                table(text, inner, depth + 1);
            }
            Value::Array(items) => {
                let _ = writeln!(text, "{indent}{key}");
                for item in items {
                    let _ = writeln!(text, "{indent}  - {}", flat(item));
                }
            }
            _ => {}
        }
    }
}

/// Fits on the line of its key.
fn is_flat(value: &Value) -> bool {
    match value {
        Value::Object(inner) => inner.is_empty() || is_param(inner),
        Value::Array(items) => {
            items.len() <= 12
                && items
                    .iter()
                    .all(|item| !item.is_object() && !item.is_array())
                && items.iter().map(|item| flat(item).len() + 2).sum::<usize>() <= 80
        }
        _ => true,
    }
}

/// A parameter of a test or profile.
fn is_param(inner: &Map<String, Value>) -> bool {
    inner.len() == 2 && inner.contains_key("default") && inner.contains_key("summary")
}

fn flat(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => one_line(text),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(", "),
        Value::Object(inner) if inner.is_empty() => "none".into(),
        Value::Object(inner) if is_param(inner) => {
            let summary = flat(&inner["summary"]);
            match flat(&inner["default"]).as_str() {
                "" => summary,
                default => format!("{summary} (default: {default})"),
            }
        }
        Value::Object(inner) => {
            let mut words = Vec::new();
            for (key, value) in inner {
                if !value.is_null() {
                    words.push(format!("{} {}", one_line(key), flat(value)));
                }
            }
            words.join(", ")
        }
        other => other.to_string(),
    }
}
