//! Configuration as text: TOML with the origin of each value behind it, secrets masked.

use std::fmt::Write;

use serde_json::Value;

use super::declared::Kind;
use super::{Config, Origin};
use crate::secret::is_secret_name;

/// Returns `key = value  # origin`; values whose key tells that they are secret are `***`.
pub fn toml_line(key: &str, value: &Value, origin: &impl std::fmt::Display) -> String {
    let nothing = value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty);
    let shown = if is_secret_name(key) && !nothing {
        "\"***\"".to_owned()
    } else {
        inline(value)
    };
    let pair = format!("{} = {shown}", toml_key(key));
    format!("{pair:<40} # {origin}")
}

/// Returns a value as TOML on one line, values of secret keys inside masked.
fn inline(value: &Value) -> String {
    match value {
        // TOML has no null; a declaration cannot hold one either.
        Value::Null => "\"\"".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(inline).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| {
                let shown = if is_secret_name(key) {
                    "\"***\"".into()
                } else {
                    inline(value)
                };
                format!("{} = {shown}", toml_key(key))
            });
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}

fn toml_key(key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare {
        key.to_owned()
    } else {
        toml::Value::String(key.into()).to_string()
    }
}

impl Config {
    /// Returns directions, declared tests and profiles as TOML with origins.
    pub fn show_free_sections(&self) -> String {
        let mut text = String::new();
        if !self.directions.is_empty() {
            text.push_str("\n[directions]\n");
        }
        for (metric, (better, origin)) in &self.directions {
            let value = serde_json::to_value(better).unwrap_or_default();
            let _ = writeln!(text, "{}", toml_line(metric, &value, origin));
        }
        for kind in [Kind::Test, Kind::Profile] {
            for declared in self.declared(kind).values() {
                let Origin::File { .. } = &declared.origin else {
                    continue;
                };
                let section = format!("[{}.{}]", kind.section(), toml_key(&declared.name));
                let _ = writeln!(text, "\n{section:<40} # {}", declared.origin);
                let _ = writeln!(
                    text,
                    "extends = {}",
                    inline(&declared.extends.clone().into())
                );
                for (key, value) in &declared.params {
                    let shown = if is_secret_name(key) {
                        "\"***\"".into()
                    } else {
                        inline(value)
                    };
                    let _ = writeln!(text, "{} = {shown}", toml_key(key));
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_are_toml_and_secrets_are_not_in_them() {
        let line = toml_line(
            "metadata",
            &json!({"a b": "x\"y", "api_token": "s3cret"}),
            &Origin::CommandLine,
        );
        assert_eq!(
            line,
            r#"metadata = { "a b" = 'x"y', api_token = "***" } # command line"#
        );
        let read: toml::Table = toml::from_str(&line).expect("TOML");
        assert_eq!(read["metadata"]["a b"].as_str(), Some("x\"y"));
        assert!(
            toml_line("default_passwords", &json!([]), &Origin::Default)
                .starts_with("default_passwords = [] ")
        );
        assert!(
            toml_line("default_passwords", &json!(["s3cret"]), &Origin::Default)
                .starts_with("default_passwords = \"***\"")
        );
    }

    #[test]
    fn declarations_can_be_read_back() {
        let file = "[directions]\nboot_ms = \"lower\"\n[tests.\"a.b\"]\nextends = \"command\"\ncommand = \"x\"\nenv = { TOKEN = \"s3cret\", N = 1 }\n";
        let config = super::super::tests::load(file, "", &[]).expect("fits");
        let text = config.show_free_sections();
        assert!(!text.contains("s3cret"), "{text}");
        let read: toml::Table = toml::from_str(&text).expect("TOML");
        assert_eq!(read["tests"]["a.b"]["env"]["N"].as_integer(), Some(1));
        assert_eq!(read["directions"]["boot_ms"].as_str(), Some("lower"));
    }
}
