//! Parameters of tests, profiles and provisioners: declared once, checked before anything runs.

use serde_json::{Map, Value};

/// One parameter as `--list` and the manual show it.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Key in the JSON object.
    pub name: &'static str,
    /// Other spellings.
    pub aliases: &'static [&'static str],
    /// Default in words; empty when there is none.
    pub default: &'static str,
    /// One sentence.
    pub summary: &'static str,
}

impl Param {
    /// One row of a table of parameters.
    pub const fn new(
        name: &'static str,
        aliases: &'static [&'static str],
        default: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            name,
            aliases,
            default,
            summary,
        }
    }
}

/// Why parameters cannot be used; the message names the parameter and what was expected.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParamError {
    /// Nobody knows this parameter.
    #[error("`{item}` has no parameter `{name}`{}", nearest(.near))]
    Unknown {
        /// Test or profile.
        item: String,
        /// What was given.
        name: String,
        /// The nearest known one.
        near: Option<String>,
    },
    /// The value does not fit.
    #[error("parameter `{name}` of `{item}`: {message}")]
    Invalid {
        /// Test or profile.
        item: String,
        /// Which.
        name: String,
        /// What was expected and found.
        message: String,
    },
}

fn nearest(near: &Option<String>) -> String {
    near.as_ref()
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default()
}

/// Parameters given by the user, spelled as in the table of the item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params {
    item: String,
    values: Map<String, Value>,
}

impl Params {
    /// Checks names against `known`, resolving aliases. Keys that start with two underscores are
    /// left to the caller and kept.
    ///
    /// # Errors
    /// [`ParamError::Unknown`] with the nearest name.
    pub fn check(
        item: &str,
        given: &Map<String, Value>,
        known: &[Param],
    ) -> Result<Self, ParamError> {
        let mut values = Map::new();
        for (name, value) in given {
            let found = known
                .iter()
                .find(|param| param.name == name || param.aliases.contains(&name.as_str()));
            let key = match found {
                Some(param) => param.name,
                None if name.starts_with("__") => name,
                None => {
                    let names = known.iter().flat_map(|param| {
                        std::iter::once(param.name).chain(param.aliases.iter().copied())
                    });
                    let near = crate::text::nearest(name, names).map(str::to_owned);
                    return Err(ParamError::Unknown {
                        item: item.into(),
                        name: name.clone(),
                        near,
                    });
                }
            };
            if values.insert(key.to_owned(), value.clone()).is_some() {
                return Err(ParamError::Invalid {
                    item: item.into(),
                    name: key.into(),
                    message: format!("given twice (also as `{name}`)"),
                });
            }
        }
        Ok(Self {
            item: item.into(),
            values,
        })
    }

    /// Takes parameters whose names somebody else checks.
    pub fn unchecked(item: &str, values: Map<String, Value>) -> Self {
        Self {
            item: item.into(),
            values,
        }
    }

    /// Builds an error about one parameter.
    pub fn invalid(&self, name: &str, message: impl Into<String>) -> ParamError {
        ParamError::Invalid {
            item: self.item.clone(),
            name: name.into(),
            message: message.into(),
        }
    }

    /// Returns the raw value.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Returns a value as the text a user would type: numbers and switches included, lists joined by commas.
    ///
    /// # Errors
    /// For objects and null.
    pub fn text(&self, name: &str) -> Result<Option<String>, ParamError> {
        fn one(value: &Value) -> Option<String> {
            match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(true) => Some("1".into()),
                Value::Bool(false) => Some("0".into()),
                Value::Array(items) => items
                    .iter()
                    .map(one)
                    .collect::<Option<Vec<_>>>()
                    .map(|all| all.join(",")),
                Value::Null | Value::Object(_) => None,
            }
        }
        self.values
            .get(name)
            .map(|value| {
                one(value).ok_or_else(|| {
                    self.invalid(name, format!("expected text or a number, found `{value}`"))
                })
            })
            .transpose()
    }

    /// Returns a comma-separated (or JSON) list; blanks around items are dropped, empty items too.
    ///
    /// # Errors
    /// As [`Params::text`].
    pub fn list(&self, name: &str) -> Result<Option<Vec<String>>, ParamError> {
        Ok(self.text(name)?.map(|text| {
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect()
        }))
    }

    /// Returns a number (also written as text).
    ///
    /// # Errors
    /// When it is none of type `T`.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, ParamError> {
        self.text(name)?
            .map(|text| {
                text.trim()
                    .parse()
                    .map_err(|_| self.invalid(name, format!("expected a number, found `{text}`")))
            })
            .transpose()
    }

    /// Returns a switch: true, false, 1, 0, yes, no, y, n, t, on, off.
    ///
    /// # Errors
    /// For anything else.
    pub fn switch(&self, name: &str) -> Result<Option<bool>, ParamError> {
        self.text(name)?
            .map(|text| match text.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "y" | "t" | "on" => Ok(true),
                "0" | "false" | "no" | "n" | "f" | "off" | "" => Ok(false),
                _ => Err(self.invalid(name, format!("expected true or false, found `{text}`"))),
            })
            .transpose()
    }

    /// Returns all pairs, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.values.iter()
    }
}
