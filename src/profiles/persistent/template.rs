//! Scripts with Python's percent formatting, as the older tool's templates have it.

use std::collections::BTreeMap;

/// Why a template cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It asks for something nobody gave.
    #[error("line {line} asks for `{name}`, which is not known{}", offer(.near))]
    Unknown {
        /// From 1.
        line: usize,
        /// What it asks for.
        name: String,
        /// The nearest that is known.
        near: Option<String>,
    },
    /// A percent sign that is neither `%(name)s` nor `%%`.
    #[error("line {line} has a lone `%`; a literal one is written `%%`")]
    Lone {
        /// From 1.
        line: usize,
    },
}

fn offer(near: &Option<String>) -> String {
    near.as_ref()
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// Fills `%(name)s` and `%(name)d`; `%%` is a percent sign.
///
/// # Errors
/// Names that are not known and lone percent signs, with their line.
pub fn fill(template: &str, values: &BTreeMap<String, String>) -> Result<String, TemplateError> {
    let mut filled = String::with_capacity(template.len());
    for (index, text) in template.split_inclusive('\n').enumerate() {
        let line = index + 1;
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            filled.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                filled.push('%');
                rest = after;
                continue;
            }
            let (name, after) = after
                .strip_prefix('(')
                .and_then(|after| after.split_once(')'))
                .ok_or(TemplateError::Lone { line })?;
            rest = after
                .strip_prefix(['s', 'd'])
                .ok_or(TemplateError::Lone { line })?;
            let value = values.get(name).ok_or_else(|| TemplateError::Unknown {
                line,
                name: name.to_owned(),
                near: crate::text::nearest(name, values.keys().map(String::as_str))
                    .map(str::to_owned),
            })?;
            filled.push_str(value);
        }
        filled.push_str(rest);
    }
    Ok(filled)
}
