//! Names declared in the configuration: replaced by what they stand for before the plan is made.

use serde_json::{Map, Value};

use crate::config::{Config, Kind};
use crate::control::options::RunOptions;
use crate::control::plan::PlanError;
use crate::profiles::registry::PROFILES;
use crate::registry::{self, LookupError};
use crate::tests::registry::TESTS;

/// A profile's own list of tests.
const OWN_TESTS: &str = "RUNPERF_TESTS";

fn built_in(kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Test => registry::names(TESTS).collect(),
        Kind::Profile => registry::names(PROFILES).collect(),
    }
}

/// Replaces declared tests and profiles by built-in ones with parameters.
///
/// # Errors
/// When a declaration cannot be used, or a name is neither declared nor built in.
pub(super) fn resolve(options: &mut RunOptions) -> Result<(), PlanError> {
    let config = &options.config;
    for kind in [Kind::Test, Kind::Profile] {
        config.check_declared(kind, &built_in(kind))?;
    }
    for item in &mut options.tests {
        (item.name, item.params) = one(config, Kind::Test, &item.name, &item.params)?;
    }
    for item in &mut options.profiles {
        (item.name, item.params) = one(config, Kind::Profile, &item.name, &item.params)?;
        if let Some(Value::Array(tests)) = item.params.get_mut(OWN_TESTS) {
            for test in tests {
                own_test(config, test)?;
            }
        }
    }
    Ok(())
}

fn one(
    config: &Config,
    kind: Kind,
    name: &str,
    params: &Map<String, Value>,
) -> Result<(String, Map<String, Value>), PlanError> {
    let built_in = built_in(kind);
    let (base, params) = config.resolve(kind, name, params, &built_in)?;
    if !built_in
        .iter()
        .any(|known| known.eq_ignore_ascii_case(&base))
    {
        let declared = config.declared(kind).keys().map(String::as_str);
        return Err(LookupError::Unknown {
            kind: kind.word(),
            name: crate::text::one_line(name),
            near: crate::text::nearest(name, built_in.into_iter().chain(declared))
                .map(str::to_owned),
        }
        .into());
    }
    Ok((base, params))
}

/// Replaces one item of a profile's own list; what is no name is judged by the plan.
fn own_test(config: &Config, item: &mut Value) -> Result<(), PlanError> {
    let (name, params) = match item {
        Value::String(name) if name != "$@" => (&*name, Map::new()),
        Value::Array(pair) => match &pair[..] {
            [Value::String(name), Value::Object(params)] => (name, params.clone()),
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    let (base, params) = one(config, Kind::Test, name, &params)?;
    *item = Value::Array(vec![base.into(), params.into()]);
    Ok(())
}

/// Returns what `--list` says about declarations; nothing when there are none.
pub(super) fn list(config: &Config) -> String {
    let mut out = String::new();
    for (kind, title) in [
        (Kind::Profile, "Declared profiles"),
        (Kind::Test, "Declared tests"),
    ] {
        let declared = config.declared(kind);
        if !declared.is_empty() {
            out.push_str(&format!("\n{title}\n"));
        }
        for one in declared.values() {
            out.push_str(&format!(
                "  {} [{}]\n      Extends {}\n",
                one.name, one.origin, one.extends
            ));
        }
    }
    out
}
