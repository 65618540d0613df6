//! Parameters of the `command` test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::metric::Metric;
use crate::secret::{Secret, is_secret_name};
use crate::shell::CommandLine;
use crate::shell::command::Arg;
use crate::tests::params::{Param, ParamError, Params};

/// Name in the registry.
pub const NAME: &str = "command";
/// Other names.
pub const ALIASES: &[&str] = &[];
/// One sentence for `--list`.
pub const SUMMARY: &str = "A command of your own; numbers by JSON pointer, regular expression or CSV, or the time it takes";
/// Parameters.
pub const PARAMS: &[Param] = &[
    Param {
        name: "command",
        aliases: &[],
        default: "",
        summary: "List of program and arguments, or text for sh",
    },
    Param {
        name: "metrics",
        aliases: &[],
        default: "wall_s, the time taken",
        summary: "How numbers are read (docs/tests/command.md)",
    },
    Param {
        name: "samples",
        aliases: &[],
        default: "3",
        summary: "How often it is measured",
    },
    Param {
        name: "warmup",
        aliases: &[],
        default: "0",
        summary: "Runs before that, thrown away",
    },
    Param {
        name: "timeout",
        aliases: &[],
        default: "3600",
        summary: "Seconds a run may take; 0 for no limit",
    },
    Param {
        name: "env",
        aliases: &[],
        default: "",
        summary: "Variables: {NAME: value}",
    },
    Param {
        name: "cwd",
        aliases: &[],
        default: "",
        summary: "Folder it runs in",
    },
    Param {
        name: "setup",
        aliases: &[],
        default: "",
        summary: "Command run on every worker before",
    },
    Param {
        name: "cleanup",
        aliases: &[],
        default: "",
        summary: "Command run on every worker after, whatever happened",
    },
    Param {
        name: "iteration",
        aliases: &[],
        default: "run",
        summary: "Name of the iteration in ids",
    },
];

/// Time limit of a run without `timeout`.
const TIMEOUT: f64 = 3600.0;

/// Parameters, checked.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) command: CommandLine,
    pub(super) setup: Option<CommandLine>,
    pub(super) cleanup: Option<CommandLine>,
    pub(super) metrics: Vec<Metric>,
    pub(super) samples: u32,
    pub(super) warmup: u32,
    pub(super) timeout: Option<Duration>,
    pub(super) iteration: String,
}

impl Options {
    pub(super) fn parse(given: &Map<String, Value>) -> Result<Self, ParamError> {
        let params = Params::check(NAME, given, PARAMS)?;
        let env = environment(&params)?;
        let cwd = params.text("cwd")?.map(PathBuf::from);
        let command = |name: &str| -> Result<Option<CommandLine>, ParamError> {
            let Some(mut command) = command_line(&params, name)? else {
                return Ok(None);
            };
            command.env.clone_from(&env);
            Ok(Some(match &cwd {
                Some(cwd) => command.current_dir(cwd),
                None => command,
            }))
        };
        let samples = params.number("samples")?.unwrap_or(3);
        if samples == 0 {
            return Err(params.invalid("samples", "expected at least 1, found 0"));
        }
        let seconds: f64 = params.number("timeout")?.unwrap_or(TIMEOUT);
        let timeout = Duration::try_from_secs_f64(seconds).map_err(|_| {
            params.invalid(
                "timeout",
                format!("expected seconds from 0 on, found `{seconds}`"),
            )
        })?;
        let iteration = params.text("iteration")?.unwrap_or_else(|| "run".into());
        if iteration.is_empty()
            || iteration.contains(['.', '/'])
            || iteration.chars().any(char::is_control)
        {
            return Err(params.invalid(
                "iteration",
                format!("expected a name without dots and slashes, found `{iteration}`"),
            ));
        }
        Ok(Self {
            command: command("command")?.ok_or_else(|| {
                params.invalid(
                    "command",
                    "expected a list of program and arguments, or text for sh, found none",
                )
            })?,
            setup: command("setup")?,
            cleanup: command("cleanup")?,
            metrics: metrics(&params)?,
            samples,
            warmup: params.number("warmup")?.unwrap_or(0),
            timeout: (!timeout.is_zero()).then_some(timeout),
            iteration,
        })
    }

