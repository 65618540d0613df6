//! One layer at a time: a file or the environment, checked and put below what is there already.

use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::declared::{Declared, Kind};
use super::schema::{self, FREE_SECTIONS, Key, Type};
use super::{Config, ConfigError, Origin, Setting};
use crate::metric::Better;

/// Turns TOML into JSON; dates become text.
pub(super) fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(key, value)| (key, json(value)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// A file being read, for messages that show its lines.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn line(&self, at: usize) -> usize {
        self.text[..at.min(self.text.len())].matches('\n').count() + 1
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        Origin::File {
            path: self.path.to_owned(),
            line: self.line(span.start),
        }
    }

    /// Builds an error that shows the line with a caret below `span`.
    fn error(&self, span: &Range<usize>, message: impl Into<String>) -> ConfigError {
        let start = span.start.min(self.text.len());
        let begin = self.text[..start]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let line_text = self.text[begin..].lines().next().unwrap_or("");
        let column = self.text[begin..start].chars().count();
        let rest = line_text.chars().count().saturating_sub(column).max(1);
        let width = self
            .text
            .get(start..span.end.max(start))
            .map_or(1, |marked| marked.chars().count())
            .clamp(1, rest);
        let number = self.line(start).to_string();
        let margin = " ".repeat(number.len());
        let shown = crate::text::one_line(line_text);
        let snippet = format!(
            "{margin} |\n{number} | {shown}\n{margin} | {}{}",
            " ".repeat(column),
            "^".repeat(width)
        );
        ConfigError::Invalid {
            path: self.path.to_owned(),
            line: self.line(start),
            column: column + 1,
            message: message.into(),
            snippet,
        }
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Result<Value, ConfigError> {
        // The text of the value is parsed again rather than walked: one conversion for all types.
        let text = self.text.get(value.span()).unwrap_or("");
        toml::from_str::<toml::Table>(&format!("v = {text}"))
            .ok()
            .and_then(|mut table| table.remove("v"))
            .map(json)
            .ok_or_else(|| self.error(&value.span(), "this value cannot be read"))
    }
}

/// Puts a file below what is known; what is known already stays.
pub(super) fn file(config: &mut Config, path: &Path, text: &str) -> Result<(), ConfigError> {
    let source = Source { path, text };
    let document = DeTable::parse(text).map_err(|error| {
        source.error(
            &error.span().unwrap_or(0..0),
            crate::text::one_line(error.message()),
        )
    })?;
    // The same document as plain values: whole tables (`[tests.NAME]`) have no text of their own to parse.
    let values: toml::Table = toml::from_str(text)
        .map_err(|error| source.error(&error.span().unwrap_or(0..0), error.message()))?;
    for (name, value) in document.get_ref() {
        let (section, span) = (name.get_ref().as_ref(), name.span());
        if let Some(key) = find("", section) {
            put(config, &source, key, &span, value)?;
            continue;
        }
        let known = || top_level_names();
        if !known().any(|known| known == section) {
            return Err(source.error(&span, unknown(section, "at the top level", known())));
        }
        let Some(table) = value.get_ref().as_table() else {
            return Err(source.error(
                &value.span(),
                format!(
                    "expected a section [{section}], found {}",
                    value.get_ref().type_str()
                ),
            ));
        };
        match section {
            "directions" => directions(config, &source, table)?,
            "tests" | "profiles" => {
                let kind = if section == "tests" {
                    Kind::Test
                } else {
                    Kind::Profile
                };
                let plain = values.get(section).and_then(toml::Value::as_table);
                declarations(config, &source, kind, table, plain)?;
            }
            _ => {
                for (name, value) in table {
                    let Some(key) = find(section, name.get_ref()) else {
                        let known = schema::keys()
                            .iter()
                            .filter(|key| key.section == section)
                            .map(|key| key.name.as_str());
                        return Err(source.error(
                            &name.span(),
                            unknown(name.get_ref(), &format!("in [{section}]"), known),
                        ));
                    };
                    put(config, &source, key, &name.span(), value)?;
                }
            }
        }
    }
    Ok(())
}

