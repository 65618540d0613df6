//! Which metrics regressed tonight: a model of every metric's nights, and one night held against it.
//!
//! Log goodness throughout: a difference of -0.02 is two percent worse, whatever the metric.
//! Explained for readers of verdicts in `docs/detection.md`. One idea a file:
//!
//! - [`goodness`]: values as numbers that can be subtracted
//! - [`robust`]: level and scale that a wild night cannot move
//! - [`segments`]: accepted changes of the level
//! - [`host`]: what all metrics of a profile did together
//! - [`drift`], [`states`]: metrics that creep, metrics with two levels
//! - [`shrink`]: few nights, many metrics
//! - [`repeat`]: several results of one build
//! - [`student`], [`multiple`]: probabilities, and many of them at once; [`decide`]: what is called
//! - [`training`]: nights into series; [`train`]: series into a [`model`]
//! - [`judge`]: a candidate held against the model; [`pairwise`]: two results without a history
//! - [`backtest`]: the nights of a history judged as they came
//! - [`mod@file`]: how the model is stored

pub mod backtest;
pub mod decide;
pub mod drift;
pub mod file;
pub mod goodness;
pub mod host;
pub mod judge;
pub mod model;
pub mod multiple;
pub mod pairwise;
pub mod repeat;
pub mod robust;
pub mod segments;
pub mod shrink;
pub mod states;
pub mod student;
pub mod train;
pub mod training;
