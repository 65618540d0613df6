//! A model file of any kind, before it is known which: metadata and one entry a metric.
//!
//! What the kinds share: the error, the outer shape, the version, and that nothing may stand there
//! twice. A second entry of one name would otherwise quietly win over the first, after a merge gone
//! wrong in version control for example.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Entry that is no metric.
pub(crate) const METADATA: &str = "__metadata__";

/// The newest version that is understood.
pub(crate) const NEWEST: u64 = 3;

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("cannot read the model {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no JSON: cut short, or something else altogether.
    #[error("the model {} is not JSON", path.display())]
    Json {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It is JSON of another shape.
    #[error("{} is no model: {reason}", path.display())]
    Shape {
        /// Which.
        path: PathBuf,
        /// What was expected and found.
        reason: String,
    },
    /// It has a version this program does not know.
    #[error("the model {} has version {found}, written by a newer version of run-perf; this one reads 1 to {NEWEST}", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The line of a metric cannot be used.
    #[error("the model {} is damaged at `{id}`: {reason}", path.display())]
    Entry {
        /// Which.
        path: PathBuf,
        /// Metric.
        id: String,
        /// What was expected and found.
        reason: String,
    },
}

impl ModelError {
    /// Returns the next step for the person who reads the message.
    pub fn hint(&self) -> Option<String> {
        match self {
            ModelError::Read { .. } => None,
            ModelError::Newer { .. } => {
                Some("update this program, or train again with `analyze-perf -l FILE`".into())
            }
            ModelError::Json { .. } | ModelError::Shape { .. } | ModelError::Entry { .. } => {
                Some("train it again with `analyze-perf -l FILE -- RESULT…`".into())
            }
        }
    }

    /// Returns the next step where a history model was asked for.
    pub fn hint_for_history(&self) -> Option<String> {
        match self {
            ModelError::Read { .. } => None,
            ModelError::Newer { .. } => {
                Some("update this program, or train again with `analyze-perf --model FILE`".into())
            }
            ModelError::Json { .. } | ModelError::Shape { .. } | ModelError::Entry { .. } => {
                Some("train it with `analyze-perf --model FILE -- RESULT…`".into())
            }
        }
    }
}

/// A model file as it stands there.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    /// For messages.
    path: &'a Path,
    /// What stands under `__metadata__`.
    pub(crate) metadata: Option<Value>,
    entries: Map<String, Value>,
}

impl<'a> Document<'a> {
    /// Takes a file apart.
    ///
    /// Bare words `NaN` and `Infinity`, which Python writes, count as null.
    ///
    /// # Errors
    ///
    /// [`ModelError::Json`], or [`ModelError::Shape`] when it is no object, or holds a key twice.
    pub(crate) fn parse(path: &'a Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let document = |reason: String| ModelError::Shape {
            path: path.to_owned(),
            reason,
        };
        let parsed = serde_json::from_slice::<Once>(bytes).or_else(|error| {
            if error.is_data() {
                return Err(error);
            }
            serde_json::from_slice(&without_python_numbers(bytes)).map_err(|again| {
                // A key that stands twice is said even where Python's numbers came before it.
                if again.is_data() { again } else { error }
            })
        });
        let value = match parsed {
            Ok(Once(value)) => value,
            Err(error) if error.is_data() => return Err(document(error.to_string())),
            Err(source) => {
                return Err(ModelError::Json {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let Value::Object(mut entries) = value else {
            return Err(document(format!(
                "expected an object of metrics, found {}",
                kind(&value)
            )));
        };
        Ok(Self {
            path,
            metadata: entries.shift_remove(METADATA),
            entries,
        })
    }

    /// Returns the error of a file of another shape.
    pub(crate) fn shape(&self, reason: String) -> ModelError {
        ModelError::Shape {
            path: self.path.to_owned(),
            reason,
        }
    }

    /// Returns the version that the metadata state, 1 to 3; `None` without metadata.
    ///
    /// # Errors
    ///
    /// [`ModelError::Newer`], or [`ModelError::Shape`] when it is no such number.
    pub(crate) fn version(&self) -> Result<Option<u32>, ModelError> {
        let Some(metadata) = &self.metadata else {
            return Ok(None);
        };
        let Value::Object(metadata) = metadata else {
            return Err(self.shape(format!(
                "`{METADATA}` should be an object, found {}",
                kind(metadata)
            )));
        };
        let found = metadata.get("version");
        match found.and_then(Value::as_u64) {
            Some(found) if found > NEWEST => Err(ModelError::Newer {
                path: self.path.to_owned(),
                found,
            }),
            Some(known @ 1..=NEWEST) => Ok(u32::try_from(known).ok()),
            _ => {
                let found = found.map_or_else(|| "nothing".to_owned(), Value::to_string);
                Err(self.shape(format!(
                    "its version should be a number from 1 to {NEWEST}, found {found}"
                )))
            }
        }
    }

    /// Makes something of every entry, by id.
    ///
    /// # Errors
    ///
    /// [`ModelError::Entry`] with the reason of the first entry that cannot be used.
    pub(crate) fn entries<T>(
        self,
        make: impl Fn(Value) -> Result<T, String>,
    ) -> Result<BTreeMap<String, T>, ModelError> {
        self.entries
            .into_iter()
            .map(|(id, entry)| match make(entry) {
                Ok(made) => Ok((id, made)),
                Err(reason) => Err(ModelError::Entry {
                    path: self.path.to_owned(),
                    id,
                    reason,
                }),
            })
            .collect()
    }
}

/// Reads a model file.
///
/// # Errors
///
/// [`ModelError::Read`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| ModelError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Returns what a value is, for messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// JSON in which no object holds a key twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor).map(Once)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(all.into())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((key, Once(value))) = object.next_entry::<String, Once>()? {
            if all.contains_key(&key) {
                return Err(A::Error::custom(format!("`{key}` stands there twice")));
            }
            all.insert(key, value);
        }
        Ok(all.into())
    }
}

/// Replaces the bare words `NaN`, `Infinity` and `-Infinity`, which Python's JSON writes, by `null`.
fn without_python_numbers(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut quoted, mut escaped, mut rest) = (false, false, bytes);
    while let [byte, after @ ..] = rest {
        let word = ["NaN", "Infinity", "-Infinity"]
            .into_iter()
            .find(|word| !quoted && rest.starts_with(word.as_bytes()));
        if let Some(word) = word {
            out.extend(b"null");
            rest = &rest[word.len()..];
            continue;
        }
        quoted ^= *byte == b'"' && !escaped;
        escaped = quoted && *byte == b'\\' && !escaped;
        out.push(*byte);
        rest = after;
    }
    out
}
