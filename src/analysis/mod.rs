//! From many results to "what is normal": pure computation, no machines, no clock.
//!
//! - [`stats`]: the formulas, as functions over slices
//! - [`history`]: many results as one value per metric and build
//! - [`frame`]: the history as a polars table, CSV (feature `frames`)
//! - [`nights`]: names of results
//! - [`reading`]: result directories into a history
//! - [`overview`]: what a history holds, as text
//! - [`range_model`]: min/max and 3-sigma models: training, rebasing, scores
//! - [`model_document`]: model files of any kind; [`model_file`]: how a range model is stored
//! - [`grouping`]: merged names
//! - [`detect`]: which metrics regressed tonight: models of many nights
//! - [`directions`]: which way a known metric should move, and its unit

pub mod detect;
pub mod directions;
#[cfg(feature = "frames")]
pub mod frame;
pub mod grouping;
pub mod history;
pub mod model_document;
pub mod model_file;
pub mod nights;
pub mod overview;
pub mod range_model;
pub mod reading;
pub mod stats;
