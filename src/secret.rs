//! Values that never leave the process in clear, and the one filter everything printed goes through.

use std::fmt;
use std::sync::{Arc, RwLock};

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
