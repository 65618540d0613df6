//! Parsing with the configuration as defaults, and `--show-config`.
//!
//! What files and variables say becomes the default of the option of the same name, so the
//! command line wins by itself, and an option means the same wherever it was written. The
//! programs know nothing of it. Help and `--generate` show the built-in defaults.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, Parser};
use serde_json::Value;

use super::common::{Color, print_error};
use super::exit::{ExitCode, OK};
use crate::config::schema::{self, Key, Type};
use crate::config::{Config, ConfigError, Origin, Setting, toml_line};
use crate::secret::is_secret_name;

/// The section of the configuration a program takes its options from.
fn section(program: &str) -> &str {
    match program {
        "run-perf" => "run",
        "compare-perf" => "compare",
        "analyze-perf" => "analyze",
        _ => "general",
    }
}

/// Returns the keys that are options of a program.
fn keys_of(program: &str) -> impl Iterator<Item = &'static Key> {
    schema::keys()
        .iter()
        .filter(move |key| key.section == "general" || key.section == section(program))
}

fn option<'a>(command: &'a Command, key: &Key) -> Option<&'a Arg> {
    let long = key.name.replace('_', "-");
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(&long))
}

/// Parses the command line above the configuration; prints help, version, `--show-config` and
/// errors itself.
///
/// # Errors
/// The exit code to end with: 0 when all was printed that was asked for, `usage` for wrong usage
/// or configuration.
pub fn parse<P: Parser + CommandFactory>(
    args: Vec<OsString>,
    usage: ExitCode,
) -> Result<P, ExitCode> {
    let told = |error: clap::Error| {
        let code = if error.use_stderr() { usage } else { OK };
        // A closed pipe ends help quietly.
        let _ = error.print();
        code
    };
    // First look: help and version end here; wrong usage waits until the configuration is known.
    let typed = P::command()
        .ignore_errors(true)
        .try_get_matches_from(&args)
        .map_err(told)?;
    if typed.value_source("generate") == Some(ValueSource::CommandLine) {
        return P::try_parse_from(&args).map_err(told);
    }
    let configured = configure(P::command(), &typed, args).map_err(|error| {
        print_error(
            &anyhow::Error::new(error),
            None,
            typed.get_one::<Color>("color").copied().unwrap_or_default(),
        );
        usage
    })?;
    let (command, config, args) = configured;
    let mut matches = match command.clone().try_get_matches_from(&args) {
        Ok(matches) => matches,
        // `--show-config` needs nothing else.
        Err(error)
            if error.kind() == ErrorKind::MissingRequiredArgument
                && typed.get_flag("show_config") =>
        {
            command
                .clone()
                .ignore_errors(true)
                .try_get_matches_from(&args)
                .map_err(told)?
        }
        Err(error) => return Err(told(error)),
    };
    if typed.get_flag("show_config") {
        let text = show(&command, &matches, &typed, &config);
        // A closed pipe ends it quietly.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
        return Err(OK);
    }
    P::from_arg_matches_mut(&mut matches).map_err(|error| told(error.format(&mut command.clone())))
}

/// Returns the command with defaults from the configuration, and the arguments to parse with it.
fn configure(
    mut command: Command,
    typed: &ArgMatches,
    mut args: Vec<OsString>,
) -> Result<(Command, Config, Vec<OsString>), ConfigError> {
    let explicit = typed.get_one::<PathBuf>("config");
    let config = Config::load(explicit.map(PathBuf::as_path))?;
    let program = command.get_name().to_owned();
    for key in keys_of(&program) {
        let (Some(setting), Some(arg)) = (config.get(&key.path()), option(&command, key)) else {
            continue;
        };
        let id = arg.get_id().clone();
        let texts = texts(&setting.value);
        if key.of != Type::Switch {
            check(&command, key, setting, &texts)?;
        }
        if key.of == Type::Table {
            // Pairs add to what is typed, and what is typed later wins.
            let pairs = texts
                .iter()
                .map(|text| format!("--{}={text}", key.name.replace('_', "-")).into());
            let at = 1.min(args.len());
            args.splice(at..at, pairs);
        } else {
            command = command.mut_arg(id, |arg| arg.default_values(texts));
        }
    }
    Ok((command, config, args))
}

/// Returns a configured value as it would be typed.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

/// Lets the option itself judge what is configured, so that the message names the place.
fn check(
    command: &Command,
    key: &Key,
    setting: &Setting,
    texts: &[String],
) -> Result<(), ConfigError> {
    for text in texts {
        let typed = format!("--{}={text}", key.name.replace('_', "-"));
        let Err(error) = command
            .clone()
            .try_get_matches_from([command.get_name().to_owned(), typed])
        else {
            continue;
        };
        if matches!(
            error.kind(),
            ErrorKind::ValueValidation | ErrorKind::InvalidValue
        ) {
            let words = error.to_string();
            let words = words
                .trim_start_matches("error: ")
                .split("\n\nFor more")
                .next()
                .unwrap_or_default();
            let words = if is_secret_name(&key.name) {
                "the value does not fit"
            } else {
                words.trim_end()
            };
            let message = format!("{}: {words}", key.path());
            return Err(ConfigError::Value {
                origin: setting.origin.clone(),
                message,
            });
        }
    }
    Ok(())
}

