//! Tests and profiles as run-perf takes them: `NAME[:JSON]`.

use serde_json::{Map, Value, json};

use super::{Checked, Finding};
use crate::cli::item::{Item, parse_item};
use crate::config::{Config, Kind};
use crate::control::plan;
use crate::profiles::registry::PROFILES;
use crate::registry::{self, Available, Entry};
use crate::tests::params::Param;
use crate::tests::registry::TESTS;

/// Names that are built in, by kind.
pub(super) fn tables() -> [(Kind, Vec<&'static str>); 2] {
    [
        (Kind::Test, registry::names(TESTS).collect()),
        (Kind::Profile, registry::names(PROFILES).collect()),
    ]
}

/// Returns what is wrong with one declaration of a configuration.
pub(super) fn declared_fault(
    config: &Config,
    kind: Kind,
    name: &str,
    built_in: &[&str],
) -> Option<String> {
    let hides = built_in
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name));
    if hides && !config.overrides(name) {
        return Some(format!(
            "it hides the built-in {} `{name}`, which only `override = [\"{name}\"]` at the top of the file allows",
            kind.word()
        ));
    }
    let item = Item {
        name: name.to_owned(),
        params: Map::new(),
    };
    let error = match kind {
        Kind::Test => plan::planned_test(&item, config).err()?,
        Kind::Profile => plan::planned_profile(&item, config).err()?,
    };
    Some(error.to_string())
}

/// Looks at an item; `None` when nobody could mean one by this.
pub(super) fn look(typed: &str, config: Option<&Config>) -> Option<Checked> {
    let name = typed.split(':').next().unwrap_or_default();
    if name.is_empty() || name.contains(['/', '.']) {
        return None;
    }
    let nothing = Config::default();
    let config = config.unwrap_or(&nothing);
    let known = |kind: Kind| {
        config
            .declared(kind)
            .keys()
            .any(|declared| declared.eq_ignore_ascii_case(name))
    };
    let is_test = known(Kind::Test) || registry::find("test", TESTS, name).is_ok();
    let is_profile = known(Kind::Profile) || registry::find("profile", PROFILES, name).is_ok();
    if !is_test && !is_profile {
        return None;
    }
    let mut checked = Checked::new(typed, if is_test { "test" } else { "profile" });
    let item = match parse_item(typed) {
        Ok(item) => item,
        Err(message) => {
            checked.fault(Finding::new("", message));
            return Some(checked);
        }
    };
    if is_test {
        about(TESTS, "test", name, &mut checked);
        match plan::planned_test(&item, config) {
            Ok(test) => {
                checked.say("name", test.name.as_str());
                checked.say("does", test.description.clone());
            }
            Err(error) => refused(&error, &mut checked),
        }
    } else {
        about(PROFILES, "profile", name, &mut checked);
        match plan::planned_profile(&item, config) {
            Ok(profile) => {
                checked.say("name", profile.name.as_str());
                checked.say("changes", profile.changes.clone());
            }
            Err(error) => refused(&error, &mut checked),
        }
    }
    Some(checked)
}

fn refused(error: &plan::PlanError, checked: &mut Checked) {
    let finding = Finding::new("", error.to_string());
    checked.fault(match error.hint() {
        Some(step) => finding.next(step),
        None => finding,
    });
}

/// What the table says: for people who ask what something is.
fn about<B>(table: &[Entry<B>], kind: &'static str, name: &str, checked: &mut Checked) {
    let Ok(entry) = registry::find(kind, table, name) else {
        return;
    };
    checked.say("kind", entry.name);
    checked.say("summary", entry.summary);
    if matches!(entry.available, Available::NotYet) {
        checked.say("available", false);
    }
    let params: Map<String, Value> = entry
        .params
        .iter()
        .map(|param: &Param| {
            let about = json!({"default": param.default, "summary": param.summary});
            (param.name.to_owned(), about)
        })
        .collect();
    checked.say("parameters", params);
}
