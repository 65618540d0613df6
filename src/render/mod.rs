//! Reports: each renderer shows one complete [`Comparison`] and computes nothing but layout.
//!
//! [`words`] says things, [`view`] finds them, [`changes`] ranks what else changed; one file a format.
//! [`run`] shows a single result directory instead: what ran and what the machines did meanwhile.

pub mod changes;
pub mod console;
pub mod html;
pub mod json;
pub mod markdown;
pub mod plot_csv;
pub mod run;
mod template;
pub mod view;
pub mod words;
pub mod xunit;

#[cfg(test)]
mod sample;

use std::io::Write;

use crate::compare::Comparison;

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The file or pipe would not take it.
    #[error("cannot write the report")]
    Io(#[from] std::io::Error),
    /// A template is broken: our fault.
    #[error("cannot fill the template")]
    Template(#[from] minijinja::Error),
    /// A value cannot be written in this format.
    #[error("cannot serialise the comparison")]
    Serialise(#[from] serde_json::Error),
}

/// A way to show a comparison.
pub trait Renderer {
    /// Writes it.
    ///
    /// # Errors
    /// When the output would not take it.
    fn render(&self, comparison: &Comparison, out: &mut dyn Write) -> Result<(), RenderError>;
}