fn top_level_names() -> impl Iterator<Item = &'static str> {
    let plain = schema::keys()
        .iter()
        .filter(|key| key.section.is_empty())
        .map(|key| key.name.as_str());
    schema::sections()
        .into_iter()
        .chain(FREE_SECTIONS)
        .chain(plain)
}

fn find(section: &str, name: &str) -> Option<&'static Key> {
    schema::keys()
        .iter()
        .find(|key| key.section == section && key.name == name)
}

fn unknown<'a>(name: &str, place: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = crate::text::nearest(name, known).map(|near| format!("; did you mean `{near}`?"));
    format!("unknown key `{name}` {place}{}", near.unwrap_or_default())
}

fn put(
    config: &mut Config,
    source: &Source<'_>,
    key: &Key,
    span: &Range<usize>,
    found: &Spanned<DeValue<'_>>,
) -> Result<(), ConfigError> {
    let value = if let Some(table) = found.get_ref().as_table() {
        let pairs = table
            .iter()
            .map(|(name, value)| Ok((name.get_ref().to_string(), source.value(value)?)));
        Value::Object(pairs.collect::<Result<Map<_, _>, ConfigError>>()?)
    } else {
        source.value(found)?
    };
    if !key.of.fits(&value) {
        let message = format!(
            "`{}` expects {}, found {}",
            key.name,
            key.of.words(),
            found.get_ref().type_str()
        );
        return Err(source.error(&found.span(), message));
    }
    let value = if key.beside_file() {
        beside(source.path, value)
    } else {
        value
    };
    config.settings.entry(key.path()).or_insert(Setting {
        value,
        origin: source.origin(span),
    });
    Ok(())
}

/// Makes relative paths start at the folder of the file they stand in.
fn beside(file: &Path, value: Value) -> Value {
    let folder = file.parent().unwrap_or(Path::new(""));
    match value {
        Value::String(path) => folder.join(path).to_string_lossy().into_owned().into(),
        Value::Array(items) => items.into_iter().map(|item| beside(file, item)).collect(),
        other => other,
    }
}

fn directions(
    config: &mut Config,
    source: &Source<'_>,
    table: &DeTable<'_>,
) -> Result<(), ConfigError> {
    for (metric, value) in table {
        let better = match value.get_ref().as_str() {
            Some("higher") => Better::Higher,
            Some("lower") => Better::Lower,
            Some("unknown") => Better::Unknown,
            _ => {
                let message = format!(
                    "the direction of `{}` must be \"higher\", \"lower\" or \"unknown\"",
                    metric.get_ref()
                );
                return Err(source.error(&value.span(), message));
            }
        };
        let entry = (better, source.origin(&metric.span()));
        config
            .directions
            .entry(metric.get_ref().to_string())
            .or_insert(entry);
    }
    Ok(())
}

fn declarations(
    config: &mut Config,
    source: &Source<'_>,
    kind: Kind,
    table: &DeTable<'_>,
    plain: Option<&toml::Table>,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let (name, span) = (name.get_ref().as_ref(), name.span());
        let shown = format!("[{}.{name}]", kind.section());
        if name.is_empty()
            || name.contains([':', '/'])
            || name.chars().any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(source.error(
                &span,
                format!("{shown}: a name has no blanks, colons and slashes"),
            ));
        }
        let Some(definition) = value.get_ref().as_table() else {
            return Err(source.error(
                &value.span(),
                format!(
                    "expected a section {shown}, found {}",
                    value.get_ref().type_str()
                ),
            ));
        };
        let extends = definition
            .iter()
            .find(|(key, _)| key.get_ref() == "extends")
            .map(|(_, value)| value);
        let extends = match extends {
            None => {
                return Err(source.error(
                    &span,
                    format!("{shown} needs `extends = \"NAME\"`: what it is a variant of"),
                ));
            }
            Some(value) => value.get_ref().as_str().ok_or_else(|| {
                source.error(
                    &value.span(),
                    format!(
                        "{shown}: `extends` expects text, found {}",
                        value.get_ref().type_str()
                    ),
                )
            })?,
        };
        let mut params = match plain.and_then(|plain| plain.get(name)).cloned().map(json) {
            Some(Value::Object(params)) => params,
            _ => Map::new(),
        };
        params.shift_remove("extends");
        let declared = Declared {
            name: name.into(),
            extends: extends.into(),
            params,
            origin: source.origin(&span),
        };
        config
            .declared_mut(kind)
            .entry(name.to_owned())
            .or_insert(declared);
    }
    Ok(())
}

