//! Tests and profiles declared in the configuration: a name, what it extends, parameters.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Config, ConfigError, Origin};

/// What is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `[tests.NAME]`
    Test,
    /// `[profiles.NAME]`
    Profile,
}

impl Kind {
    /// Returns the section of the file.
    pub fn section(self) -> &'static str {
        match self {
            Kind::Test => "tests",
            Kind::Profile => "profiles",
        }
    }

    /// Returns how messages call it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Test => "test",
            Kind::Profile => "profile",
        }
    }
}

/// A declaration. The strongest file that holds one gives it whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Built-in or other declaration it is a variant of.
    pub extends: String,
    /// Its own parameters.
    pub params: Map<String, Value>,
    /// Where it stands.
    pub origin: Origin,
}

/// A declared name, followed down to what is built in.
#[derive(Debug, Clone, PartialEq)]
pub struct Expanded {
    /// As declared; the name in paths and ids unless `__NAME__` says otherwise.
    pub name: String,
    /// Name of the built-in.
    pub base: String,
    /// Parameters of the declarations, nearest first, below those given with the name.
    pub params: Map<String, Value>,
}

impl Config {
    /// Returns the declared tests by name.
    pub fn declared_tests(&self) -> &BTreeMap<String, Declared> {
        self.declared(Kind::Test)
    }

    /// Returns the declared profiles by name.
    pub fn declared_profiles(&self) -> &BTreeMap<String, Declared> {
        self.declared(Kind::Profile)
    }

    /// Returns the declarations of a kind by name.
    pub fn declared(&self, kind: Kind) -> &BTreeMap<String, Declared> {
        match kind {
            Kind::Test => &self.tests,
            Kind::Profile => &self.profiles,
        }
    }

    pub(super) fn declared_mut(&mut self, kind: Kind) -> &mut BTreeMap<String, Declared> {
        match kind {
            Kind::Test => &mut self.tests,
            Kind::Profile => &mut self.profiles,
        }
    }

    /// Returns whether `override` allows a declaration to replace this built-in.
    pub fn overrides(&self, name: &str) -> bool {
        let list = self
            .get("override")
            .and_then(|setting| setting.value.as_array());
        list.is_some_and(|names| {
            names
                .iter()
                .filter_map(Value::as_str)
                .any(|allowed| allowed.eq_ignore_ascii_case(name))
        })
    }

