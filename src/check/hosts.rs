//! Lists of machines, parameters of hosts, auth files.

use std::path::Path;

use serde_json::{Value, json};

use super::{Checked, Finding, text_of};
use crate::config::host_params;
use crate::profiles::vm_map::auth::{Auth, Login};
use crate::profiles::vm_map::machines::Machines;

pub(super) fn machines(path: &Path, checked: &mut Checked) {
    let Some(text) = text_of(path, checked) else {
        return;
    };
    let read = Machines::read(path, &text, None);
    checked.kind = read.format.words().to_owned();
    for fault in &read.faults {
        checked.fault(Finding::at_line(fault.line, fault.message.as_str()));
    }
    for note in &read.notes {
        checked.note(Finding::at_line(note.line, note.message.as_str()));
    }
    if read
        .machines
        .iter()
        .any(|machine| machine.password.is_some())
    {
        checked.note(
            Finding::new("", "it holds passwords in clear text")
                .next("keep them in an auth file, or use keys"),
        );
    }
    let list: Vec<Value> = read
        .machines
        .iter()
        .map(|machine| {
            let mut entry = json!({"name": machine.name, "address": machine.address});
            if let Some(user) = &machine.user {
                entry["user"] = user.as_str().into();
            }
            if let Some(port) = machine.port {
                entry["port"] = port.into();
            }
            if !machine.groups.is_empty() {
                let groups: Vec<&str> = machine.groups.iter().map(String::as_str).collect();
                entry["groups"] = groups.into();
            }
            entry
        })
        .collect();
    checked.say("machines", list);
    if !read.groups.is_empty() {
        let groups: Vec<String> = read.groups.into_iter().collect();
        checked.say("groups", groups);
    }
}

pub(super) fn params(path: &Path, checked: &mut Checked) {
    let Some(text) = text_of(path, checked) else {
        return;
    };
    let (values, faults) = host_params::check_text(&text);
    for fault in faults {
        checked.fault(Finding::new("", fault.to_string()));
    }
    for (key, value) in values {
        if !host_params::KNOWN.contains(&key.as_str())
            && let Some(near) = crate::text::nearest(&key, host_params::KNOWN)
        {
            checked.note(
                Finding::new(
                    format!("`{key}`"),
                    "no parameter with a meaning of its own: kept for templates",
                )
                .next(format!("did you mean `{near}`?")),
            );
        }
        checked.say(&key, value);
    }
}

pub(super) fn auth(path: &Path, checked: &mut Checked) {
    match Auth::load(path) {
        Ok(auth) => {
            let how = match &auth.login {
                Login::Password(_) => "password".to_owned(),
                Login::Key(key) => format!("key {}", key.display()),
                Login::Agent => "agent".to_owned(),
            };
            checked.say("user", auth.user);
            checked.say("method", how);
            readable_by_others(path, checked);
        }
        Err(faults) => {
            for fault in faults {
                checked.fault(Finding::new("", fault));
            }
        }
    }
}

fn readable_by_others(path: &Path, checked: &mut Checked) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_or(0, |about| about.permissions().mode());
    if mode & 0o077 != 0 {
        checked.note(
            Finding::new(
                "",
                format!("others may read it (mode {:04o})", mode & 0o7777),
            )
            .next(format!("chmod 600 {}", path.display())),
        );
    }
}
