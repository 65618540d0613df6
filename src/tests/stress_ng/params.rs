//! Parameters of the test `stress-ng`.

use serde_json::{Map, Value};

use crate::tests::params::{Param, ParamError, Params};
use crate::tests::tool::options::{self, Repeat};

/// Every parameter, in the order `--list` shows them.
pub const PARAMS: &[Param] = &[
    Param::new(
        "stressors",
        &["stressor"],
        "cpu,vm,pipe",
        "What is done; `stress-ng --stressors` lists them",
    ),
    Param::new(
        "instances",
        &[],
        "0",
        "Processes of each stressor; 0: as many as the worker has processors",
    ),
    Param::new(
        "together",
        &[],
        "0",
        "1: all stressors at once in one iteration; 0: one iteration for each",
    ),
    Param::new("runtime", &["timeout"], "60", "Seconds of each sample"),
    options::SAMPLES,
    options::MAX_STDDEV,
    options::MAX_FAILURES,
    Param::new(
        "options",
        &[],
        "",
        "Options of stress-ng: {\"vm-bytes\": \"64M\", \"verify\": true}",
    ),
    Param::new("seed", &[], "1", "Of random numbers"),
    options::BINARY,
    options::DRIVER,
];

/// Options that the test needs for itself.
const OWN: &[&str] = &[
    "timeout",
    "metrics",
    "metrics-brief",
    "yaml",
    "temp-path",
    "seed",
    "quiet",
    "dry-run",
    "sequential",
    "all",
    "random",
    "class",
    "job",
    "log-file",
    "keep-files",
    "skip-silent",
];

/// One iteration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Run at the same time.
    pub stressors: Vec<String>,
    /// Of each; 0: by processors.
    pub instances: u64,
}

impl Case {
    /// Returns `cpu-2i`, `cpu_vm-alli`.
    pub fn name(&self) -> String {
        let instances = match self.instances {
            0 => "all".into(),
            count => count.to_string(),
        };
        format!("{}-{instances}i", self.stressors.join("_"))
    }
}

/// Parameters, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// In the order they run.
    pub cases: Vec<Case>,
    /// Seconds.
    pub runtime_s: u64,
    /// How often.
    pub repeat: Repeat,
    /// As typed: `--vm-bytes 64M`.
    pub options: Vec<String>,
    /// Of random numbers.
    pub seed: u64,
    /// Program.
    pub binary: String,
}

impl Settings {
    /// Checks names and values.
    ///
    /// # Errors
    /// [`ParamError`] naming the parameter, what was expected and found.
    pub fn read(given: &Map<String, Value>) -> Result<Self, ParamError> {
        let params = options::check(super::NAME, given, PARAMS)?;
        let stressors = options::list(&params, "stressors", &["cpu", "vm", "pipe"])?;
        if let Some(odd) = stressors.iter().find(|name| !is_word(name)) {
            let message = format!("expected names such as cpu or vm, found `{odd}`");
            return Err(params.invalid("stressors", message));
        }
        let groups: Vec<Vec<String>> = if params.switch("together")?.unwrap_or(false) {
            vec![stressors]
        } else {
            stressors.into_iter().map(|one| vec![one]).collect()
        };
        let mut cases = Vec::new();
        for stressors in groups {
            for instances in options::numbers(&params, "instances", &["0"], 0, 4096)? {
                cases.push(Case {
                    stressors: stressors.clone(),
                    instances,
                });
            }
        }
        Ok(Self {
            cases,
            runtime_s: options::number(&params, "runtime", 60, 1, 1_000_000)?,
            repeat: Repeat::read(&params)?,
            options: more(&params)?,
            seed: options::number(&params, "seed", 1, 0, u64::MAX)?,
            binary: options::binary(&params, "binary")?.unwrap_or_else(|| super::NAME.into()),
        })
    }
}

fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Reads the object of further options, sorted by name.
fn more(params: &Params) -> Result<Vec<String>, ParamError> {
    let given = match params.get("options") {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(Value::Object(given)) => given,
        Some(other) => {
            let message = format!("expected an object of options, found `{other}`");
            return Err(params.invalid("options", message));
        }
    };
    let mut pairs: Vec<_> = given.iter().collect();
    pairs.sort_by_key(|(name, _)| name.as_str());
    let mut out = Vec::new();
    for (name, value) in pairs {
        if !is_word(name) {
            let message = format!("expected long names without dashes before them, found `{name}`");
            return Err(params.invalid("options", message));
        }
        if OWN.contains(&name.as_str()) {
            let message = format!("`{name}` is chosen by the test itself");
            return Err(params.invalid("options", message));
        }
        match value {
            Value::Bool(false) => {}
            Value::Bool(true) | Value::Null => out.push(format!("--{name}")),
            Value::String(text) => out.extend([format!("--{name}"), text.clone()]),
            Value::Number(number) => out.extend([format!("--{name}"), number.to_string()]),
            other => {
                let message =
                    format!("expected text, a number or a switch for `{name}`, found `{other}`");
                return Err(params.invalid("options", message));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod unit {
    use serde_json::json;

    use super::*;

    fn read(given: Value) -> Result<Settings, ParamError> {
        Settings::read(given.as_object().expect("an object"))
    }

    #[test]
    fn stressors_are_iterations_unless_they_run_together() {
        let names = |given| -> Vec<String> {
            let settings = read(given).expect("good");
            settings.cases.iter().map(Case::name).collect()
        };
        assert_eq!(names(json!({})), ["cpu-alli", "vm-alli", "pipe-alli"]);
        assert_eq!(
            names(json!({"stressors": "cpu,vm", "instances": "1,2", "together": true})),
            ["cpu_vm-1i", "cpu_vm-2i"]
        );
    }

    #[test]
    fn options_are_sorted_and_typed_as_stress_ng_takes_them() {
        let settings = read(
            json!({"options": {"vm-bytes": "64M", "verify": true, "cpu-load": 50, "oomable": false}}),
        );
        assert_eq!(
            settings.expect("good").options,
            ["--cpu-load", "50", "--verify", "--vm-bytes", "64M"]
        );
        for (bad, message) in [
            (
                json!({"options": {"yaml": "x"}}),
                "chosen by the test itself",
            ),
            (json!({"options": {"--x": 1}}), "without dashes"),
            (json!({"options": "--x"}), "an object"),
            (json!({"options": {"x": [1]}}), "a switch for `x`"),
            (json!({"stressors": "cpu --vm"}), "found `cpu --vm`"),
        ] {
            let error = read(bad).expect_err(message).to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
