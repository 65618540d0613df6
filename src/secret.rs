//! Values that never leave the process in clear, and the one filter everything printed goes through.

use std::fmt;
use std::sync::{Arc, RwLock};

use serde_json::Value;

/// A password or token. Prints as `***`, cannot be serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }
    /// Returns the value, for the one place that must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Returns whether a key or variable of this name holds a secret: `PGPASSWORD`, `api_token`, `ssh-key`.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let last = name.rsplit(['_', '-', '.']).next().unwrap_or(&name);
    [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "credential",
    ]
    .iter()
    .any(|word| name.contains(word))
        || ["key", "pw"].contains(&last)
}

/// Characters of the shortest secret that is replaced wherever it occurs: a `token=1` in the
/// metadata must not turn every 1 of a result into `***`.
const LEAST_LENGTH: usize = 4;

/// Returns the passwords of all URLs in a text.
fn url_passwords(text: &str) -> impl Iterator<Item = &str> {
    text.split("://").skip(1).filter_map(|rest| {
        let end = rest
            .find(|c: char| c.is_whitespace() || "/?#\"'".contains(c))
            .unwrap_or(rest.len());
        let (user, _) = rest[..end].rsplit_once('@')?;
        Some(user.split_once(':')?.1)
    })
}

/// Replaces every known secret in a text by `***`; clones share what they know.
#[derive(Clone, Default, Debug)]
pub struct Redactor(Arc<RwLock<Vec<Secret>>>);

impl Redactor {
    /// Learns a secret. The empty text is no secret.
    pub fn learn(&self, secret: &Secret) {
        if secret.reveal().is_empty() {
            return;
        }
        let mut known = self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !known.contains(secret) {
            known.push(secret.clone());
            // Longest first, so that a secret that contains another one disappears whole.
            known.sort_by_key(|secret| std::cmp::Reverse(secret.reveal().len()));
        }
    }

    /// Returns whether a text holds a known secret of at least `length` bytes; shorter ones stand in
    /// every other path.
    pub fn finds(&self, text: &str, length: usize) -> bool {
        let known = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        known
            .iter()
            .any(|secret| secret.reveal().len() >= length && text.contains(secret.reveal()))
    }

    /// Learns what is secret in a value: everything below a name that tells so, and passwords in
    /// URLs (`https://user:PASSWORD@host`). Shorter ones than [`LEAST_LENGTH`] are left to
    /// whoever knows the name.
    pub fn learn_within(&self, name: &str, value: &Value) {
        let learn = |text: &str| {
            if text.chars().count() >= LEAST_LENGTH {
                self.learn(&Secret::new(text));
            }
        };
        match value {
            Value::String(text) if is_secret_name(name) => learn(text),
            Value::Number(number) if is_secret_name(name) => learn(&number.to_string()),
            Value::String(text) => url_passwords(text).for_each(learn),
            Value::Array(items) => items.iter().for_each(|item| self.learn_within(name, item)),
            Value::Object(object) => {
                for (key, item) in object {
                    let inherited = if is_secret_name(name) { name } else { key };
                    self.learn_within(inherited, item);
                }
            }
            _ => {}
        }
    }

    /// Returns `text` without any known secret.
    pub fn clean(&self, text: &str) -> String {
        let known = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        known.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(secret.reveal()) {
                text.replace(secret.reveal(), "***")
            } else {
                text
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_secret_that_holds_a_shorter_one_disappears_whole() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::new("pass"));
        redactor.learn(&Secret::new("password1"));
        assert_eq!(redactor.clone().clean("a password1 b pass"), "a *** b ***");
        assert_eq!(
            format!("{:?} {}", Secret::new("x"), Secret::new("x")),
            "*** ***"
        );
    }

    #[test]
    fn secrets_within_parameters_and_urls_are_learned() {
        let redactor = Redactor::default();
        redactor.learn_within(
            "env",
            &serde_json::json!({"PGPASSWORD": "pg-1", "PIN_TOKEN": 4711, "LC_ALL": "C.UTF-8"}),
        );
        redactor.learn_within(
            "url",
            &"see https://kq:p:w@ss@ci.example.org/job?a=@b and ssh://host".into(),
        );
        redactor.learn_within("token", &"1".into());
        assert_eq!(
            redactor.clean("pg-1 4711 C.UTF-8 https://kq:p:w@ss@ci.example.org/job?a=@b 1"),
            "*** *** C.UTF-8 https://kq:***@ci.example.org/job?a=@b 1"
        );
    }

    #[test]
    fn names_tell_secrets() {
        for name in [
            "PGPASSWORD",
            "default_passwords",
            "api-token",
            "AWS_SECRET_ACCESS_KEY",
            "ssh_key",
            "DB_PW",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["keyspace", "KEYS", "monkey", "output", "pwd"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
