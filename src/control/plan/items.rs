//! Names of a plan: hosts, profiles, tests, looked up and checked.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{PlanError, PlannedHost, PlannedProfile, PlannedTest};
use crate::cli::item::Item;
use crate::config::assets::Assets;
use crate::config::host_params::{Declared, Measured};
use crate::control::cancel::CancelToken;
use crate::control::options::RunOptions;
use crate::profiles::registry::{COMMON_PARAMS, PROFILES};
use crate::provisioners::registry::PROVISIONERS;
use crate::registry::{self, Available, LookupError};
use crate::shell::Limits;
use crate::shell::local::LocalShell;
use crate::tests::params::{ParamError, Params};
use crate::tests::registry::TESTS;
use crate::text;

/// Stands for the tests of the command line in `RUNPERF_TESTS`.
const ALL_TESTS: &str = "$@";

/// A machine that does not answer a few short commands in this time is not usable.
const MEASURE_LIMIT: Duration = Duration::from_secs(60);

pub(super) fn hosts(
    options: &RunOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<PlannedHost>, PlanError> {
    let mut names = BTreeSet::new();
    for host in &options.hosts {
        let refuse = |reason: String, hint| PlanError::Host {
            name: host.name.clone(),
            reason,
            hint,
        };
        if !names.insert(text::file_name(&host.name)) {
            return Err(refuse(
                "two hosts have this name".into(),
                "name them apart: NAME:ADDRESS",
            ));
        }
        if !is_this_machine(&host.address) {
            return Err(refuse(
                format!(
                    "`{}` is another machine, and remote hosts are not in this build yet",
                    host.address
                ),
                "only localhost, 127.0.0.1, ::1 or this machine's own name can be used now",
            ));
        }
        if names.len() > 1 {
            return Err(refuse(
                format!(
                    "`{}` is the same machine as `{}`",
                    host.address, options.hosts[0].name
                ),
                "name it once",
            ));
        }
    }
    for address in options.force_params.keys() {
        if !options.hosts.iter().any(|host| host.address == *address) {
            notes.push(format!(
                "--force-params for `{}` has no effect: no host has this address",
                text::one_line(address)
            ));
        }
    }
    let assets = Assets::new(&options.paths, &options.config);
    options
        .hosts
        .iter()
        .map(|host| {
            let forced = options.force_params.get(&host.address);
            let declared = Declared::load(&assets, &host.address, forced)?;
            // This machine is known to be the one; asking it changes nothing.
            let limits = Limits::new(CancelToken::default()).within(MEASURE_LIMIT);
            let measured = Measured::take(&LocalShell::new(host.name.as_str()), &limits).map_err(
                |source| PlanError::Measure {
                    name: host.name.clone(),
                    source,
                },
            )?;
            let resolved = declared.complete(&measured);
            notes.extend(
                resolved
                    .notes
                    .iter()
                    .map(|note| format!("host `{}`: {note}", host.name)),
            );
            Ok(PlannedHost {
                name: host.name.clone(),
                address: host.address.clone(),
                params: resolved.params,
            })
        })
        .collect()
}

/// Returns whether an address means the machine this program runs on.
fn is_this_machine(address: &str) -> bool {
    if let Ok(number) = address.parse::<IpAddr>() {
        return number.is_loopback();
    }
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let own = own.trim();
    address.eq_ignore_ascii_case("localhost")
        || (!own.is_empty()
            && (address.eq_ignore_ascii_case(own) || own.split('.').next() == Some(address)))
}

pub(super) fn provisioner(options: &RunOptions) -> Result<(), PlanError> {
    let Some(item) = &options.provisioner else {
        return Ok(());
    };
    let entry = registry::find("provisioner", PROVISIONERS, &item.name)?;
    Err(LookupError::NotYet {
        kind: "provisioner",
        name: entry.name.to_owned(),
    }
    .into())
}

pub(super) fn profiles(options: &RunOptions) -> Result<Vec<PlannedProfile>, PlanError> {
    let tests = options
        .tests
        .iter()
        .map(test)
        .collect::<Result<Vec<_>, _>>()?;
    options
        .profiles
        .iter()
        .map(|item| profile(item, &tests))
        .collect()
}

fn profile(item: &Item, all: &[PlannedTest]) -> Result<PlannedProfile, PlanError> {
    let entry = registry::find("profile", PROFILES, &item.name)?;
    let Available::Built(build) = &entry.available else {
        return Err(LookupError::NotYet {
            kind: "profile",
            name: entry.name.to_owned(),
        }
        .into());
    };
    let mut params = item.params.clone();
    let common = Params::check(entry.name, &only_common(&mut params), COMMON_PARAMS)?;
    if let Some((key, _)) = params.iter().find(|(key, _)| key.starts_with("__")) {
        let near =
            text::nearest(key, COMMON_PARAMS.iter().map(|param| param.name)).map(str::to_owned);
        return Err(ParamError::Unknown {
            item: entry.name.into(),
            name: key.clone(),
            near,
        }
        .into());
    }
    let name = path_name(entry.name, &common)?;
    let profile = build(name.clone(), &params)?;
    let changes = profile.changes();
    let tests = match common.get("RUNPERF_TESTS") {
        None => all.to_vec(),
        Some(list) => own_tests(&common, list, all)?,
    };
    let keep_assets = common.switch("__KEEP_ASSETS__")?.unwrap_or(false);
    Ok(PlannedProfile {
        name,
        kind: entry.name.to_owned(),
        params,
        keep_assets,
        changes,
        tests,
        build: *build,
    })
}

/// Moves the parameters of every profile out of `params`.
fn only_common(params: &mut Map<String, Value>) -> Map<String, Value> {
    let mut common = Map::new();
    for param in COMMON_PARAMS {
        // Not `remove`, which would change the order of what is left.
        if let Some(value) = params.shift_remove(param.name) {
            common.insert(param.name.to_owned(), value);
        }
    }
    common
}

/// Resolves `RUNPERF_TESTS`: names, `[name, parameters]`, `$@`.
fn own_tests(
    common: &Params,
    list: &Value,
    all: &[PlannedTest],
) -> Result<Vec<PlannedTest>, PlanError> {
    let wrong = |found: &Value| {
        common.invalid(
            "RUNPERF_TESTS",
            format!(
                "expected a list of names, [name, parameters] pairs and \"$@\", found `{found}`"
            ),
        )
    };
    let items = list.as_array().ok_or_else(|| wrong(list))?;
    let mut tests = Vec::new();
    for item in items {
        match item {
            Value::String(marker) if marker == ALL_TESTS => tests.extend(all.iter().cloned()),
            Value::String(name) => tests.push(test(&Item {
                name: name.clone(),
                params: Map::new(),
            })?),
            Value::Array(pair) => match &pair[..] {
                [Value::String(name), Value::Object(params)] => {
                    tests.push(test(&Item {
                        name: name.clone(),
                        params: params.clone(),
                    })?);
                }
                _ => return Err(wrong(item).into()),
            },
            _ => return Err(wrong(item).into()),
        }
    }
    Ok(tests)
}

fn test(item: &Item) -> Result<PlannedTest, PlanError> {
    let entry = registry::find("test", TESTS, &item.name)?;
    let Available::Built(build) = &entry.available else {
        return Err(LookupError::NotYet {
            kind: "test",
            name: entry.name.to_owned(),
        }
        .into());
    };
    let name = path_name(
        entry.name,
        &Params::check(entry.name, &name_only(&item.params), &[])?,
    )?;
    let mut params = item.params.clone();
    params.shift_remove("__NAME__");
    let built = build(name.clone(), &params)?;
    Ok(PlannedTest {
        name,
        kind: entry.name.to_owned(),
        expected: built.expected(),
        description: built.describe(),
        params,
        build: *build,
    })
}

fn name_only(params: &Map<String, Value>) -> Map<String, Value> {
    params
        .iter()
        .filter(|(key, _)| *key == "__NAME__")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Returns the name in paths and ids: `__NAME__`, else the item's own, made safe as one folder.
fn path_name(own: &str, params: &Params) -> Result<String, PlanError> {
    let name = params.text("__NAME__")?.unwrap_or_else(|| own.to_owned());
    let safe = text::file_name(&name);
    if safe.trim().is_empty() || safe.starts_with("__") {
        let message = format!(
            "`{name}` cannot be a folder of the result: names are not empty and do not start with `__`"
        );
        return Err(params.invalid("__NAME__", message).into());
    }
    Ok(safe)
}