/// Where an option's value came from.
enum Source<'a> {
    One(Origin),
    /// Pairs of a file with typed ones above them.
    Both(&'a Origin),
    NotSet,
}

impl std::fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::One(origin) => origin.fmt(f),
            Source::Both(below) => write!(f, "command line, then {below}"),
            Source::NotSet => f.write_str("not set"),
        }
    }
}

/// Returns everything that is in force as TOML, each value with its origin.
fn show(command: &Command, matches: &ArgMatches, typed: &ArgMatches, config: &Config) -> String {
    let mut text = format!(
        "# In force for {}, strongest first: command line, environment",
        command.get_name()
    );
    for file in config.files() {
        let _ = write!(text, ", {}", file.display());
    }
    text.push_str(", defaults\n");
    if let Some(setting) = config.get("override") {
        let _ = writeln!(
            text,
            "{}",
            toml_line("override", &setting.value, &setting.origin)
        );
    }
    let mut heading = "";
    for key in keys_of(command.get_name()) {
        let Some(arg) = option(command, key) else {
            continue;
        };
        if heading != key.section {
            heading = &key.section;
            let _ = writeln!(text, "\n[{heading}]");
        }
        let id = arg.get_id().as_str();
        let setting = config.get(&key.path());
        let raw: Vec<String> = matches
            .get_raw(id)
            .into_iter()
            .flatten()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        let source = match (typed.value_source(id), setting) {
            (Some(ValueSource::CommandLine), Some(setting)) if key.of == Type::Table => {
                Source::Both(&setting.origin)
            }
            (Some(ValueSource::CommandLine), _) => Source::One(Origin::CommandLine),
            (Some(ValueSource::EnvVariable), _) => {
                let name = arg
                    .get_env()
                    .map(|name| name.to_string_lossy().into_owned());
                Source::One(Origin::Environment(name.unwrap_or_default()))
            }
            (_, Some(setting)) => Source::One(setting.origin.clone()),
            _ if raw.is_empty() => Source::NotSet,
            _ => Source::One(Origin::Default),
        };
        let line = toml_line(&key.name, &in_force(key.of, &raw), &source);
        let _ = writeln!(
            text,
            "{}{line}",
            if matches!(source, Source::NotSet) {
                "#"
            } else {
                ""
            }
        );
    }
    text + &config.show_free_sections() + &given(matches)
}

/// Returns the tests that were typed, which have no key in the configuration, as a comment.
fn given(matches: &ArgMatches) -> String {
    let Ok(Some(tests)) = matches.try_get_raw("tests") else {
        return String::new();
    };
    let shown: Vec<Value> = tests
        .map(|test| without_secrets(&test.to_string_lossy()).into())
        .collect();
    let line = toml_line("tests", &shown.into(), &Origin::CommandLine);
    format!("\n#{line}\n")
}

/// Masks the parameters of an item whose names tell that they are secret.
fn without_secrets(item: &str) -> String {
    let Some((name, params)) = item.split_once(':') else {
        return item.to_owned();
    };
    match serde_json::from_str::<Value>(params) {
        Ok(mut value @ Value::Object(_)) => {
            mask_secrets(&mut value);
            format!("{name}:{value}")
        }
        _ => item.to_owned(),
    }
}

fn mask_secrets(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if is_secret_name(key) {
                    *value = "***".into();
                } else {
                    mask_secrets(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_secrets),
        _ => {}
    }
}

/// Returns the value of an option in the type of its key.
fn in_force(of: Type, raw: &[String]) -> Value {
    let last = raw.last().map(String::as_str);
    match of {
        Type::Switch => last.map(|text| text == "true").unwrap_or_default().into(),
        Type::Number => last
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_else(|| last.unwrap_or_default().into()),
        Type::Text => without_secrets(last.unwrap_or_default()).into(),
        Type::List => raw
            .iter()
            .map(|text| without_secrets(text))
            .collect::<Vec<_>>()
            .into(),
        Type::Table => Value::Object(
            raw.iter()
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.into()))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{analyze_perf, run_perf};

    /// The file people read states the options of the programs and their defaults.
    #[test]
    fn every_key_is_an_option_and_states_its_default() {
        for command in [run_perf::Cli::command(), analyze_perf::Cli::command()] {
            let program = command.get_name();
            for key in keys_of(program) {
                let arg = option(&command, key)
                    .unwrap_or_else(|| panic!("{program} has no option for {}", key.path()));
                let own: Vec<String> = arg
                    .get_default_values()
                    .iter()
                    .map(|value| value.to_string_lossy().into_owned())
                    .collect();
                if key.of != Type::Switch && !own.is_empty() {
                    assert_eq!(own, texts(&key.example), "default of {}", key.path());
                }
            }
        }
    }

    #[test]
    fn configured_values_are_typed_as_people_would() {
        assert_eq!(
            texts(&serde_json::json!({"a": "1", "b": "x=y"})),
            ["a=1", "b=x=y"]
        );
        assert_eq!(texts(&serde_json::json!(["A", "B"])), ["A", "B"]);
        assert_eq!(texts(&serde_json::json!(1.5)), ["1.5"]);
    }
}
