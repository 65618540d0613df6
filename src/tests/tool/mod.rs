//! What tests that drive a benchmark program have in common.
//!
//! A [`Tool`] says which points it measures and measures one of them once; [`drive`] makes a
//! [`Test`](super::Test) of it: samples, repetition of what spreads, checkpoints, events, monitors.
//! [`machine`] is a worker with a private folder, [`install`] says how to get a program that is
//! missing, [`options`] holds parameters that many have, [`server`] a program other machines talk to.

pub mod drive;
pub mod install;
pub mod machine;
pub mod options;
pub mod server;

pub use drive::{Driven, Place, Point, Tool};
pub use machine::Machine;