    /// Checks all declarations of a kind against the names (and aliases) that are built in.
    ///
    /// # Errors
    /// When one hides a built-in without `override`, extends what nobody knows, or extends itself.
    pub fn check_declared(&self, kind: Kind, built_in: &[&str]) -> Result<(), ConfigError> {
        for declared in self.declared(kind).values() {
            let hides = built_in
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&declared.name));
            if hides && !self.overrides(&declared.name) {
                return Err(ConfigError::Value {
                    origin: declared.origin.clone(),
                    message: format!(
                        "{} `{name}` is built in; choose another name, or write `override = [\"{name}\"]` at the top of the file",
                        kind.word(),
                        name = declared.name
                    ),
                });
            }
            self.expand(kind, &declared.name, &Map::new(), built_in)?;
        }
        Ok(())
    }

    /// Follows a declared name down to the built-in it stands for; `None` when it is not declared.
    /// Found by exact name, then ignoring case. `given` are parameters typed with the name; they
    /// are stronger than declared ones, key by key.
    ///
    /// # Errors
    /// When it extends what nobody knows, or itself.
    pub fn expand(
        &self,
        kind: Kind,
        name: &str,
        given: &Map<String, Value>,
        built_in: &[&str],
    ) -> Result<Option<Expanded>, ConfigError> {
        let all = self.declared(kind);
        let find = |name: &str| {
            all.get(name).or_else(|| {
                all.values()
                    .find(|known| known.name.eq_ignore_ascii_case(name))
            })
        };
        let Some(first) = find(name) else {
            return Ok(None);
        };
        let mut params = given.clone();
        let (mut at, mut seen) = (first, vec![first.name.as_str()]);
        loop {
            for (key, value) in &at.params {
                if !params.contains_key(key) {
                    params.insert(key.clone(), value.clone());
                }
            }
            let next = &at.extends;
            let is_built_in = built_in
                .iter()
                .any(|known| known.eq_ignore_ascii_case(next));
            // `[tests.fio] extends = "fio"` means the built-in, as does any name that is not declared.
            match find(next).filter(|found| !(is_built_in && found.name == at.name)) {
                Some(found) if seen.contains(&found.name.as_str()) => {
                    let message = format!(
                        "{} `{}` extends itself: {} → {}",
                        kind.word(),
                        first.name,
                        seen.join(" → "),
                        found.name
                    );
                    return Err(ConfigError::Value {
                        origin: first.origin.clone(),
                        message,
                    });
                }
                Some(found) => {
                    seen.push(&found.name);
                    at = found;
                }
                None if is_built_in => {
                    return Ok(Some(Expanded {
                        name: first.name.clone(),
                        base: next.clone(),
                        params,
                    }));
                }
                None => {
                    let names = built_in.iter().copied().chain(
                        all.keys()
                            .map(String::as_str)
                            .filter(|known| *known != at.name),
                    );
                    let near = crate::text::nearest(next, names)
                        .map(|near| format!("; did you mean `{near}`?"));
                    let message = format!(
                        "{} `{}` extends `{next}`, which nobody knows{}",
                        kind.word(),
                        at.name,
                        near.unwrap_or_default()
                    );
                    return Err(ConfigError::Value {
                        origin: at.origin.clone(),
                        message,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::load;
    use super::*;
    use serde_json::json;

    const BUILT_IN: &[&str] = &["fio", "command", "dummy", "DummyTest"];

    fn expand(project: &str, name: &str, given: Value) -> Result<Option<Expanded>, String> {
        let config = load(project, "", &[]).expect("a file that can be read");
        let given = given.as_object().cloned().unwrap_or_default();
        let told = |error: ConfigError| match error {
            ConfigError::Value { message, .. } => message,
            other => other.to_string(),
        };
        config.check_declared(Kind::Test, BUILT_IN).map_err(told)?;
        config
            .expand(Kind::Test, name, &given, BUILT_IN)
            .map_err(told)
    }

    #[test]
    fn parameters_come_from_the_command_line_then_the_nearest_declaration() {
        let file = "[tests.base]\nextends = \"fio\"\nruntime = 1\nsamples = 1\nbs = \"4k\"\n[tests.Short]\nextends = \"base\"\nsamples = 2\nbs = \"8k\"\n";
        let found = expand(file, "short", json!({"bs": "64k"}))
            .expect("fits")
            .expect("declared");
        assert_eq!((found.name.as_str(), found.base.as_str()), ("Short", "fio"));
        assert_eq!(
            Value::Object(found.params),
            json!({"bs": "64k", "samples": 2, "runtime": 1})
        );
        assert_eq!(
            expand(file, "fio", json!({})),
            Ok(None),
            "built-ins are not declared"
        );
    }

    #[test]
    fn a_built_in_is_replaced_only_when_asked() {
        let hidden = "[tests.fio]\nextends = \"fio\"\nsamples = 1\n";
        assert_eq!(
            expand(hidden, "fio", json!({})),
            Err("test `fio` is built in; choose another name, or write `override = [\"fio\"]` at the top of the file".into())
        );
        let asked = format!("override = [\"fio\"]\n{hidden}");
        assert_eq!(
            expand(&asked, "fio", json!({}))
                .expect("fits")
                .expect("declared")
                .base,
            "fio"
        );
        assert!(
            expand("[tests.dummytest]\nextends = \"fio\"\n", "x", json!({})).is_err(),
            "aliases are names too"
        );
    }

    #[test]
    fn dead_ends_and_circles_are_told() {
        assert_eq!(
            expand("[tests.a]\nextends = \"fioo\"\n", "a", json!({})),
            Err("test `a` extends `fioo`, which nobody knows; did you mean `fio`?".into())
        );
        assert_eq!(
            expand(
                "[tests.a]\nextends = \"b\"\n[tests.b]\nextends = \"a\"\n",
                "a",
                json!({})
            ),
            Err("test `a` extends itself: a → b → a".into())
        );
        assert_eq!(
            expand("[tests.a]\nextends = \"a\"\n", "a", json!({})),
            Err("test `a` extends itself: a → a".into())
        );
    }

    #[test]
    fn a_declaration_is_taken_whole_from_the_strongest_file() {
        let config = load(
            "[tests.a]\nextends = \"command\"\ncommand = [\"x\", \"--n\", 3]\nmetrics = [{ name = \"m\", json = \"/a\" }]\n",
            "[tests.a]\nextends = \"fio\"\nruntime = 5\n[tests.b]\nextends = \"fio\"\n",
            &[],
        )
        .expect("fits");
        assert_eq!(
            config.declared_tests().keys().collect::<Vec<_>>(),
            ["a", "b"]
        );
        let params = Value::Object(config.declared_tests()["a"].params.clone());
        assert_eq!(
            params,
            json!({"command": ["x", "--n", 3], "metrics": [{"name": "m", "json": "/a"}]})
        );
    }
}
