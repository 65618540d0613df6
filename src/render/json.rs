//! `runperf-comparison/1`: the whole comparison for scripts, and its JSON Schema.

use std::io::Write;

use super::{RenderError, Renderer};
use crate::compare::Comparison;

/// Writes the comparison as JSON; NaN and infinities become null.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

impl Renderer for Json {
    fn render(&self, comparison: &Comparison, out: &mut dyn Write) -> Result<(), RenderError> {
        serde_json::to_writer_pretty(&mut *out, comparison)?;
        out.write_all(b"\n")?;
        Ok(())
    }
}

/// Returns the JSON Schema of `--json`, as `--print-schema` shows it.
///
/// # Errors
/// When the schema cannot be serialised: our fault.
pub fn schema() -> Result<String, RenderError> {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Comparison))?;
    text.push('\n');
    Ok(text)
}
