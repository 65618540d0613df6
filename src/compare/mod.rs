//! What regressed: from a source, references and a target to one complete [`Comparison`].
//!
//! A `Comparison` is everything any report shows; renderers only choose. Its JSON form *is*
//! `runperf-comparison/1` (docs/formats.md). Judging is in [`judge`] (this project's rules) and
//! [`compat`] (the older tool's, to the letter); both are pure functions of [`Inputs`]. Which of
//! several results is most like another one is another question, answered in [`closest`].

mod builds;
pub mod by_client;
pub mod closest;
pub mod compat;
mod direction;
pub mod environment;
mod errors;
mod groups;
mod history_rule;
mod incidents;
pub mod inputs;
pub mod judge;
mod modifiers;
mod records;
pub mod score;
pub mod since;
pub mod suspects;
pub mod types;
pub mod verdict;

pub use inputs::{HistoryInputs, Inputs, Limit, LineModel, ModelLine, Options};
pub use types::*;

/// Compares DST with SRC, in the light of the references.
///
/// Pure: reads no file, no clock, no environment; the same inputs give the same value.
pub fn compare(inputs: Inputs, options: &Options) -> Comparison {
    if options.compat {
        compat::compare(inputs, options)
    } else {
        judge::compare(inputs, options)
    }
}