    /// Returns the name of the primary metric.
    pub(super) fn primary(&self) -> &str {
        let declared = self
            .metrics
            .iter()
            .find(|metric| metric.primary)
            .or(self.metrics.first());
        declared.map_or("wall_s", |metric| metric.name.as_str())
    }

    /// Returns the values of variables whose names tell that they are secret.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.command
            .env
            .iter()
            .filter_map(|(_, value)| match value {
                Arg::Secret(secret) => Some(secret),
                Arg::Plain(_) => None,
            })
    }

    /// Returns every file a metric is read from, once.
    pub(super) fn files(&self) -> Vec<&Path> {
        let mut files: Vec<&Path> = self
            .metrics
            .iter()
            .filter_map(|metric| metric.file.as_deref())
            .collect();
        files.sort_unstable();
        files.dedup();
        files
    }

    /// Returns where a file lies: relative ones below `cwd`.
    pub(super) fn below_cwd(&self, path: &Path) -> PathBuf {
        self.command
            .cwd
            .as_ref()
            .map_or_else(|| path.to_owned(), |cwd| cwd.join(path))
    }
}

fn command_line(params: &Params, name: &str) -> Result<Option<CommandLine>, ParamError> {
    match params.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => {
            Ok(Some(CommandLine::script(text.as_str())))
        }
        Some(Value::Array(items)) if !items.is_empty() => {
            let words = items
                .iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text.clone()),
                    Value::Number(number) => Ok(number.to_string()),
                    other => Err(params.invalid(
                        name,
                        format!("expected a list of words, found `{other}` in it"),
                    )),
                })
                .collect::<Result<Vec<_>, _>>()?;
            if words[0].is_empty() {
                return Err(params.invalid(name, "expected a program first, found an empty word"));
            }
            Ok(Some(CommandLine::new(words[0].as_str()).args(&words[1..])))
        }
        Some(other) => Err(params.invalid(
            name,
            format!("expected a list of program and arguments, or text for sh, found `{other}`"),
        )),
    }
}

fn environment(params: &Params) -> Result<Vec<(String, Arg)>, ParamError> {
    let Some(value) = params.get("env") else {
        return Ok(Vec::new());
    };
    let Some(map) = value.as_object() else {
        return Err(params.invalid("env", format!("expected {{NAME: value}}, found `{value}`")));
    };
    map.iter()
        .map(|(name, value)| {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(
                    params.invalid("env", format!("`{name}` cannot be the name of a variable"))
                );
            }
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => u8::from(*flag).to_string(),
                other => {
                    return Err(params.invalid(
                        "env",
                        format!("expected text for `{name}`, found `{other}`"),
                    ));
                }
            };
            let secret = is_secret_name(name);
            Ok((
                name.clone(),
                if secret {
                    Arg::Secret(Secret::new(text))
                } else {
                    Arg::Plain(text)
                },
            ))
        })
        .collect()
}

fn metrics(params: &Params) -> Result<Vec<Metric>, ParamError> {
    let Some(value) = params.get("metrics") else {
        return Ok(Vec::new());
    };
    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
        return Err(params.invalid(
            "metrics",
            format!("expected a list of tables, one for each metric, found `{value}`"),
        ));
    };
    let mut metrics: Vec<Metric> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let metric = Metric::parse(&format!("metrics[{index}]"), item)?;
        if metrics.iter().any(|earlier| earlier.name == metric.name) {
            return Err(params.invalid("metrics", format!("`{}` is declared twice", metric.name)));
        }
        if metric.primary && metrics.iter().any(|earlier| earlier.primary) {
            return Err(params.invalid(
                "metrics",
                format!("one metric is primary, and `{}` is the second", metric.name),
            ));
        }
        metrics.push(metric);
    }
    Ok(metrics)
}

#[cfg(test)]
mod unit {
    use super::*;
    use serde_json::json;

    fn options(given: Value) -> Result<Options, ParamError> {
        Options::parse(given.as_object().expect("an object"))
    }

