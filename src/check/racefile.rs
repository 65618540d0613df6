//! Racefiles of Podrace: manifests, laps, collectors.
//!
//! The rules of its own loader, and what it never checked: roles, commands, sources and the files
//! that are named.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Checked, Finding, text_of};
use crate::text::{nearest, one_line};

const KEYS: [&str; 5] = ["name", "configs", "warmup", "benchmark", "collectors"];
const LAP: [&str; 3] = ["type", "role", "command"];
const COLLECTOR: [&str; 4] = ["type", "role", "source", "destination"];

pub(super) fn look(path: &Path, checked: &mut Checked) {
    let file = if path.is_dir() {
        let found = ["racefile", "racefile.yaml"]
            .map(|name| path.join(name))
            .into_iter()
            .find(|file| file.is_file());
        match found {
            Some(file) => file,
            None => {
                return checked.fault(Finding::new(
                    "",
                    "expected `racefile` or `racefile.yaml` in this folder, found neither",
                ));
            }
        }
    } else {
        path.to_owned()
    };
    let Some(text) = text_of(&file, checked) else {
        return;
    };
    let value: Value = match serde_saphyr::from_str(&text) {
        Ok(value) => value,
        Err(error) => {
            let message = error.without_snippet().to_string();
            return checked.fault(Finding::new(
                "",
                format!("it cannot be read as YAML: {message}"),
            ));
        }
    };
    let Value::Object(keys) = value else {
        return checked.fault(Finding::new(
            "",
            "expected a mapping at the top, found something else",
        ));
    };
    unknown(&keys, &KEYS, "", checked);
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let own = folder.canonicalize().unwrap_or(folder.clone());
    let own = own
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let name = scalar(&keys, "name", "", checked).unwrap_or(own);
    checked.say("name", name);
    configs(&keys, &folder, checked);
    let warmup = list(&keys, "warmup", checked);
    let benchmark = list(&keys, "benchmark", checked);
    laps("warmup", warmup, checked);
    if laps("benchmark", benchmark, checked) == 0 {
        checked.note(Finding::new(
            "benchmark",
            "there is no lap: nothing is measured",
        ));
    }
    collectors(list(&keys, "collectors", checked), checked);
}

fn list<'v>(keys: &'v Map<String, Value>, key: &str, checked: &mut Checked) -> &'v [Value] {
    match keys.get(key) {
        None => &[],
        Some(Value::Array(items)) => items,
        Some(_) => {
            checked.fault(Finding::new(key, "expected a list, found something else"));
            &[]
        }
    }
}

/// Text, or what YAML takes for a number or switch.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn scalar(
    keys: &Map<String, Value>,
    key: &str,
    place: &str,
    checked: &mut Checked,
) -> Option<String> {
    let value = keys.get(key)?;
    let found = plain(value);
    if found.is_none() {
        let place = [place, key].join(" ");
        checked.fault(Finding::new(
            place.trim(),
            "expected text, found something else",
        ));
    }
    found
}

fn unknown(keys: &Map<String, Value>, known: &[&str], place: &str, checked: &mut Checked) {
    for key in keys.keys().filter(|key| !known.contains(&key.as_str())) {
        let finding = Finding::new(place, format!("`{}` means nothing here", one_line(key)));
        checked.note(match nearest(key, known.iter().copied()) {
            Some(near) => finding.next(format!("did you mean `{near}`?")),
            None => finding,
        });
    }
}

fn configs(keys: &Map<String, Value>, folder: &Path, checked: &mut Checked) {
    let mut files = Vec::new();
    for (index, entry) in list(keys, "configs", checked).iter().enumerate() {
        let place = format!("configs, entry {}", index + 1);
        let Some(name) = plain(entry) else {
            checked.fault(Finding::new(
                place,
                "expected the name of a file, found something else",
            ));
            continue;
        };
        let path: PathBuf = folder.join(&name);
        if !path.is_file() {
            checked.fault(
                Finding::new(
                    place,
                    format!("expected a file {}, found none", path.display()),
                )
                .next("names are relative to the folder of the racefile"),
            );
        }
        files.push(Value::from(name));
    }
    checked.say("configs", files);
}

fn laps(section: &str, items: &[Value], checked: &mut Checked) -> usize {
    let mut said = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let place = format!("{section}, lap {}", index + 1);
        let Value::Object(lap) = item else {
            checked.fault(Finding::new(
                place,
                "expected a mapping, found something else",
            ));
            continue;
        };
        unknown(lap, &LAP, &place, checked);
        if let Some(kind) = scalar(lap, "type", &place, checked).filter(|kind| kind != "exec") {
            checked.fault(Finding::new(
                place.as_str(),
                format!("expected the type `exec`, found `{}`", one_line(&kind)),
            ));
        }
        let role = role(lap, &place, checked);
        let command: Option<Vec<String>> = match lap.get("command") {
            Some(Value::Array(words)) => words.iter().map(plain).collect(),
            Some(_) | None => None,
        };
        match &command {
            Some(words) if !words.is_empty() => {}
            _ => checked.fault(
                Finding::new(
                    place.as_str(),
                    "expected `command` as a list of words, found none",
                )
                .next("no shell is implied: [\"/bin/sh\", \"-c\", \"…\"] is one"),
            ),
        }
        said.push(json!({"type": "exec", "role": role, "command": command.unwrap_or_default()}));
    }
    let count = said.len();
    checked.say(section, said);
    count
}

fn role(keys: &Map<String, Value>, place: &str, checked: &mut Checked) -> Option<String> {
    let role = scalar(keys, "role", place, checked).filter(|role| !role.is_empty());
    if role.is_none() && !keys.contains_key("role") {
        checked.fault(
            Finding::new(place, "expected `role`, found none: it would run nowhere")
                .next("name the value of the label podrace-role of its pods"),
        );
    }
    role
}

fn collectors(items: &[Value], checked: &mut Checked) {
    let mut said = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let place = format!("collectors, entry {}", index + 1);
        let Value::Object(keys) = item else {
            checked.fault(Finding::new(
                place,
                "expected a mapping, found something else",
            ));
            continue;
        };
        unknown(keys, &COLLECTOR, &place, checked);
        match scalar(keys, "type", &place, checked).as_deref() {
            Some("file") => {}
            Some(other) => checked.fault(Finding::new(
                place.as_str(),
                format!("expected the type `file`, found `{}`", one_line(other)),
            )),
            None if keys.contains_key("type") => {}
            None => checked.fault(Finding::new(
                place.as_str(),
                "expected `type: file`, found no type",
            )),
        }
        let role = role(keys, &place, checked);
        let source = scalar(keys, "source", &place, checked);
        if source.is_none() && !keys.contains_key("source") {
            checked.fault(Finding::new(
                place.as_str(),
                "expected `source`, found none",
            ));
        }
        let destination = scalar(keys, "destination", &place, checked);
        if let Some(to) = &destination
            && (to.starts_with('/') || to.split('/').any(|part| part == ".."))
        {
            checked.fault(Finding::new(
                place.as_str(),
                format!(
                    "expected `destination` below the pod's folder, found `{}`",
                    one_line(to)
                ),
            ));
        }
        said.push(
            json!({"type": "file", "role": role, "source": source, "destination": destination}),
        );
    }
    checked.say("collectors", said);
}