/// Takes `RUNPERF_SECTION_KEY` variables. Others that begin with `RUNPERF_` are left alone unless
/// they name a section: then they are a slip of the pen.
pub(super) fn environment(
    config: &mut Config,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    let mut variables: Vec<_> = variables
        .filter(|(name, _)| name.starts_with("RUNPERF_"))
        .collect();
    variables.sort();
    for (name, text) in variables {
        let origin = Origin::Environment(name.clone());
        let Some(key) = schema::keys().iter().find(|key| key.variable() == name) else {
            let sections = schema::sections();
            if sections
                .iter()
                .any(|section| name.starts_with(&format!("RUNPERF_{}_", section.to_uppercase())))
            {
                let known: Vec<String> = schema::keys().iter().map(Key::variable).collect();
                let near = crate::text::nearest(&name, known.iter().map(String::as_str));
                let near = near
                    .map(|near| format!("; did you mean {near}?"))
                    .unwrap_or_default();
                return Err(ConfigError::Value {
                    origin,
                    message: format!("no key of this name{near}"),
                });
            }
            continue;
        };
        let value = parse_variable(key.of, &text).ok_or_else(|| ConfigError::Value {
            origin: origin.clone(),
            message: format!(
                "expected {}, found `{}`",
                key.of.words(),
                crate::text::one_line(&text)
            ),
        })?;
        config
            .settings
            .insert(key.path(), Setting { value, origin });
    }
    Ok(())
}

