//! Which keys there are: `default-config.toml` is the table, so that the file a person reads and
//! the keys the programs accept cannot differ.
//!
//! Each key stands there commented out, below the sentence that explains it, with a value that
//! tells its type.

use std::sync::LazyLock;

use serde_json::Value;

/// The commented defaults, as `prep-perf` will hand them out.
pub const DEFAULT_CONFIG: &str = include_str!("default-config.toml");

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`.
    Switch,
    /// A whole or fractional number.
    Number,
    /// Text.
    Text,
    /// A list of texts.
    List,
    /// Names with texts.
    Table,
}

impl Type {
    /// Returns how messages call it.
    pub fn words(self) -> &'static str {
        match self {
            Type::Switch => "true or false",
            Type::Number => "a number",
            Type::Text => "text",
            Type::List => "a list of texts",
            Type::Table => "a table of texts",
        }
    }

    fn of(value: &toml::Value) -> Self {
        match value {
            toml::Value::Boolean(_) => Type::Switch,
            toml::Value::Integer(_) | toml::Value::Float(_) => Type::Number,
            toml::Value::Array(_) => Type::List,
            toml::Value::Table(_) => Type::Table,
            toml::Value::String(_) | toml::Value::Datetime(_) => Type::Text,
        }
    }

    /// Returns whether a value is of this type.
    pub fn fits(self, value: &Value) -> bool {
        match self {
            Type::Switch => value.is_boolean(),
            Type::Number => value.is_number(),
            Type::Text => value.is_string(),
            Type::List => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_string)),
            Type::Table => value
                .as_object()
                .is_some_and(|map| map.values().all(Value::is_string)),
        }
    }
}

/// One key.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// `run`; empty for keys above all sections.
    pub section: String,
    /// `retry_tests`; the option without dashes.
    pub name: String,
    /// What it holds.
    pub of: Type,
    /// Default or example.
    pub example: Value,
    /// One sentence.
    pub summary: String,
}

impl Key {
    /// Returns `run.retry_tests`.
    pub fn path(&self) -> String {
        if self.section.is_empty() {
            self.name.clone()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }

    /// Returns the variable that sets it, `RUNPERF_RUN_RETRY_TESTS`.
    pub fn variable(&self) -> String {
        format!("RUNPERF_{}", self.path().replace('.', "_").to_uppercase())
    }

    /// Returns whether a relative path in a file starts at that file: what is read, not what is written.
    pub fn beside_file(&self) -> bool {
        [
            "paths",
            "host_setup_script",
            "worker_setup_script",
            "model_linear_regression",
        ]
        .contains(&self.name.as_str())
    }
}

/// Sections whose keys are names of the person's own.
pub const FREE_SECTIONS: [&str; 3] = ["directions", "tests", "profiles"];

/// Returns every key, in the order of the file.
pub fn keys() -> &'static [Key] {
    static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| parse(DEFAULT_CONFIG));
    &KEYS
}

/// Returns the names of sections, in the order of the file.
pub fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> = Vec::new();
    for key in keys() {
        if !key.section.is_empty() && !sections.contains(&key.section.as_str()) {
            sections.push(&key.section);
        }
    }
    sections
}

fn parse(text: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let (mut section, mut summary) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line
            .trim_start_matches('#')
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = name.to_owned();
        } else if let Some(words) = line.strip_prefix("# ") {
            summary = words.to_owned();
        } else if let Some(pair) = line.strip_prefix('#').filter(|pair| pair.contains('=')) {
            let free = FREE_SECTIONS.iter().any(|free| section.starts_with(free));
            let table: Option<toml::Table> = toml::from_str(pair).ok().filter(|_| !free);
            keys.extend(table.into_iter().flatten().map(|(name, value)| Key {
                section: section.clone(),
                name,
                of: Type::of(&value),
                example: super::layer::json(value),
                summary: summary.clone(),
            }));
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_sentence_and_a_type_that_fits_its_example() {
        assert_eq!(sections(), ["general", "run", "compare", "analyze"]);
        for key in keys() {
            assert!(!key.summary.is_empty(), "{} is explained", key.path());
            assert!(key.of.fits(&key.example), "{}", key.path());
        }
        let lines = DEFAULT_CONFIG.lines().filter(|line| {
            line.starts_with('#') && line.as_bytes().get(1).is_some_and(u8::is_ascii_lowercase)
        });
        let free = 7; // directions, the declared test and the declared profile
        assert_eq!(
            keys().len(),
            lines.count() - free,
            "no key is lost in parsing"
        );
    }

    #[test]
    fn the_file_is_valid_as_it_is_and_with_every_key_live() {
        toml::from_str::<toml::Table>(DEFAULT_CONFIG).expect("valid");
        let live: String = DEFAULT_CONFIG
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        super::super::tests::load(&live, "", &[]).expect("the programs accept their own example");
    }

    #[test]
    fn a_key_knows_its_variable() {
        let key = keys()
            .iter()
            .find(|key| key.name == "retry_tests")
            .expect("known");
        assert_eq!(
            (key.path(), key.variable()),
            ("run.retry_tests".into(), "RUNPERF_RUN_RETRY_TESTS".into())
        );
    }
}
