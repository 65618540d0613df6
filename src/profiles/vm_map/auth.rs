//! How to log in to the machines of a list: BenchKit's auth file, and what it lacks.
//!
//! `{"user": …, "method": …, "details": {…}}`, all three required. Methods: `password` (`password` in
//! details, or by reference `password_file`, `password_env`), `key` (`path`), `agent`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::control::options::expand_home;
use crate::secret::Secret;
use crate::text::{nearest, one_line};

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// With this password.
    Password(Secret),
    /// With the key in this file.
    Key(PathBuf),
    /// With a key of the agent, as OpenSSH's configuration says.
    Agent,
}

/// An auth file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Account on every machine.
    pub user: String,
    /// How.
    pub login: Login,
}

/// Keys of an auth file.
const KEYS: [&str; 3] = ["user", "method", "details"];

impl Auth {
    /// Reads an auth file.
    ///
    /// # Errors
    /// Everything that is wrong with it; no message holds what may be a secret.
    pub fn load(path: &Path) -> Result<Self, Vec<String>> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| vec![format!("cannot read it: {error}")])?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, folder)
    }

    /// Reads the text of one; relative files are looked for in `folder`.
    ///
    /// # Errors
    /// As [`Auth::load`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<String>> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            // The message of the parser may quote the file.
            vec![format!(
                "expected JSON, found a fault at line {}, column {}",
                error.line(),
                error.column()
            )]
        })?;
        let Some(keys) = value.as_object() else {
            return Err(vec![
                "expected a table with user, method and details".into(),
            ]);
        };
        let mut faults = Vec::new();
        for key in keys.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let near = nearest(key, KEYS)
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            faults.push(format!(
                "expected user, method and details, found `{}`{near}",
                one_line(key)
            ));
        }
        let user = text_of(keys, "user", &mut faults);
        let method = text_of(keys, "method", &mut faults);
        let details = match keys.get("details") {
            Some(Value::Object(details)) => Some(details),
            Some(_) => {
                faults.push("expected `details` to be a table, found something else".into());
                None
            }
            None => {
                faults.push("malformed: expected `details`, found none".into());
                None
            }
        };
        let login = match (method.as_deref(), details) {
            (Some(method), Some(details)) => login(method, details, folder, &mut faults),
            _ => None,
        };
        match (user, login) {
            (Some(user), Some(login)) if faults.is_empty() => Ok(Self { user, login }),
            _ => Err(faults),
        }
    }
}

fn login(
    method: &str,
    details: &Map<String, Value>,
    folder: &Path,
    faults: &mut Vec<String>,
) -> Option<Login> {
    let allowed: &[&str] = match method {
        "password" => &["password", "password_file", "password_env"],
        "key" => &["path"],
        "agent" => &[],
        other => {
            faults.push(format!(
                "unsupported: expected the method to be password, key or agent, found `{}`",
                one_line(other)
            ));
            return None;
        }
    };
    for key in details
        .keys()
        .filter(|key| !allowed.contains(&key.as_str()))
    {
        faults.push(format!(
            "method `{method}` has no detail `{}`",
            one_line(key)
        ));
    }
    let text = |key: &str| details.get(key).and_then(Value::as_str);
    let file = |name: &str| folder.join(expand_home(Path::new(name)));
    match method {
        "password" => {
            let given: Vec<&&str> = allowed
                .iter()
                .filter(|key| text(key).is_some_and(|value| !value.is_empty()))
                .collect();
            let [one] = given[..] else {
                faults.push(format!(
                    "malformed: expected one of password, password_file and password_env in details, found {}",
                    if given.is_empty() { "none" } else { "several" }
                ));
                return None;
            };
            let value = text(one).unwrap_or_default();
            let password = match *one {
                "password" => Ok(value.to_owned()),
                "password_env" => std::env::var(value)
                    .map_err(|_| format!("the variable `{}` is not set", one_line(value))),
                _ => std::fs::read_to_string(file(value))
                    .map(|text| text.lines().next().unwrap_or_default().to_owned())
                    .map_err(|error| format!("cannot read {}: {error}", file(value).display())),
            };
            match password {
                Ok(password) if password.is_empty() => {
                    faults.push("expected a password, found none".into());
                    None
                }
                Ok(password) => Some(Login::Password(Secret::new(password))),
                Err(message) => {
                    faults.push(message);
                    None
                }
            }
        }
        "key" => {
            let Some(name) = text("path").filter(|name| !name.is_empty()) else {
                faults
                    .push("malformed: expected `path` of a key file in details, found none".into());
                return None;
            };
            let path = file(name);
            match std::fs::File::open(&path) {
                Ok(_) => Some(Login::Key(path)),
                Err(error) => {
                    faults.push(format!(
                        "cannot read the key file {}: {error}",
                        path.display()
                    ));
                    None
                }
            }
        }
        _ => Some(Login::Agent),
    }
}

