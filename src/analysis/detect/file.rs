//! The model as a file: version 3, which the older tool reads as its own.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value};

use super::model::{Entry, HistoryModel, Metadata};
use crate::analysis::model_file::ModelError;

const METADATA: &str = "__metadata__";

impl HistoryModel {
    /// Reads a version 3 model.
    ///
    /// # Errors
    ///
    /// [`ModelError`]: unreadable, no model, of another version, or damaged.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &bytes)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let shape = |reason: String| ModelError::Shape {
            path: path.to_owned(),
            reason,
        };
        let json = |source| ModelError::Json {
            path: path.to_owned(),
            source,
        };
        let value: Value = serde_json::from_slice(bytes).map_err(json)?;
        let Value::Object(mut entries) = value else {
            return Err(shape("expected an object of metrics".into()));
        };
        let metadata = entries.shift_remove(METADATA);
        match metadata.as_ref().and_then(|of| of.get("version")?.as_u64()) {
            Some(3) => {}
            Some(found) if found > 3 => {
                return Err(ModelError::Newer {
                    path: path.to_owned(),
                    found,
                });
            }
            _ => {
                return Err(shape(
                    "it is a model of analyze-perf -l or -s; use it with `-l`, or train one with `analyze-perf --model FILE`".into(),
                ));
            }
        }
        let metadata: Metadata = serde_json::from_value(metadata.unwrap_or_default())
            .map_err(|error| shape(format!("`{METADATA}`: {error}")))?;
        if !(metadata.tolerance.is_finite() && metadata.tolerance > 0.0) {
            return Err(shape("its tolerance should be a number above 0".into()));
        }
        let metrics = entries
            .into_iter()
            .map(|(id, entry)| {
                let damaged = |reason: String| ModelError::Entry {
                    path: path.to_owned(),
                    id: id.clone(),
                    reason,
                };
                let entry: Entry =
                    serde_json::from_value(entry).map_err(|error| damaged(error.to_string()))?;
                if entry.sd < 0.0 || entry.dof < 0.0 {
                    return Err(damaged("a spread cannot be negative".into()));
                }
                Ok((id, entry))
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        Ok(Self { metadata, metrics })
    }

    /// Returns the text of the file: JSON, indent 4, ids in sorted order, with a line end.
    ///
    /// # Errors
    ///
    /// None in practice: every number is finite and every key a text.
    pub fn to_text(&self) -> serde_json::Result<String> {
        let mut entries = Map::new();
        entries.insert(METADATA.into(), serde_json::to_value(&self.metadata)?);
        for (id, entry) in &self.metrics {
            entries.insert(id.clone(), serde_json::to_value(entry)?);
        }
        let mut out = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        Value::Object(entries).serialize(&mut serde_json::Serializer::with_formatter(
            &mut out, indent,
        ))?;
        out.push(b'\n');
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}
