//! Profile-driven performance regression testing.
//!
//! Two halves, joined only by the result directory ([`store`]):
//!
//! - the left half talks to machines and survives anything: [`config`], [`control`], [`host`],
//!   [`shell`], [`profiles`], [`tests`], [`provisioners`];
//! - the right half is pure and deterministic: [`analysis`], [`compare`], [`render`].
//!
//! [`cli`] turns what was typed into calls of either. The six programs in `src/bin` are thin.

pub mod analysis;
pub mod archive;
pub mod check;
pub mod cli;
pub mod compare;
pub mod config;
pub mod control;
pub mod host;
pub mod metric;
pub mod profiles;
pub mod provisioners;
pub mod registry;
pub mod render;
pub mod secret;
pub mod shell;
pub mod store;
pub mod tests;
pub mod text;
