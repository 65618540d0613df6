//! Configuration files.

use std::path::Path;

use super::{Checked, Finding, item, text_of};
use crate::config::{Config, ConfigError};

/// More faults than a person wants to read at once.
const MOST: usize = 50;

pub(super) fn look(path: &Path, checked: &mut Checked) {
    let Some(mut text) = text_of(path, checked) else {
        return;
    };
    // The reader stops at the first fault: each one's line is taken out, and the rest read again.
    let config = loop {
        match Config::of_text(path, &text) {
            Ok(config) => break Some(config),
            Err(ConfigError::Invalid {
                line,
                column,
                message,
                ..
            }) => {
                checked.fault(Finding::new(
                    format!("line {line}, column {column}"),
                    message,
                ));
                let Some(without) = without_line(&text, line) else {
                    break None;
                };
                // What was opened on that line may be broken by this; that would be no fault of the file.
                let before = parses(&text);
                if checked.faults.len() >= MOST || before && !parses(&without) {
                    break None;
                }
                text = without;
            }
            Err(error) => {
                checked.fault(Finding::new("", error.to_string()));
                break None;
            }
        }
    };
    let Some(config) = config else { return };
    for (kind, built_in) in item::tables() {
        // One after another: a declaration that is wrong does not hide the next.
        for name in config.declared(kind).keys() {
            if let Some(message) = item::declared_fault(&config, kind, name, &built_in) {
                let section = kind.section();
                checked.fault(Finding::new(format!("[{section}.{name}]"), message));
            }
        }
        let names: Vec<&str> = config.declared(kind).keys().map(String::as_str).collect();
        if !names.is_empty() {
            checked.say(kind.section(), names);
        }
    }
    for section in crate::config::schema::sections() {
        let keys: serde_json::Map<_, _> = config
            .section(section)
            .map(|(key, setting)| (key.to_owned(), shown(key, &setting.value)))
            .collect();
        if !keys.is_empty() {
            checked.say(section, keys);
        }
    }
}

fn shown(key: &str, value: &serde_json::Value) -> serde_json::Value {
    if crate::secret::is_secret_name(key) {
        "***".into()
    } else {
        value.clone()
    }
}

fn parses(text: &str) -> bool {
    text.parse::<toml::Table>().is_ok()
}

/// Empties a line, so that the others keep their numbers.
fn without_line(text: &str, line: usize) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let found = lines.get_mut(line.checked_sub(1)?)?;
    if found.trim().is_empty() {
        return None;
    }
    *found = "";
    Some(lines.join("\n"))
}
