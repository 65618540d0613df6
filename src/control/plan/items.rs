//! Names of a plan: profiles and tests, looked up in the tables and the configuration, and checked.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{PlanError, PlannedHost, PlannedProfile, PlannedTest};
use crate::cli::item::{HostArg, Item};
use crate::config::{Config, Kind};
use crate::control::options::RunOptions;
use crate::profiles::registry::{COMMON_PARAMS, PROFILES};
use crate::provisioners::Provisioner;
use crate::provisioners::registry::{self as provisioners, FindError};
use crate::registry::{self, Available, Entry, LookupError};
use crate::tests::params::{ParamError, Params};
use crate::tests::registry::TESTS;
use crate::text;

/// Stands for the tests of the command line in `RUNPERF_TESTS`.
const ALL_TESTS: &str = "$@";

pub(super) fn provisioner(options: &RunOptions) -> Result<Option<Arc<dyn Provisioner>>, PlanError> {
    let Some(item) = &options.provisioner else {
        return Ok(None);
    };
    let made = provisioners::make(&item.name, &item.params).map_err(|error| match error {
        FindError::Lookup(error) => PlanError::from(error),
        FindError::Param(error) => error.into(),
    })?;
    let local = |host: &&HostArg| super::is_this_machine(&host.address);
    if let (true, Some(host)) = (made.installs(), options.hosts.iter().find(local)) {
        return Err(PlanError::Host {
            name: host.name.clone(),
            reason: "it is the machine run-perf runs on, which is never installed anew".into(),
            hint: "name other machines with --hosts, or leave --provisioner out",
        });
    }
    Ok(Some(made))
}

/// An entry of a table, the name it goes by and its parameters.
type Found<'t, B> = (&'t Entry<B>, String, Map<String, Value>);

/// Finds what an item means: a declaration of the configuration, else a built-in.
fn look_up<'t, B>(
    config: &Config,
    kind: Kind,
    table: &'t [Entry<B>],
    item: &Item,
) -> Result<Found<'t, B>, PlanError> {
    let built_in: Vec<&str> = registry::names(table).collect();
    if let Some(declared) = config.expand(kind, &item.name, &item.params, &built_in)? {
        let entry = registry::find(kind.word(), table, &declared.base)?;
        return Ok((entry, declared.name, declared.params));
    }
    let declared = config.declared(kind).keys().map(String::as_str);
    let entry = registry::find(kind.word(), table, &item.name).map_err(|error| match error {
        LookupError::Unknown { kind, name, .. } => {
            let near =
                text::nearest(&name, built_in.iter().copied().chain(declared)).map(str::to_owned);
            LookupError::Unknown { kind, name, near }
        }
        other => other,
    })?;
    Ok((entry, entry.name.to_owned(), item.params.clone()))
}

pub(super) fn profiles(
    options: &RunOptions,
    config: &Config,
) -> Result<Vec<PlannedProfile>, PlanError> {
    config.check_declared(Kind::Test, &registry::names(TESTS).collect::<Vec<_>>())?;
    config.check_declared(
        Kind::Profile,
        &registry::names(PROFILES).collect::<Vec<_>>(),
    )?;
    let tests = options
        .tests
        .iter()
        .map(|item| test(item, config))
        .collect::<Result<Vec<_>, _>>()?;
    options
        .profiles
        .iter()
        .map(|item| profile(item, &tests, config))
        .collect()
}

fn profile(item: &Item, all: &[PlannedTest], config: &Config) -> Result<PlannedProfile, PlanError> {
    let (entry, own_name, mut params) = look_up(config, Kind::Profile, PROFILES, item)?;
    let Available::Built(build) = &entry.available else {
        return Err(LookupError::NotYet {
            kind: "profile",
            name: entry.name.to_owned(),
        }
        .into());
    };
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
    let name = path_name(&own_name, &common)?;
    let profile = build(name.clone(), &params)?;
    let changes = profile.changes();
    let tests = match common.get("RUNPERF_TESTS") {
        None => all.to_vec(),
        Some(list) => own_tests(&common, list, all, config)?,
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

/// Resolves one profile, without tests of a command line.
pub(crate) fn planned_profile(item: &Item, config: &Config) -> Result<PlannedProfile, PlanError> {
    profile(item, &[], config)
}

/// Resolves one test.
pub(crate) fn planned_test(item: &Item, config: &Config) -> Result<PlannedTest, PlanError> {
    test(item, config)
}

/// Asks every profile whether it can be applied to these hosts.
pub(super) fn fits(profiles: &[PlannedProfile], hosts: &[PlannedHost]) -> Result<(), PlanError> {
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    for profile in profiles {
        profile
            .build()?
            .fits(&names)
            .map_err(|why| PlanError::Refused {
                what: format!("profile `{}` cannot be applied: {why}", profile.name),
                hint: "`run-perf --list` shows every parameter with its default",
            })?;
    }
    Ok(())
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
    config: &Config,
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
            Value::String(name) => tests.push(test(
                &Item {
                    name: name.clone(),
                    params: Map::new(),
                },
                config,
            )?),
            Value::Array(pair) => match &pair[..] {
                [Value::String(name), Value::Object(params)] => {
                    tests.push(test(
                        &Item {
                            name: name.clone(),
                            params: params.clone(),
                        },
                        config,
                    )?);
                }
                _ => return Err(wrong(item).into()),
            },
            _ => return Err(wrong(item).into()),
        }
    }
    if tests.is_empty() {
        let message =
            "expected at least one test, found none; leave it out to run those of the command line";
        return Err(common.invalid("RUNPERF_TESTS", message).into());
    }
    Ok(tests)
}

fn test(item: &Item, config: &Config) -> Result<PlannedTest, PlanError> {
    let (entry, own_name, mut params) = look_up(config, Kind::Test, TESTS, item)?;
    let Available::Built(build) = &entry.available else {
        return Err(LookupError::NotYet {
            kind: "test",
            name: entry.name.to_owned(),
        }
        .into());
    };
    let name = path_name(
        &own_name,
        &Params::check(entry.name, &name_only(&params), &[])?,
    )?;
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