/// Reads a variable: lists are separated by commas, tables are `NAME=TEXT` separated by commas.
/// Lists that hold commas (JSON) are written as a JSON list.
fn parse_variable(of: Type, text: &str) -> Option<Value> {
    let parts = || {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
    };
    match of {
        Type::Switch => match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Some(true.into()),
            "0" | "false" | "no" | "off" | "" => Some(false.into()),
            _ => None,
        },
        Type::Number => {
            let number = text.trim();
            number.parse::<i64>().map(Value::from).ok().or_else(|| {
                number
                    .parse::<f64>()
                    .ok()
                    .and_then(serde_json::Number::from_f64)
                    .map(Value::Number)
            })
        }
        Type::Text => Some(text.into()),
        Type::List if text.trim_start().starts_with('[') => serde_json::from_str(text)
            .ok()
            .filter(|value| of.fits(value)),
        Type::List => Some(parts().collect()),
        Type::Table => parts()
            .map(|part| {
                part.split_once('=')
                    .map(|(name, value)| (name.to_owned(), Value::from(value)))
            })
            .collect::<Option<Map<_, _>>>()
            .map(Value::Object),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use serde_json::json;

    /// Returns the message without the folder of the file.
    fn refused(project: &str) -> String {
        let text = load(project, "", &[]).expect_err("refused").to_string();
        text.split_once("run-perf.toml:")
            .map_or(text.clone(), |(_, rest)| rest.to_owned())
    }

    #[test]
    fn a_wrong_key_is_shown_where_it_stands_with_the_nearest_one() {
        assert_eq!(
            refused("[run]\ndistro = \"x\"\nretry_test = 3\n"),
            "3:1: unknown key `retry_test` in [run]; did you mean `retry_tests`?\n  |\n3 | retry_test = 3\n  | ^^^^^^^^^^"
        );
        assert_eq!(
            refused("[rum]\n"),
            "1:2: unknown key `rum` at the top level; did you mean `run`?\n  |\n1 | [rum]\n  |  ^^^"
        );
    }

    #[test]
    fn a_wrong_type_is_shown_where_it_stands() {
        for (text, said) in [
            (
                "[run]\nretry_tests = \"3\"",
                "2:15: `retry_tests` expects a number, found string",
            ),
            (
                "[run]\npaths = \"a\"",
                "2:9: `paths` expects a list of texts, found string",
            ),
            (
                "[run]\npaths = [1]",
                "2:9: `paths` expects a list of texts, found array",
            ),
            (
                "[run]\nmetadata = { a = 1 }",
                "2:12: `metadata` expects a table of texts, found table",
            ),
            ("run = 3", "1:7: expected a section [run], found integer"),
            (
                "[directions]\nx = \"up\"",
                "2:5: the direction of `x` must be \"higher\", \"lower\" or \"unknown\"",
            ),
            (
                "[tests.a]\nsamples = 1",
                "1:8: [tests.a] needs `extends = \"NAME\"`: what it is a variant of",
            ),
            (
                "[tests.a]\nextends = 1",
                "2:11: [tests.a]: `extends` expects text, found integer",
            ),
            (
                "[tests.'a b']\nextends = 'x'",
                "1:8: [tests.a b]: a name has no blanks, colons and slashes",
            ),
            (
                "tests.a = 1",
                "1:11: expected a section [tests.a], found integer",
            ),
        ] {
            let full = refused(text);
            assert_eq!(full.lines().next(), Some(said), "{full}");
        }
    }

    #[test]
    fn broken_toml_is_shown_where_it_breaks() {
        let said = refused("[run]\ndistro = \n");
        assert!(
            said.starts_with("2:") && said.contains("2 | distro ="),
            "{said}"
        );
        assert!(
            refused("[run]\ndistro = 1\ndistro = 2\n").starts_with("3:1: duplicate key"),
            "{}",
            refused("[run]\ndistro = 1\ndistro = 2\n")
        );
        let said = refused("\u{1}\u{2}");
        assert!(said.starts_with("1:") && !said.contains('\u{1}'), "{said}");
    }

    #[test]
    fn carets_stand_under_the_word_after_wide_and_foreign_characters() {
        let said = refused("[run]\nmetadata = { \"ř\" = \"x\", b = 2 }");
        assert!(
            said.ends_with("|            ^^^^^^^^^^^^^^^^^^^^"),
            "{said}"
        );
    }

    #[test]
    fn variables_are_read_by_type_and_slips_are_told() {
        let set = |name: &str, text: &str| {
            load("", "", &[(name, text)]).map(|config| {
                config
                    .settings
                    .into_values()
                    .next()
                    .map(|setting| setting.value)
            })
        };
        assert_eq!(
            set("RUNPERF_RUN_PROFILES", "A, B").expect("fits"),
            Some(json!(["A", "B"]))
        );
        assert_eq!(
            set("RUNPERF_RUN_PROFILES", r#"["A:{\"a\":1,\"b\":2}"]"#).expect("fits"),
            Some(json!([r#"A:{"a":1,"b":2}"#]))
        );
        assert_eq!(
            set("RUNPERF_COMPARE_TOLERANCE", "7.5").expect("fits"),
            Some(json!(7.5))
        );
        assert_eq!(
            set("RUNPERF_COMPARE_ALLOW_MISSING", "yes").expect("fits"),
            Some(json!(true))
        );
        assert_eq!(
            set("RUNPERF_RUN_METADATA", "a=1,b=x=y").expect("fits"),
            Some(json!({"a": "1", "b": "x=y"}))
        );
        for (name, text, said) in [
            (
                "RUNPERF_COMPARE_TOLERANCE",
                "NaN",
                "environment RUNPERF_COMPARE_TOLERANCE: expected a number, found `NaN`",
            ),
            (
                "RUNPERF_RUN_METADATA",
                "a",
                "environment RUNPERF_RUN_METADATA: expected a table of texts, found `a`",
            ),
            (
                "RUNPERF_RUN_RETRIES",
                "3",
                "environment RUNPERF_RUN_RETRIES: no key of this name; did you mean RUNPERF_RUN_RETRY_TESTS?",
            ),
        ] {
            assert_eq!(set(name, text).expect_err(said).to_string(), said);
        }
    }

    #[test]
    fn what_is_read_lies_beside_the_file_and_what_is_written_where_one_stands() {
        let config = load(
            "[run]\npaths = [\"assets\", \"/abs\"]\noutput = \"out\"\n",
            "",
            &[],
        )
        .expect("fits");
        let paths = &config.get("run.paths").expect("set").value;
        assert!(
            paths[0].as_str().expect("text").ends_with("/assets")
                && paths[0].as_str().expect("text").starts_with('/')
        );
        assert_eq!(paths[1], "/abs");
        assert_eq!(config.get("run.output").expect("set").value, "out");
    }
}