fn text_of(keys: &Map<String, Value>, key: &str, faults: &mut Vec<String>) -> Option<String> {
    match keys.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(_) => {
            faults.push(format!("expected `{key}` to be text, found something else"));
            None
        }
        None => {
            faults.push(format!("malformed: expected `{key}`, found none"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Auth, Vec<String>> {
        Auth::parse(text, Path::new("/nonexistent"))
    }

    fn fixture(name: &str) -> Result<Auth, Vec<String>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/benchkit");
        Auth::load(&folder.join(name))
    }

    #[test]
    fn benchkits_own_file_is_read_and_its_password_never_shown() {
        let auth = fixture("auth.json").expect("good");
        assert_eq!(auth.user, "bench");
        assert_eq!(auth.login, Login::Password(Secret::new("example-only")));
        assert!(!format!("{auth:?}").contains("example-only"));
    }

    #[test]
    fn what_is_missing_is_said_all_at_once() {
        let faults = fixture("auth-bad-no-password.json").expect_err("malformed");
        assert!(faults[0].starts_with("malformed: "), "{faults:?}");
        let faults = parse("{}").expect_err("nothing there");
        assert_eq!(faults.len(), 3, "{faults:?}");
        let faults = parse(r#"{"usr": "x", "method": "magic", "details": {}}"#);
        let faults = faults.expect_err("three faults");
        assert!(faults[0].contains("did you mean `user`?"), "{faults:?}");
        assert!(faults[2].starts_with("unsupported: "), "{faults:?}");
        assert!(fixture("auth-unsupported-method.json").is_err());
    }

    #[test]
    fn a_fault_in_the_json_does_not_show_the_file() {
        let faults = parse("{\"details\": {\"password\": \"hunter22\"").expect_err("cut");
        assert!(!faults[0].contains("hunter22"), "{faults:?}");
        assert!(faults[0].contains("line 1"), "{faults:?}");
    }

    #[test]
    fn passwords_come_by_reference() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("pw"), "from-a-file\nsecond\n").expect("written");
        let text = r#"{"user": "u", "method": "password", "details": {"password_file": "pw"}}"#;
        let auth = Auth::parse(text, folder.path()).expect("good");
        assert_eq!(auth.login, Login::Password(Secret::new("from-a-file")));
        let text = r#"{"user": "u", "method": "password", "details": {"password_env": "RUNPERF_NO_SUCH"}}"#;
        assert!(parse(text).expect_err("not set")[0].contains("RUNPERF_NO_SUCH"));
        let text = r#"{"user": "u", "method": "password", "details": {"password_file": "pw", "password": "x"}}"#;
        assert!(parse(text).expect_err("two")[0].contains("several"));
        let text = r#"{"user": "u", "method": "agent", "details": {}}"#;
        assert_eq!(parse(text).map(|auth| auth.login), Ok(Login::Agent));
    }
}