    #[test]
    fn text_goes_to_sh_and_a_list_is_taken_word_by_word() {
        let text = options(json!({"command": "echo $HOME", "env": {"A": 1}, "cwd": "/tmp"}))
            .expect("fits");
        assert_eq!(
            text.command,
            CommandLine::script("echo $HOME")
                .env("A", "1")
                .current_dir("/tmp")
        );
        let hidden = options(json!({"command": "x", "env": {"TOKEN": "s3cret"}})).expect("fits");
        assert_eq!(hidden.command.to_string(), "TOKEN=*** sh -c x");
        assert_eq!(
            hidden.secrets().map(Secret::reveal).collect::<Vec<_>>(),
            ["s3cret"]
        );
        let list = options(json!({"command": ["echo", "$HOME", 3]})).expect("fits");
        assert_eq!(list.command.to_string(), "echo '$HOME' 3");
        assert_eq!(list.primary(), "wall_s");
        assert_eq!(
            (list.samples, list.timeout),
            (3, Some(Duration::from_secs(3600)))
        );
    }

    #[test]
    fn the_primary_metric_is_the_declared_or_the_first_one() {
        let plain = options(json!({"command": "x", "metrics": [{"name": "a"}, {"name": "b"}]}))
            .expect("fits");
        assert_eq!(plain.primary(), "a");
        let said = options(
            json!({"command": "x", "metrics": [{"name": "a"}, {"name": "b", "primary": true}]}),
        )
        .expect("fits");
        assert_eq!(said.primary(), "b");
    }

    #[test]
    fn bad_values_name_the_parameter() {
        for (given, said) in [
            (
                json!({}),
                "parameter `command` of `command`: expected a list of program and arguments, or text for sh, found none",
            ),
            (
                json!({"command": []}),
                "parameter `command` of `command`: expected a list of program and arguments, or text for sh, found `[]`",
            ),
            (
                json!({"command": ["x", {}]}),
                "parameter `command` of `command`: expected a list of words, found `{}` in it",
            ),
            (
                json!({"command": "x", "samples": 0}),
                "parameter `samples` of `command`: expected at least 1, found 0",
            ),
            (
                json!({"command": "x", "timeout": -1}),
                "parameter `timeout` of `command`: expected seconds from 0 on, found `-1`",
            ),
            (
                json!({"command": "x", "env": {"A=": 1}}),
                "parameter `env` of `command`: `A=` cannot be the name of a variable",
            ),
            (
                json!({"command": "x", "env": ["A"]}),
                "parameter `env` of `command`: expected {NAME: value}, found `[\"A\"]`",
            ),
            (
                json!({"command": "x", "iteration": "a.b"}),
                "parameter `iteration` of `command`: expected a name without dots and slashes, found `a.b`",
            ),
            (
                json!({"command": "x", "metrics": []}),
                "parameter `metrics` of `command`: expected a list of tables, one for each metric, found `[]`",
            ),
            (
                json!({"command": "x", "metrics": [{"name": "a"}, {"name": "a"}]}),
                "parameter `metrics` of `command`: `a` is declared twice",
            ),
            (
                json!({"command": "x", "metrics": [{"name": "a", "primary": true}, {"name": "b", "primary": 1}]}),
                "parameter `metrics` of `command`: one metric is primary, and `b` is the second",
            ),
            (
                json!({"command": "x", "metrics": [{"name": "a"}, {}]}),
                "parameter `name` of `metrics[1]`: expected a name, found none",
            ),
        ] {
            assert_eq!(options(given).expect_err(said).to_string(), said);
        }
    }

    #[test]
    fn files_are_read_below_the_folder_of_the_command() {
        let options = options(json!({"command": "x", "cwd": "/data", "metrics": [
            {"name": "a", "file": "out"}, {"name": "b", "file": "/abs"}, {"name": "c", "file": "out"}]}))
        .expect("fits");
        let files: Vec<PathBuf> = options
            .files()
            .into_iter()
            .map(|path| options.below_cwd(path))
            .collect();
        assert_eq!(files, [PathBuf::from("/abs"), PathBuf::from("/data/out")]);
    }
}
