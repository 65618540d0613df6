//! From many results to "what is normal": pure computation, no machines, no clock.
//!
//! - [`stats`]: the formulas, as functions over slices
//! - [`range_model`]: min/max and 3-sigma models, their file format, rebasing
//! - [`history`]: many results as one table (feature `frames`), CSV
//! - [`grouping`]: merged names

pub mod directions;
pub mod grouping;
pub mod history;
pub mod range_model;
pub mod stats;
