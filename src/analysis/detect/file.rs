//! The model as a file: version 3, which the older tool reads as its own.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::model::{Entry, HistoryModel, Metadata};
use crate::analysis::model_document::{Document, METADATA, ModelError, read};

/// The file as its JSON Schema shows it.
#[derive(Debug, JsonSchema)]
#[schemars(title = "history model, version 3")]
#[expect(dead_code, reason = "the schema is made of it, the file of the model")]
pub struct HistoryFile {
    /// About all of it.
    #[schemars(rename = "__metadata__")]
    metadata: Metadata,
    /// By id.
    #[schemars(flatten)]
    metrics: BTreeMap<String, Entry>,
}

impl HistoryModel {
    /// Reads a version 3 model.
    ///
    /// # Errors
    ///
    /// [`ModelError`]: unreadable, no model, of another version, or damaged.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        Self::parse(path, &read(path)?)
    }

    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let mut document = Document::parse(path, bytes)?;
        if document.version()? != Some(3) {
            return Err(document.shape(
                "it is a model of analyze-perf -l or -s; use it with `-l`, or train one with `analyze-perf --model FILE`".into(),
            ));
        }
        let metadata = document.metadata.take().unwrap_or_default();
        let metadata: Metadata = serde_json::from_value(metadata)
            .map_err(|error| document.shape(format!("`{METADATA}`: {error}")))?;
        if !(metadata.tolerance.is_finite() && metadata.tolerance > 0.0) {
            return Err(document.shape("its tolerance should be a number above 0".into()));
        }
        let metrics = document.entries(|entry| {
            let entry: Entry = serde_json::from_value(entry).map_err(|error| error.to_string())?;
            if entry.sd < 0.0 || entry.dof < 0.0 {
                return Err("a spread cannot be negative".into());
            }
            Ok(entry)
        })?;
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
