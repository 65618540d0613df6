//! What regressed: from a source, references and a target to one complete [`Comparison`].
//!
//! A `Comparison` is everything any report shows; renderers only choose. Its JSON form *is*
//! `runperf-comparison/1` (docs/formats.md). Judging is in [`judge`] (this project's rules) and
//! [`compat`] (the older tool's, to the letter).

pub mod compat;
pub mod environment;
pub mod judge;
pub mod types;

pub use types::*;
